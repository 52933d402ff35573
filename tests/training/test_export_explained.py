"""The exported graph explains itself: further outputs add up to the logits, change nothing about them, and can be cut off."""

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from models.architectures import build, default_spec
from models.architectures.served import ServedNetwork
from models.card import card_of
from models.graph import INPUT, open_session, run_logits
from models.preprocess import PreprocessSpec
from models.pruning import logits_only
from service.inference.session import create_session
from tests.models.architectures.small import trained_statistics
from tests.models.onnx_files import make_card
from training.export import to_onnx, with_card

SIZES = {"lenet": (37, 22), "googlenet": (70, 45)}
"""Width and height: odd, and not square."""
BATCHES = (1, 2, 5)


class Plain(nn.Module):
    """A network without its explanation."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


@dataclass(frozen=True)
class Exported:
    network: nn.Module
    served: ServedNetwork
    proto: onnx.ModelProto
    plain: onnx.ModelProto
    """The same network exported without its explanation."""
    photographs: np.ndarray

    def run(self, names: list[str] | None, batch: int) -> list[np.ndarray]:
        return self.session().run(names, {INPUT: self.photographs[:batch]})

    def session(self):
        return open_session(self.proto.SerializeToString())


@pytest.fixture(scope="module", params=SIZES)
def exported(request) -> Exported:
    torch.manual_seed(6)
    width, height = SIZES[request.param]
    spec = default_spec(request.param).model_copy(update={"width": width, "height": height})
    network = build(request.param, 9, spec).eval()
    trained_statistics(network)
    light = np.linspace(0.2, 1.0, 5)[:, None, None, None]
    photographs = (np.random.default_rng(2).integers(0, 256, (5, height, width, 3)) * light).astype(np.uint8)
    if request.param == "googlenet":  # made-up statistics give logits of hundreds; the limit of 1e-4 is for those of a model
        nn.init.normal_(network.get_parameter("fc.weight"), std=0.002)
    served = ServedNetwork(network, spec).eval()
    bare = Plain(network.folded() if request.param == "lenet" else network)
    return Exported(
        network,
        served,
        to_onnx(served, photographs[:2]),
        to_onnx(ServedNetwork(bare, spec).eval(), photographs[:2]),
        photographs,
    )


def test_outputs_in_the_contracts_order_with_any_batch(exported):
    outputs = exported.session().get_outputs()
    assert [out.name for out in outputs] == ["logits", "cam", "embedding"]
    assert [len(out.shape) for out in outputs] == [2, 4, 2]
    assert all(isinstance(out.shape[0], str) for out in outputs)
    card_of(open_session(with_card(exported.proto, make_card(spec=exported.served.spec))))


@pytest.mark.parametrize("batch", BATCHES)
def test_the_map_adds_up_to_the_logits(exported, batch):
    logits, cam, embedding = exported.run(None, batch)
    if hasattr(exported.network, "effective_bias"):
        with torch.no_grad():
            bias = exported.network.effective_bias(torch.from_numpy(embedding)).numpy()
        total = cam.sum(axis=(2, 3)) + bias
    else:
        total = cam.mean(axis=(2, 3)) + exported.network.fc.bias.detach().numpy()
    assert exported.run(["logits"], 5)[0].std(axis=0).max() > 0.01  # the photograph decides, not the biases alone
    np.testing.assert_allclose(total, logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("batch", BATCHES)
def test_pytorch_computes_the_same(exported, batch):
    with torch.no_grad():
        expected = exported.served(torch.from_numpy(exported.photographs[:batch]))
    for found, due in zip(exported.run(None, batch), expected, strict=True):
        assert np.abs(found - due.numpy()).max() <= 1e-4 * max(1.0, float(due.abs().max()))


@pytest.mark.parametrize("batch", BATCHES)
def test_the_logits_are_the_same_to_the_last_bit_whoever_asks_for_what(exported, batch):
    (alone,) = exported.run(["logits"], batch)
    together = exported.run(None, batch)[0]
    photographs = exported.photographs[:batch]
    assert np.array_equal(alone, together)
    assert np.array_equal(alone, run_logits(open_session(exported.plain.SerializeToString()), photographs))
    assert np.array_equal(alone, run_logits(open_session(logits_only(exported.proto.SerializeToString())), photographs))


def test_the_service_runs_nothing_but_what_the_logits_need(exported):
    model = exported.proto.SerializeToString()
    assert [out.name for out in create_session(model, "cpu", 1).get_outputs()] == ["logits"]
    pruned = onnx.load_from_string(logits_only(model))
    assert [node.op_type for node in pruned.graph.node] == [node.op_type for node in exported.plain.graph.node]


def test_auxiliary_classifiers_stay_behind(exported):
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in exported.proto.graph.initializer}
    assert not [name for name in weights if "aux" in name]
    serving = sum(p.numel() for name, p in exported.network.named_parameters() if not name.startswith("aux"))
    # Folding takes the normalisations' scales and shifts; the explanation may hold the small classifier a second time.
    assert 0.98 * serving < sum(weights.values()) <= serving + exported.network.get_submodule(last(exported)).weight.numel() + 100
    assert len(exported.proto.SerializeToString()) < 4 * serving * 1.01 + 200_000


def last(exported) -> str:
    return "fc2" if hasattr(exported.network, "fc2") else "fc"


def test_a_network_without_explanation_gives_logits_alone():
    spec = PreprocessSpec(width=12, height=8, channels=1)
    served = ServedNetwork(build("deep-mnist", 4, spec), spec).eval()
    photographs = np.zeros((2, 8, 12, 3), np.uint8)
    model = to_onnx(served, photographs).SerializeToString()
    assert [out.name for out in open_session(model).get_outputs()] == ["logits"]
    assert logits_only(model) == model
