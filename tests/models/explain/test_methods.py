"""Every method by its name, on networks of every kind: what it gives is what its module gives, and the catalogue is kept."""

import base64

import cv2
import numpy as np
import pytest

from models.architectures import NAMES
from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain import cams
from models.explain.attributions import integrated_gradients
from models.explain.catalogue import METHODS, method_of
from models.explain.frozen import UnitNetwork
from models.explain.methods import default_layer, explain, offered
from models.explain.occlusion import covering
from tests.models.architectures.small import network_of, small_spec

NDIM = {"map": 2, "pixels": 3, "maps": 3, "filters": 4, "image": 3}
QUICK = {
    "smooth_grad": {"samples": 2},
    "integrated_gradients": {"steps": 8},
    "activation_maximization": {"steps": 2},
    "deepdream": {"octaves": 1, "steps": 1},
    "occlusion": {"window_px": 16, "stride_px": 16},
}


def unit(name: str) -> UnitNetwork:
    return UnitNetwork(network_of(name), small_spec(name))


def photograph_for(network: UnitNetwork, seed: int = 0) -> np.ndarray:
    spec = network.spec
    return np.random.default_rng(seed).integers(0, 256, (spec.height, spec.width, 3), np.uint8)


@pytest.fixture(scope="module")
def lenet() -> UnitNetwork:
    return unit("lenet")


@pytest.mark.parametrize("name", NAMES)
def test_every_network_offers_methods_with_a_layer_each_that_it_has(name):
    network = unit(name)
    found = {one.method.name: one for one in offered(network)}
    exact = name in ("lenet", "googlenet", "resnet34")
    assert ("cam" in found) == ("contrastive_cam" in found) == exact
    assert set(METHODS) - set(found) <= {"cam", "contrastive_cam"}
    for one in found.values():
        assert (one.default_layer in one.layers) if one.method.layers != "none" else one.default_layer is None


@pytest.mark.parametrize("name", [name for name in NAMES if name != "vgg19"])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_offered_works_with_what_the_catalogue_says(name, method):
    network = unit(name)
    if method not in [one.method.name for one in offered(network)]:
        with pytest.raises(UnknownMethod) as refusal:
            explain(network, method, photograph_for(network))
        assert "grad_cam" in refusal.value.facts["valid"]
        return
    known = method_of(method)
    photograph = photograph_for(network) if known.photograph else None
    found = explain(network, method, photograph, parameters=QUICK.get(method))
    assert found.kind == known.kind
    assert found.values.dtype == np.float32
    assert found.values.ndim == NDIM[known.kind]
    assert np.isfinite(found.values).all()
    assert found.signed or found.values.min() >= 0
    assert (found.target is not None) == known.target
    assert (found.layer is not None) == (known.layers != "none")
    assert all(not p.requires_grad and p.grad is None for p in network.parameters())
    assert not any(layer._forward_hooks or layer._backward_hooks for layer in network.modules())


def test_values_are_those_of_the_method_and_the_target_the_largest_logit(lenet):
    photograph = photograph_for(lenet, 3)
    x = lenet.unit(photograph[None])
    best = int(lenet(x).argmax())
    found = explain(lenet, "grad_cam", photograph)
    assert (found.target, found.layer) == (best, "pool2")
    assert np.array_equal(found.values, cams.grad_cam(lenet, x, "pool2", best)[0].numpy())
    other = explain(lenet, "grad_cam", photograph, layer="conv1", target=4)
    assert np.array_equal(other.values, cams.grad_cam(lenet, x, "conv1", 4)[0].numpy())
    gradients = explain(lenet, "integrated_gradients", photograph, target=2, parameters={"steps": "64", "baseline": "grey"})
    reference = integrated_gradients(lenet, x, 2, 64, covering(x, "grey"))
    assert np.array_equal(gradients.values, reference.values[0].sum(0).numpy())
    assert gradients.facts["delta"] == float(reference.delta[0])


def test_evidence_is_the_positive_part_in_logits(lenet):
    photograph = photograph_for(lenet, 3)
    found = explain(lenet, "cam", photograph, target=1)
    assert found.evidence == pytest.approx(float(found.values.clip(min=0).sum()), rel=1e-5)
    google = unit("googlenet")
    pooled = explain(google, "cam", photograph_for(google), target=1)
    assert pooled.evidence == pytest.approx(float(pooled.values.clip(min=0).mean()), rel=1e-5)
    assert explain(lenet, "saliency", photograph).evidence is None
    assert explain(lenet, "grad_cam_pp", photograph, target=1).evidence == pytest.approx(
        explain(lenet, "layer_cam", photograph, target=1).evidence
    )


