"""The epoch: accumulation, freezing, heads, precision; each against what it should amount to."""

import pytest
import torch
from torch import nn

from models.architectures.network import WithAuxiliaries
from models.architectures.served import ServedNetwork
from models.errors import DataError
from tests.training.small import LENGTHS, SPEC, bars, config
from training import loop as loop_module
from training.arrays import Arrays, to_arrays
from training.config import Augmentation, TrainingConfig
from training.fit import fit
from training.loop import Loop, plain_logits
from training.start import first_network

GRADES = tuple(LENGTHS)
PLAIN = Augmentation(flip=False)


class Pooled(nn.Module):
    """The mean colour of each quarter, one linear layer: no dropout, no normalisation over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(8)
        self.fc = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(x).flatten(1))


class Headed(Pooled):
    """With an auxiliary head of weight 0.3, as GoogLeNet has two."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(12, 3)

    def weighted_logits(self, x: torch.Tensor) -> tuple[tuple[float, torch.Tensor], ...]:
        features = self.pool(x).flatten(1)
        return (1.0, self.fc(features)), (0.3, self.aux(features))


def arrays(count: int = 64) -> Arrays:
    return to_arrays(bars(count).samples, GRADES, SPEC)


def loop(settings: TrainingConfig, network: nn.Module | None = None) -> Loop:
    if network is None:
        served, _ = first_network(settings, GRADES, None)
    else:
        served = ServedNetwork(network, SPEC)
    return Loop(settings, served, arrays(), len(GRADES), torch.device("cpu"))


def pooled(kind: type[Pooled] = Pooled) -> Pooled:
    torch.manual_seed(0)
    return kind()


def trained(network: nn.Module, **changes: object) -> dict[str, torch.Tensor]:
    settings = config(augmentation=PLAIN, ema_decay=None, schedule="constant", **changes)
    one = loop(settings.model_copy(update={"ema_decay": None}), network)
    one.run_epoch(0)
    return one.weights()


def test_accumulated_batches_step_as_one_large_batch():
    small, large = trained(pooled(), batch_size=8, accumulate=4), trained(pooled(), batch_size=32)
    assert all(torch.allclose(small[name], large[name], atol=1e-5) for name in large)
    assert not torch.allclose(trained(pooled(), batch_size=8)["fc.weight"], large["fc.weight"], atol=1e-5)


def test_a_last_step_of_fewer_batches_is_taken_too():
    one = loop(config(batch_size=8, accumulate=3), pooled())  # 8 batches: 3, 3 and 2
    one.run_epoch(0)
    assert one.schedule.last_epoch == 3
    assert one.schedule.total_steps == 3 * 4


def test_every_head_is_trained_and_the_main_one_answers():
    network = pooled(Headed)
    assert isinstance(network, WithAuxiliaries)
    assert not isinstance(pooled(), WithAuxiliaries)
    before = network.aux.weight.clone()
    one = loop(config(augmentation=PLAIN), network)
    x, targets = one.model.standardise(one.model.unit(one.inputs[:8])), one.targets[:8]
    wanted = sum(weight * one._entropy(logits, targets) for weight, logits in network.weighted_logits(x))
    got = one._heads_loss(x, lambda logits: one._entropy(logits, targets))
    assert torch.isclose(got, wanted)
    assert got > one._entropy(network(x), targets)
    one.run_epoch(0)
    assert not torch.equal(network.aux.weight, before)
    assert one.logits(one.inputs[:5]).shape == (5, 3)


def test_frozen_modules_keep_weights_and_statistics():
    one = loop(config(freeze=("conv1", "norm1")))
    before = {name: value.clone() for name, value in one.model.network.state_dict().items()}
    one.run_epoch(0)
    after = one.model.network.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert not [name for name in changed if name.startswith(("conv1.", "norm1."))]
    assert {"conv2.weight", "norm2.running_mean", "fc2.weight"} <= changed


