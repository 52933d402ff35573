"""Class activation maps add up to the logits, equal captum's and the papers' own formulas, and find planted defects."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor, nn

from models.architectures import build, default_spec
from models.architectures.served import ServedNetwork
from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain.cams import (
    adds_up_by_mean,
    cam,
    chosen,
    contrastive,
    evidence,
    grad_cam,
    grad_cam_pp,
    layer_cam,
    require_cam,
)
from models.explain.frozen import UnitNetwork
from models.explain.layers import last_spatial, module_of, outputs
from models.graph import INPUT, open_session
from models.preprocess import PreprocessSpec
from tests.models.architectures.small import network_of, small_spec, trained_statistics
from tests.models.explain.planted import planted, share_inside, trained
from training.export import to_onnx

SIZES = {"lenet": [(32, 32), (37, 22)], "googlenet": [(33, 47), (64, 48)], "resnet34": [(41, 70)]}
EXPLAINED = [(name, size) for name, sizes in SIZES.items() for size in sizes]
LAST = {"googlenet": "inception5b", "resnet34": "layer4"}
GRADIENT = ["alexnet", "deep-mnist", "googlenet", "lenet", "resnet34", "vgg19"]
AFTER_RELU = {
    "alexnet": ["pool1", "pool5"],
    "deep-mnist": ["pool2"],
    "googlenet": ["conv3", "inception4c"],
    "lenet": ["relu1", "pool2"],
    "resnet34": ["layer2", "layer4"],
    "vgg19": ["features.36"],
}


def made(name: str, height: int, width: int) -> UnitNetwork:
    torch.manual_seed(6)
    spec = default_spec(name).model_copy(update={"width": width, "height": height})
    network = build(name, 9, spec).eval()
    trained_statistics(network)
    if name != "lenet":  # made-up statistics give logits of hundreds; the limit of 1e-4 is for those of a model
        nn.init.normal_(network.get_parameter("fc.weight"), std=0.002)
    return UnitNetwork(network, spec)


def small(name: str) -> tuple[UnitNetwork, Tensor]:
    spec = small_spec(name)
    x = torch.rand(3, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(2))
    return UnitNetwork(network_of(name), spec), x


def photographs(network: UnitNetwork, batch: int = 3) -> np.ndarray:
    light = np.linspace(0.3, 1.0, batch)[:, None, None, None]
    shape = (batch, network.spec.height, network.spec.width, 3)
    return (np.random.default_rng(2).integers(0, 256, shape) * light).astype(np.uint8)


@pytest.fixture(scope="module", params=EXPLAINED, ids=lambda param: f"{param[0]}-{param[1][0]}x{param[1][1]}")
def explained(request: pytest.FixtureRequest) -> UnitNetwork:
    name, (height, width) = request.param
    return made(name, height, width)


def offset(network: UnitNetwork, x: Tensor) -> Tensor:
    """(B, K), what no place explains."""
    bare = network.bare
    if hasattr(bare, "effective_bias"):
        with torch.no_grad():
            bias: Tensor = bare.effective_bias(bare.explained(network.standardise(x))[2])
        return bias
    return bare.get_parameter("fc.bias").expand(len(x), -1)


def total(network: UnitNetwork, maps: Tensor) -> Tensor:
    return maps.sum(dim=(-2, -1)) if hasattr(network.bare, "effective_bias") else maps.mean(dim=(-2, -1))


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


class TestExactMaps:
    def test_map_and_bias_are_the_logit(self, explained: UnitNetwork) -> None:
        x = explained.unit(photographs(explained))
        logits, maps = cam(explained, x)
        assert torch.equal(logits, explained(x))
        assert maps.shape[:2] == (3, 9)
        assert logits.std(dim=0).max() > 0.01  # the photograph decides, not the biases alone
        torch.testing.assert_close(total(explained, maps) + offset(explained, x), logits, atol=1e-4, rtol=0)

    def test_the_contrast_adds_up_to_the_difference_of_two_logits(self, explained: UnitNetwork) -> None:
        x = explained.unit(photographs(explained))
        logits, maps = cam(explained, x)
        against = torch.tensor([0, 4, 8])
        found = total(explained, contrastive(maps, 2, against))
        rest = offset(explained, x)
        for at, other in enumerate(against.tolist()):
            due = (logits[at, 2] - logits[at, other]) - (rest[at, 2] - rest[at, other])
            assert found[at] == pytest.approx(float(due), abs=1e-4)

    def test_evidence_is_what_the_positive_places_add(self, explained: UnitNetwork) -> None:
        x = explained.unit(photographs(explained))
        logits, maps = cam(explained, x)
        for_it, against_it = (evidence(sign * maps[:, 1], adds_up_by_mean(explained)) for sign in (1, -1))
        assert ((for_it > 0) | (against_it > 0)).all()
        torch.testing.assert_close(for_it - against_it + offset(explained, x)[:, 1], logits[:, 1], atol=1e-4, rtol=0)

    @pytest.mark.parametrize("name", ["rbf", "alexnet", "deep-mnist"])
    def test_a_network_without_one_names_the_methods_it_has(self, name: str) -> None:
        network, x = small(name)
        for call in (lambda: cam(network, x), lambda: require_cam(network), lambda: adds_up_by_mean(network)):
            with pytest.raises(UnknownMethod, match=r"grad_cam.*occlusion") as error:
                call()
            assert "cam" not in error.value.facts["valid"]
            assert "layer_cam" in error.value.facts["valid"]


# GoogLeNet's graph takes 12 s to export; tests/training/test_export_explained.py has one, whose map must be PyTorch's too.
@pytest.mark.parametrize(
    ("name", "height", "width"), [("lenet", 37, 22), pytest.param("googlenet", 33, 47, marks=pytest.mark.slow)]
)
def test_the_served_graph_gives_the_same_map(name: str, height: int, width: int) -> None:
    network = made(name, height, width)
    pixels = photographs(network)
    x = network.unit(pixels)
    proto = to_onnx(ServedNetwork(network.bare, network.spec).eval(), pixels[:2])
    logits, maps, _ = map(torch.from_numpy, open_session(proto.SerializeToString()).run(None, {INPUT: pixels}))
    torch.testing.assert_close(total(network, maps) + offset(network, x), logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(maps, cam(network, x)[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "size"), [pair for pair in EXPLAINED if pair[0] in LAST])
def test_grad_cam_times_the_number_of_places_is_the_class_activation_map(name: str, size: tuple[int, int]) -> None:
    network = made(name, *size)
    x = network.unit(photographs(network))
    maps = cam(network, x)[1]
    for grade in (0, 5):
        raw = grad_cam(network, x, LAST[name], grade, signed=True)
        assert relative(raw * raw[0].numel(), maps[:, grade]) < 1e-5
        assert torch.equal(grad_cam(network, x, LAST[name], grade), raw.relu())
        # so that its evidence is in logits as that of the map is, without a factor
        assert relative(evidence(raw), evidence(maps[:, grade], averaged=True)) < 1e-4


def test_lenets_map_is_gradient_times_activation_of_captum() -> None:
    network = made("lenet", 37, 22)
    x = network.unit(photographs(network))
    due = LayerGradientXActivation(network, module_of(network, "pool2")).attribute(x.requires_grad_(), target=4).sum(dim=1)
    torch.testing.assert_close(cam(network, x.detach())[1][:, 4], due.detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", GRADIENT)
def test_grad_cam_is_captums(name: str) -> None:
    network, x = small(name)
    target = torch.tensor([0, 3, 8])
    for layer in dict.fromkeys([*AFTER_RELU[name], last_spatial(network)]):
        due = LayerGradCam(network, module_of(network, layer)).attribute(x.clone().requires_grad_(), target=target)
        due = due.detach().squeeze(1)
        scale = due.abs().max()
        assert scale > 0
        torch.testing.assert_close(grad_cam(network, x, layer, target, signed=True) / scale, due / scale, atol=1e-5, rtol=0)
        torch.testing.assert_close(grad_cam(network, x, layer, target) / scale, due.relu() / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", GRADIENT)
def test_layer_cam_is_the_positive_part_of_captums_gradient_times_activation(name: str) -> None:
    """Where maps are not negative, as after a ReLU, relu(gradient) * map == relu(gradient * map)."""
    network, x = small(name)
    for layer in AFTER_RELU[name]:
        each = LayerGradientXActivation(network, module_of(network, layer)).attribute(x.clone().requires_grad_(), target=3)
        due = each.detach().clamp(min=0).sum(dim=1)
        scale = due.max()
        assert scale > 0
        found = layer_cam(network, x, layer, 3)
        torch.testing.assert_close(found / scale, due / scale, atol=1e-5, rtol=0)
        torch.testing.assert_close(evidence(found), due.sum(dim=(1, 2)), atol=0, rtol=1e-4)


class Tiny(nn.Module):
    """Small enough for third derivatives one by one; piecewise linear behind `relu`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.relu = nn.ReLU()
        self.fc1 = nn.Linear(3 * 2 * 3, 6)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(6, 2)

    def head(self, maps: Tensor) -> Tensor:
        logits: Tensor = self.fc2(self.relu1(self.fc1(maps.flatten(1))))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.conv(x)))