def test_the_served_graphs_own_map_is_taken_as_it_is(lenet):
    logits = np.array([[0.0, 3, 1, 2, 0, 0, 0, 0, 0]], np.float32)
    maps = np.random.default_rng(0).normal(size=(1, 9, 8, 8)).astype(np.float32)
    photograph = photograph_for(lenet)
    found = explain(lenet, "cam", photograph, target=1, served=(logits, maps))
    assert np.array_equal(found.values, maps[0, 1])
    grades = tuple("abcdefghi")
    why = explain(lenet, "contrastive_cam", photograph, target=1, served=(logits, maps), grades=grades)
    assert why.facts == {"against": "d"}
    assert np.array_equal(why.values, maps[0, 1] - maps[0, 3])
    chosen = explain(lenet, "contrastive_cam", photograph, None, 1, {"against": "h"}, served=(logits, maps), grades=grades)
    assert np.array_equal(chosen.values, maps[0, 1] - maps[0, 7])
    with pytest.raises(InvalidParameter) as refusal:
        explain(lenet, "contrastive_cam", photograph, None, 1, {"against": "z"}, grades=grades)
    assert refusal.value.facts["valid"] == list(grades)


def test_seeds_decide_and_nothing_else(lenet):
    photograph = photograph_for(lenet)
    once, again, other = (
        explain(lenet, "smooth_grad", photograph, parameters={"samples": 3, "seed": seed}).values for seed in (1, 1, 2)
    )
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_frames_are_pictures_and_the_curve_has_a_value_a_step(lenet):
    found = explain(lenet, "activation_maximization", parameters={"steps": 5, "frames": 2, "channels": "1,3", "size_px": 40})
    assert found.values.shape == (40, 40, 3)
    assert found.facts["channels"] == [1, 3]
    assert len(found.facts["objective"]) == 5
    last = cv2.imdecode(np.frombuffer(base64.b64decode(found.facts["frames"][-1]), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_allclose(last / 255, found.values, atol=0.51 / 255)


def test_a_dream_takes_a_photograph_of_any_size(lenet):
    photograph = np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)
    found = explain(lenet, "deepdream", photograph, parameters={"octaves": 2, "steps": 0})
    assert found.values.shape == photograph.shape
    np.testing.assert_allclose(found.values, photograph / 255, atol=1e-3)


def test_default_layers_are_where_such_pictures_are_usually_taken():
    google, lenet = unit("googlenet"), unit("lenet")
    layers = {
        (name, method): default_layer(network, method_of(method))
        for name, network in (("googlenet", google), ("lenet", lenet))
        for method in ("grad_cam", "filters", "feature_maps", "deepdream")
    }
    assert layers[("googlenet", "filters")] == "conv1.conv"
    assert layers[("googlenet", "deepdream")].startswith("inception4")
    assert layers[("lenet", "grad_cam")] == "pool2"
    assert layers[("lenet", "feature_maps")] == "relu1"
    assert layers[("lenet", "deepdream")] == "conv2"


@pytest.mark.parametrize(
    ("method", "layer", "parameters", "error"),
    [
        ("nothing", None, {}, UnknownMethod),
        ("grad_cam", "fc1", {}, UnknownLayer),
        ("grad_cam", "", {"steps": 1}, InvalidParameter),
        ("filters", "relu1", {}, UnknownLayer),
        ("saliency", "conv1", {}, InvalidParameter),
        ("deconvolution", None, {"channel": 999}, InvalidParameter),
        ("deconvolution", None, {"place": "1"}, InvalidParameter),
        ("deconvolution", None, {"place": "-1,2"}, InvalidParameter),
        ("activation_maximization", None, {"channels": "1,2,3"}, InvalidParameter),
        ("activation_maximization", None, {"neuron": "99,99"}, InvalidParameter),
    ],
)
def test_what_cannot_be_done_is_refused(lenet, method, layer, parameters, error):
    photograph = photograph_for(lenet) if method not in ("filters", "activation_maximization") else None
    with pytest.raises(error):
        explain(lenet, method, photograph, layer, parameters=parameters)


def test_a_photograph_is_needed_where_one_is_explained(lenet):
    with pytest.raises(InvalidParameter, match="photograph"):
        explain(lenet, "saliency")


def test_a_target_that_is_no_logit_is_refused(lenet):
    with pytest.raises(InvalidParameter):
        explain(lenet, "grad_cam", photograph_for(lenet), target=9)