def test_lower_layers_learn_more_slowly():
    def moved(decay: float) -> dict[str, float]:
        one = loop(config(layer_decay=decay, schedule="constant", weight_decay=0.0))
        before = {name: value.clone() for name, value in one.model.network.named_parameters()}
        one.run_epoch(0)
        return {name: float((value - before[name]).detach().abs().mean()) for name, value in one.model.network.named_parameters()}

    slow, even = moved(0.1), moved(1.0)
    assert slow["conv1.weight"] < even["conv1.weight"] / 100
    assert slow["fc2.weight"] > even["fc2.weight"] / 5


def test_one_cycle_keeps_the_ratio_of_the_layers():
    one = loop(config(layer_decay=0.5))
    assert list(one.learning_rates) == ["conv1", "conv2", "fc1", "fc2"]
    for epoch in range(3):
        one.run_epoch(epoch)
        rates = list(one.learning_rates.values())
        assert rates == pytest.approx([rates[3] * 0.5**depth for depth in (3, 2, 1, 0)])


def test_gradients_are_clipped(monkeypatch):
    norms = []
    real = loop_module.nn.utils.clip_grad_norm_

    def clip(parameters, most):
        parameters = list(parameters)
        real(parameters, most)
        norms.append(float(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()))

    monkeypatch.setattr(loop_module.nn.utils, "clip_grad_norm_", clip)
    loop(config(clip_norm=0.01)).run_epoch(0)
    assert max(norms) <= 0.0101
    assert len(norms) == 8


def test_weights_make_a_rare_grades_error_cost_more():
    settings = config(balance="weights", label_smoothing=0.0)
    rare = Arrays(arrays().inputs, torch.tensor([0] * 40 + [1] * 20 + [2] * 4))
    served, _ = first_network(settings, GRADES, None)
    one = Loop(settings, served, rare, 3, torch.device("cpu"))
    logits = torch.zeros(2, 3, requires_grad=True)
    one._entropy(logits, torch.tensor([0, 2])).backward()
    cost = -logits.grad[[0, 1], [0, 2]]
    assert cost[1] / cost[0] == pytest.approx(10)


@pytest.mark.parametrize("changes", [{"amp": "bf16"}, {"channels_last": "on"}, {"mixup": 0.3}, {"balance": "sampler"}])
def test_still_learns(tmp_path, changes):
    run = fit(config(epochs=25, **changes), bars(150), tmp_path / "run")
    assert run.metrics().scores.accuracy >= 0.85


def test_bf16_trains_in_half_precision_and_evaluates_in_full():
    seen = []
    one = loop(config(amp="bf16"))
    one.model.network.fc2.register_forward_hook(lambda _, inputs, output: seen.append(output.dtype))
    one.run_epoch(0)
    assert set(seen) == {torch.bfloat16}
    assert one.logits(one.inputs).dtype == torch.float32
    assert {value.dtype for name, value in one.weights().items() if "num_batches" not in name} == {torch.float32}


def test_evaluation_is_that_of_the_average_and_of_the_plain_network():
    one = loop(config())
    one.run_epoch(0)
    served = one.average.module.eval()
    with torch.no_grad():
        assert torch.equal(one.logits(one.inputs), plain_logits(served, one.inputs))
    assert not torch.equal(one.average.module.network.fc2.weight, one.model.network.fc2.weight)


@pytest.mark.parametrize("worst", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_the_epoch_and_the_way_out(monkeypatch, worst):
    one = loop(config())
    monkeypatch.setattr(one, "_entropy", lambda logits, targets: logits.sum() * worst)
    with pytest.raises(DataError, match=r"loss of epoch 1 is .*--learning-rate"):
        one.run_epoch(0)


def test_answers_that_are_not_finite_stop_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(Loop, "logits", lambda self, inputs: torch.full((len(inputs), 3), float("nan")))
    with pytest.raises(DataError, match="After epoch 1 the network's answers are not finite"):
        fit(config(), bars(), tmp_path / "run")
