import numpy as np
import pytest
import torch
from torch import nn

from models.architectures import NAMES, build, default_spec
from models.architectures.deep_mnist import LEARNING_RATE, DeepMnist
from models.architectures.served import ServedNetwork
from models.architectures.summary import LayerSummary, summarize
from models.graph import INPUT, LOGITS
from models.preprocess import PreprocessSpec


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


def rows_of(name: str) -> dict[str, LayerSummary]:
    spec = default_spec(name)
    return {row.name: row for row in summarize(build(name, spec=spec), spec.channels, spec.height, spec.width)}


class TestDeepMnist:
    """Against the published description of "Deep MNIST for Experts"."""

    def test_parameters_layer_by_layer(self) -> None:
        rows = [row for row in summarize(DeepMnist(), 1, 28, 28) if row.parameters]
        assert [(row.weights, row.biases) for row in rows] == [(800, 32), (51_200, 64), (3_211_264, 1_024), (10_240, 10)]
        assert sum(row.parameters for row in rows) == 3_274_634
        assert sum(p.numel() for p in DeepMnist().parameters()) == 3_274_634

    def test_shapes(self) -> None:
        shapes = [row.output for row in summarize(DeepMnist(), 1, 28, 28) if row.kind in ("Conv2d", "MaxPool2d", "Linear")]
        assert shapes == [(32, 28, 28), (32, 14, 14), (64, 14, 14), (64, 7, 7), (1024,), (10,)]

    def test_initial_weights_are_a_normal_distribution_cut_at_two_deviations(self) -> None:
        network = DeepMnist()
        weights = torch.cat([layer.weight.flatten() for layer in (network.conv1, network.conv2, network.fc1, network.fc2)])
        assert weights.abs().max() <= 0.2
        assert weights.abs().max() > 0.199
        # Standard deviation of a normal distribution of 0.1 that is cut at two: 0.1 x 0.8796.
        assert weights.std().item() == pytest.approx(0.08796, rel=0.005)
        assert weights.mean().item() == pytest.approx(0, abs=2e-4)
        for layer in (network.conv1, network.conv2, network.fc1, network.fc2):
            assert layer.bias is not None
            assert torch.equal(layer.bias, torch.full_like(layer.bias, 0.1))

    def test_what_the_tutorial_says(self) -> None:
        network = DeepMnist()
        assert network.dropout.p == 0.5
        assert LEARNING_RATE == 1e-4
        spec = default_spec("deep-mnist")
        assert (spec.width, spec.height, spec.channels, spec.mean, spec.std) == (28, 28, 1, (0.0,), (1.0,))


@pytest.mark.parametrize("name", NAMES)
class TestEveryNetwork:
    @pytest.mark.parametrize(("grades", "width", "height"), [(9, 32, 32), (2, 48, 20), (10, 8, 8)])
    def test_logits_for_any_size_and_number_of_grades(self, name: str, grades: int, width: int, height: int) -> None:
        for channels in (1, 3):
            spec = PreprocessSpec(width=width, height=height, channels=channels)
            network = build(name, grades, spec).eval()
            with torch.no_grad():
                logits = network(torch.rand(5, channels, height, width))
            assert logits.shape == (5, grades)
            assert logits.dtype == torch.float32
            assert logits.isfinite().all()

    def test_logits_are_not_probabilities(self, name: str) -> None:
        spec = default_spec(name)
        with torch.no_grad():
            logits = build(name).eval()(torch.randn(8, spec.channels, spec.height, spec.width))
        assert logits.min() < 0
        assert not torch.allclose(logits.sum(dim=1), torch.ones(8))

    def test_each_photograph_is_graded_for_itself(self, name: str) -> None:
        spec = default_spec(name)
        network = build(name).eval()
        batch = torch.rand(4, spec.channels, spec.height, spec.width)
        with torch.no_grad():
            torch.testing.assert_close(network(batch)[2:3], network(batch[2:3]), atol=1e-5, rtol=1e-4)

    def test_every_parameter_learns(self, name: str) -> None:
        spec = default_spec(name)
        network = build(name).train()
        inputs = torch.rand(6, spec.channels, spec.height, spec.width)
        nn.functional.cross_entropy(network(inputs), torch.arange(6)).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())

    def test_the_input_is_left_as_it_was(self, name: str) -> None:
        spec = default_spec(name)
        inputs = torch.randn(2, spec.channels, spec.height, spec.width)
        before = inputs.clone()
        build(name).train()(inputs)
        assert torch.equal(inputs, before)

    def test_relu_and_pooling_are_modules_of_their_own(self, name: str) -> None:
        # Explanations hook them; guided backpropagation replaces the ReLU's gradient, so one must not serve twice or in place.
        network, spec = build(name), default_spec(name)
        ran = [row for row in summarize(network, spec.channels, spec.height, spec.width) if row.kind in ("ReLU", "MaxPool2d")]
        assert {row.kind for row in ran} == {"ReLU", "MaxPool2d"}
        assert len({row.name for row in ran}) == len(ran)
        assert not any(layer.inplace for layer in network.modules() if isinstance(layer, nn.ReLU))

    def test_the_seed_decides_the_weights(self, name: str) -> None:
        def fresh(seed: int) -> torch.Tensor:
            torch.manual_seed(seed)
            return torch.cat([p.detach().flatten() for p in build(name).parameters()])

        assert torch.equal(fresh(1), fresh(1))
        assert not torch.equal(fresh(1), fresh(2))

    def test_weights_can_be_saved_and_loaded(self, name: str) -> None:
        one, other = build(name).eval(), build(name).eval()
        other.load_state_dict(one.state_dict())
        spec = default_spec(name)
        inputs = torch.rand(2, spec.channels, spec.height, spec.width)
        with torch.no_grad():
            assert torch.equal(one(inputs), other(inputs))