def test_grad_cam_pp_is_equation_19_with_derivatives_of_the_exponential() -> None:
    torch.manual_seed(1)
    bare = Tiny().double()
    network = UnitNetwork(bare, PreprocessSpec(width=8, height=8, channels=1)).double()
    x = torch.rand(2, 1, 4, 5, dtype=torch.float64)
    found = grad_cam_pp(network, x, "relu", 1)
    assert found.max() > 0
    for at in range(2):
        with torch.no_grad():
            maps = bare.relu(bare.conv(network.standardise(x[at : at + 1])))

        def score(values: Tensor) -> Tensor:
            return bare.head(values.view(1, 3, 2, 3))[0, 1].exp()  # Y = exp(S), as the paper has it

        flat = maps.flatten().requires_grad_()
        (first,) = torch.autograd.grad(score(flat), flat, create_graph=True)
        second, third = torch.zeros_like(flat), torch.zeros_like(flat)
        for i in range(len(flat)):
            (row,) = torch.autograd.grad(first[i], flat, create_graph=True)
            second[i] = row[i].detach()
            third[i] = torch.autograd.grad(row[i], flat, retain_graph=True)[0][i]
        due = torch.zeros(2, 3, dtype=torch.float64)
        for k in range(3):
            part = slice(6 * k, 6 * k + 6)
            below = 2 * second[part] + flat[part].detach().sum() * third[part]
            alpha = torch.where(below == 0, 0, second[part] / below)
            due += (alpha * first[part].detach().relu()).sum() * maps[0, k].detach()
        due = due.relu() / score(flat).detach()
        torch.testing.assert_close(found[at], due, atol=1e-12, rtol=1e-9)