def test_an_unknown_name_lists_the_known_ones() -> None:
    for call in (build, default_spec):
        with pytest.raises(ValueError, match=r"no architecture 'resnet'.*deep-mnist, lenet"):
            call("resnet")


def test_default_specs_fit_their_purpose() -> None:
    assert default_spec("lenet").orient == "landscape"  # fruit
    assert default_spec("deep-mnist").orient == "as_is"  # a turned digit is another digit
    assert {name: default_spec(name).fit for name in NAMES} == dict.fromkeys(NAMES, "letterbox")


class TestSummary:
    def test_multiply_accumulates_by_hand(self) -> None:
        network = nn.Sequential(
            nn.Conv2d(3, 8, (5, 3), stride=2),  # 8 x 8 x 10: each output is a sum over 3 x 5 x 3
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False),  # 8 x 8 x 10: each output is a sum over 2 x 3 x 3
            nn.Flatten(),
            nn.Linear(640, 4),
        )
        rows = summarize(network, 3, 20, 21)
        assert [row.kind for row in rows] == ["Conv2d", "ReLU", "Conv2d", "Flatten", "Linear"]
        assert [row.output for row in rows] == [(8, 8, 10), (8, 8, 10), (8, 8, 10), (640,), (4,)]
        assert [row.macs for row in rows] == [8 * 8 * 10 * 45, 0, 8 * 8 * 10 * 18, 0, 2560]
        assert [(row.weights, row.biases) for row in rows] == [(360, 8), (0, 0), (144, 0), (0, 0), (2560, 4)]

    @pytest.mark.parametrize("name", NAMES)
    def test_all_parameters_are_counted(self, name: str) -> None:
        assert sum(row.parameters for row in rows_of(name).values()) == sum(p.numel() for p in build(name).parameters())

    def test_the_network_is_left_as_it_was(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Dropout(), nn.BatchNorm2d(4)))
        network.train()
        network[2].eval()  # frozen
        modes = [layer.training for layer in network.modules()]
        summarize(network, 1, 9, 9)
        assert [layer.training for layer in network.modules()] == modes
        norm = network[1]
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.num_batches_tracked == 0
        assert not any(layer._forward_hooks for layer in network.modules())

    def test_hooks_go_even_when_the_network_fails(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(5, 2))
        with pytest.raises(RuntimeError):
            summarize(network, 1, 9, 9)
        assert not any(layer._forward_hooks for layer in network.modules())
        assert network.training


class TestServedNetwork:
    def photographs(self, spec: PreprocessSpec) -> torch.Tensor:
        rng = np.random.default_rng(3)
        return torch.from_numpy(rng.integers(0, 256, (2, spec.height, spec.width, 3), np.uint8))

    def test_names_of_the_contract(self) -> None:
        assert (INPUT, LOGITS) == ("image", "logits")

    def test_normalisation_of_colours(self) -> None:
        spec = PreprocessSpec(width=9, height=8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
        photographs = self.photographs(spec)
        out = ServedNetwork(nn.Identity(), spec)(photographs)
        assert out.shape == (2, 3, 8, 9)
        levels = photographs.numpy().astype(np.float64)
        for channel in range(3):
            expected = (levels[:, :, :, channel] / 255 - spec.mean[channel]) / spec.std[channel]
            np.testing.assert_allclose(out[:, channel], expected, rtol=1e-5, atol=1e-6)

    def test_normalisation_of_grey(self) -> None:
        spec = PreprocessSpec(width=9, height=8, channels=1, mean=(0.25,), std=(0.5,))
        photographs = self.photographs(spec)
        out = ServedNetwork(nn.Identity(), spec)(photographs)
        assert out.shape == (2, 1, 8, 9)
        expected = (photographs.numpy().mean(axis=3) / 255 - 0.25) / 0.5
        np.testing.assert_allclose(out[:, 0], expected, rtol=1e-5, atol=1e-6)

    def test_the_ends_of_the_scale(self) -> None:
        spec = PreprocessSpec(width=8, height=8, mean=(0.0,) * 3, std=(1.0,) * 3)
        served = ServedNetwork(nn.Identity(), spec)
        assert served(torch.zeros(1, 8, 8, 3, dtype=torch.uint8)).max() == 0
        assert served(torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)).min() == 1

    def test_photographs_are_left_as_they_were(self) -> None:
        spec = PreprocessSpec(width=8, height=8)
        photographs = self.photographs(spec)
        before = photographs.clone()
        ServedNetwork(nn.Identity(), spec)(photographs)
        assert photographs.dtype == torch.uint8
        assert torch.equal(photographs, before)

    def test_it_is_its_steps(self) -> None:
        spec = default_spec("lenet")
        served = ServedNetwork(build("lenet"), spec).eval()
        photographs = self.photographs(spec)
        with torch.no_grad():
            assert torch.equal(served(photographs), served.network(served.standardise(served.unit(photographs))))

    def test_the_constants_are_no_weights(self) -> None:
        # They come from the card; a checkpoint that held them could disagree with it.
        network = build("lenet")
        served = ServedNetwork(network, default_spec("lenet"))
        assert set(served.state_dict()) == {f"network.{name}" for name in network.state_dict()}
        assert len(list(served.parameters())) == len(list(network.parameters()))