def test_views_of_a_photograph_are_turned_back_and_added() -> None:
    network, x = small("rbf")
    due = LayerGradCam(network, module_of(network, "measuring.stages")).attribute(x.clone().requires_grad_(), target=2)
    plain, across, down, both = due.detach().squeeze(1).split(3)
    due = plain + across.flip(2) + down.flip(1) + both.flip(1, 2)
    scale = due.abs().max()
    found = grad_cam(network, x, "measuring.stages", 2, signed=True)
    torch.testing.assert_close(found / scale, due / scale, atol=1e-5, rtol=0)
    for method in (grad_cam_pp, layer_cam):
        straight, mirrored = method(network, x, "measuring.stages", 2), method(network, x.flip(3), "measuring.stages", 2)
        # what it measures in a mirror image is the same; the light of the belt is not, and scales the whole map
        straight, mirrored = (maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12) for maps in (straight, mirrored))
        torch.testing.assert_close(mirrored, straight.flip(2), atol=1e-3, rtol=0)


METHODS = pytest.mark.parametrize("method", [grad_cam, grad_cam_pp, layer_cam])


@METHODS
class TestEveryGradientMethod:
    def test_sizes_that_a_pooled_network_takes(self, method: Callable[..., Tensor]) -> None:
        network = made("googlenet", 96, 96)
        for height, width in [(33, 47), (49, 17)]:
            x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
            with outputs(network, ["inception4a"]) as kept:
                network(x)
            maps = method(network, x, "inception4a", 1)
            assert maps.shape == (2, *kept["inception4a"].shape[2:])
            assert maps.min() >= 0

    def test_a_photograph_is_explained_alike_in_any_company(self, method: Callable[..., Tensor]) -> None:
        network = made("lenet", 37, 22)
        x = network.unit(photographs(network))
        target = torch.tensor([4, 0, 7])
        together = method(network, x, "pool2", target)
        for at in range(3):
            alone = method(network, x[at : at + 1], "pool2", int(target[at]))[0]
            torch.testing.assert_close(together[at], alone, atol=1e-5, rtol=1e-4)

    def test_the_same_bits_each_time_and_nothing_left_behind(self, method: Callable[..., Tensor]) -> None:
        network = made("lenet", 37, 22)
        x = network.unit(photographs(network))
        first = method(network, x, "pool2", 3)
        assert torch.equal(first, method(network, x, "pool2", 3))
        assert not first.requires_grad
        assert not x.requires_grad
        assert all(not module._forward_hooks and not module._backward_hooks for module in network.modules())
        assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())

    def test_inside_a_worker_that_took_gradients_off(self, method: Callable[..., Tensor]) -> None:
        network = made("lenet", 37, 22)
        x = network.unit(photographs(network))
        expected = method(network, x, "pool2", 3)
        with torch.no_grad():
            assert torch.equal(method(network, x, "pool2", 3), expected)

    def test_layers_that_cannot_be_used(self, method: Callable[..., Tensor]) -> None:
        network, x = small("googlenet")
        for layer, why in [("inception6", "has no layer"), ("", "has no layer"), ("fc", "vector"), ("aux1.conv", "not run")]:
            with pytest.raises(UnknownLayer, match=why) as error:
                method(network, x, layer, 0)
            assert "inception5b" in error.value.facts["valid"]
            assert "fc" not in error.value.facts["valid"]
        assert all(not module._forward_hooks for module in network.modules())

    @pytest.mark.parametrize("target", [9, -1, torch.tensor([0, 1, 9])])
    def test_a_target_that_is_no_grade(self, method: Callable[..., Tensor], target: int | Tensor) -> None:
        network, x = small("lenet")
        with pytest.raises(InvalidParameter, match="logits 0 to 8"):
            method(network, x, "pool2", target)


@pytest.mark.parametrize(("name", "layer"), [("lenet", "pool2"), ("small-googlenet", "last"), ("small-googlenet", "inception")])
def test_the_peak_is_on_the_planted_defect(name: str, layer: str) -> None:
    network = trained(name)
    fruit = planted(90, seed=3).only_spotted()
    for method in (grad_cam, grad_cam_pp, layer_cam):
        assert share_inside(method(network, fruit.x, layer, fruit.grades), fruit.boxes, dilation_px=3) >= 0.9
    maps = cam(network, fruit.x)[1]
    assert share_inside(chosen(maps, fruit.grades), fruit.boxes, dilation_px=3) >= 0.9
    assert share_inside(contrastive(maps, fruit.grades, 0), fruit.boxes, dilation_px=3) >= 0.9
    anywhere = torch.rand(fruit.x.shape[0], 24, 36, generator=torch.Generator().manual_seed(0))
    assert share_inside(anywhere, fruit.boxes, dilation_px=3) < 0.4  # the test can fail
