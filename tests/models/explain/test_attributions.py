"""Gradients of the pixels against autograd, finite differences, closed forms and a backward pass written out by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from math import pi, sqrt

import pytest
import torch
from captum import attr
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import googlenet as torchvision_googlenet

from models.architectures import build, default_spec
from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain.attributions import (
    MOST_STEPS,
    batch_of,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    saliency,
    smooth_grad,
)
from models.explain.cams import grad_cam
from models.explain.frozen import UnitNetwork
from models.explain.layers import module_of
from models.explain.occlusion import covering
from models.preprocess import PreprocessSpec
from tests.models.architectures.small import network_of, small_spec, trained_statistics
from tests.models.explain.planted import planted, trained

PLAIN = PreprocessSpec(width=8, height=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
TARGETS = torch.tensor([3, 0])


class Linear(nn.Module):
    """Any size: one weight for each pixel and logit."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, height, width, generator=torch.Generator().manual_seed(1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", x, self.weight)


class Squares(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.square())


class Step(Linear):
    """Its gradient is 0 wherever there is one: no number of steps makes integrated gradients add up."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x > 0.5).float() + 0 * x)


class Kink(nn.Module):
    """A slope on a tenth of the way only: it takes many steps to know where it begins and ends."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.mean(dim=(1, 2, 3), keepdim=True).flatten(1)
        return (F.relu(total - 0.603) - F.relu(total - 0.703)) * torch.tensor([[10.0, 5.0]])


@pytest.fixture(
    scope="module",
    params=[("lenet", 32, 32), ("lenet", 37, 22), ("googlenet", 33, 47)],
    ids=lambda param: "-".join(map(str, param)),
)
def case(request: pytest.FixtureRequest) -> tuple[UnitNetwork, Tensor]:
    name, height, width = request.param
    torch.manual_seed(6)
    spec = default_spec(name).model_copy(update={"width": width, "height": height})
    bare = build(name, 9, spec).eval()
    trained_statistics(bare)
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2))
    return UnitNetwork(bare, spec), x


def gradient(network: nn.Module, x: Tensor, target: int | Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    logits = network(x)
    picked = logits.gather(1, torch.as_tensor(target).expand(len(x)).view(-1, 1))
    return torch.autograd.grad(picked.sum(), x)[0]


class TestSaliency:
    def test_it_is_the_greatest_gradient_over_colours(self, case: tuple[UnitNetwork, Tensor]) -> None:
        network, x = case
        due = gradient(network, x, TARGETS).abs().amax(dim=1)
        assert due.min() >= 0
        torch.testing.assert_close(saliency(network, x, TARGETS) / due.max(), due / due.max(), atol=1e-6, rtol=0)

    def test_finite_differences(self) -> None:
        network, x = deepcopy(trained("lenet")).double(), planted(2, seed=5).x.double()
        x += 1e-3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))  # at equal pixels a maximum has no slope
        found = saliency(network, x, TARGETS[1:].expand(2))
        step = 1e-6
        for y, column in [(0, 0), (11, 20), (23, 35), (12, 7)]:
            slopes = []
            for colour in range(3):
                nudge = torch.zeros_like(x)
                nudge[:, colour, y, column] = step
                slopes.append((network(x + nudge) - network(x - nudge))[:, 0] / (2 * step))
            due = torch.stack(slopes).abs().amax(dim=0)
            torch.testing.assert_close(found[:, y, column], due, atol=1e-6, rtol=1e-5)


class TestSmoothGrad:
    def test_without_noise_it_is_the_saliency(self, case: tuple[UnitNetwork, Tensor]) -> None:
        network, x = case
        due = saliency(network, x, TARGETS)
        scale = due.max()  # made-up weights give gradients far above a model's
        for samples in (1, 5):
            found = smooth_grad(network, x, TARGETS, samples, 0.0, seed=1)
            torch.testing.assert_close(found / scale, due / scale, atol=1e-6, rtol=0)

    @pytest.mark.parametrize("samples", [1, 7, 100])
    def test_noise_changes_nothing_for_a_linear_model(self, samples: int) -> None:
        network = UnitNetwork(Linear(7, 9), PLAIN)
        due = network.bare.get_parameter("weight")[2].abs().amax(dim=0).expand(2, -1, -1)
        torch.testing.assert_close(smooth_grad(network, torch.rand(2, 3, 7, 9), 2, samples, 0.4, seed=1), due, atol=1e-5, rtol=0)

    def test_its_noise_has_the_deviation_asked_for(self) -> None:
        """The gradient of w * x^2 at x = 0 is 2 w n, and |n| of a normal deviate has the mean sigma * sqrt(2 / pi)."""
        network, sigma = UnitNetwork(Squares(40, 30), PLAIN), 0.15
        nn.init.constant_(network.bare.get_parameter("weight")[:, 1:], 0)  # one colour: no greatest over colours
        found = smooth_grad(network, torch.zeros(1, 3, 40, 30), 1, samples=200, sigma=sigma, seed=4)
        slope = 2 * network.bare.get_parameter("weight")[1, 0].abs()
        assert float((found[0] / slope).mean()) == pytest.approx(sigma * sqrt(2 / pi), rel=0.01)

    def test_the_seed_decides_and_the_global_state_stays(self, case: tuple[UnitNetwork, Tensor]) -> None:
        network, x = case
        before = torch.get_rng_state()
        first = smooth_grad(network, x, TARGETS, 3, 0.1, seed=1)
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(5)
        assert torch.equal(smooth_grad(network, x, TARGETS, 3, 0.1, seed=1), first)
        assert not torch.allclose(smooth_grad(network, x, TARGETS, 3, 0.1, seed=2), first)

    def test_a_photograph_sees_the_same_noise_in_any_company(self, case: tuple[UnitNetwork, Tensor]) -> None:
        network, x = case
        alone = smooth_grad(network, x[1:], int(TARGETS[1]), 3, 0.1, seed=1)[0]
        together = smooth_grad(network, x, TARGETS, 3, 0.1, seed=1)[1]
        torch.testing.assert_close(together / alone.max(), alone / alone.max(), atol=1e-5, rtol=0)


class TestIntegratedGradients:
    @pytest.mark.parametrize("covers", ["belt", "black"])
    def test_they_add_up_to_the_difference(self, case: tuple[UnitNetwork, Tensor], covers: str) -> None:
        network, x = case
        baseline = covering(x, covers)
        found = integrated_gradients(network, x, TARGETS, 32, baseline)
        with torch.no_grad():
            difference = (network(x) - network(baseline))[torch.arange(2), TARGETS]
        off = found.values.sum(dim=(1, 2, 3)) - difference
        assert found.values.shape == x.shape
        assert found.steps in {32, 64, 128, 256, 512, 1024}
        assert (off.abs() <= 0.01 * difference.abs()).all()
        torch.testing.assert_close(found.delta, off, atol=float(1e-4 * difference.abs().max()), rtol=0)

    def test_trained_networks_too(self) -> None:
        x = planted(4, seed=7).x
        for name in ("lenet", "small-googlenet"):
            network = trained(name)
            found = integrated_gradients(network, x, 1, 128, covering(x, "belt"))
            with torch.no_grad():
                difference = (network(x) - network(covering(x, "belt")))[:, 1]
            assert ((found.values.sum(dim=(1, 2, 3)) - difference).abs() <= 0.01 * difference.abs()).all()

    def test_closed_form_of_squares(self) -> None:
        network = UnitNetwork(Squares(5, 7), PLAIN)
        x, baseline = torch.rand(2, 3, 5, 7), torch.rand(1, 3, 5, 7)
        found = integrated_gradients(network, x, 1, 8, baseline)
        due = network.bare.get_parameter("weight")[1] * (x.square() - baseline.square())
        assert found.steps == 8
        torch.testing.assert_close(found.values, due, atol=1e-5, rtol=0)
        assert found.delta.abs().max() < 1e-5

    @pytest.mark.parametrize("name", ["lenet", "small-googlenet"])
    def test_another_rule_of_captum_with_many_steps(self, name: str) -> None:
        network, x = trained(name), planted(2, seed=9).x
        baseline = covering(x, "grey")
        found = integrated_gradients(network, x, 2, 512, baseline).values
        due = attr.IntegratedGradients(network).attribute(
            x, baseline, target=2, n_steps=1000, method="riemann_middle", internal_batch_size=64
        )
        assert float((found - due).abs().mean() / due.abs().mean()) < 0.02
        torch.testing.assert_close(found / due.abs().max(), due / due.abs().max(), atol=0.03, rtol=0)

    def test_steps_are_doubled_until_they_add_up(self) -> None:
        network, x = UnitNetwork(Kink(), PLAIN), torch.ones(1, 3, 4, 4)
        found = integrated_gradients(network, x, 0, 8, torch.zeros_like(x))
        assert found.steps > 8
        assert found.values.sum() == pytest.approx(1.0, abs=0.01)  # the whole rise, 10 * 0.1
        fewer = attr.IntegratedGradients(network).attribute(x, torch.zeros_like(x), target=0, n_steps=found.steps // 2)
        assert abs(float(fewer.sum()) - 1.0) > 0.01

    def test_it_says_so_when_they_never_do(self) -> None:
        network, x = UnitNetwork(Step(3, 3), PLAIN), torch.ones(1, 3, 3, 3)
        found = integrated_gradients(network, x, 0, MOST_STEPS // 2, torch.zeros_like(x))
        assert found.steps == MOST_STEPS
        assert float(found.delta) == pytest.approx(-float(network(x)[0, 0]), rel=1e-5)

    def test_a_photograph_that_is_its_own_baseline(self, case: tuple[UnitNetwork, Tensor]) -> None:
        network, x = case
        found = integrated_gradients(network, x, TARGETS, 8, x)
        assert found.steps == 8
        assert not found.values.any()

    def test_memory_is_bounded(self) -> None:
        assert [batch_of(torch.zeros(1, 3, side, side)) for side in (32, 96, 224, 1024)] == [64, 28, 5, 1]


class Guided(nn.Module):
    """Two convolutions and a linear layer with modules for ReLUs."""

    def __init__(self, relu: Callable[[], nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.relu1 = relu()
        self.conv2 = nn.Conv2d(5, 4, 3)
        self.relu2 = nn.ReLU()
        self.fc = nn.Linear(4 * 2 * 3, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.relu2(self.conv2(self.relu1(self.conv1(x)))).flatten(1))
        return logits


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class TestGuidedBackprop:
    def test_a_backward_pass_written_out(self) -> None:
        torch.manual_seed(3)
        bare = Guided()
        network, x = UnitNetwork(bare, PLAIN), torch.rand(2, 3, 7, 9)
        with torch.no_grad():
            first = bare.conv1(x)
            second = bare.conv2(first.relu())
            back = bare.fc.weight[TARGETS].view(2, *second.shape[1:])
            back = back.clamp(min=0) * (second > 0)
            back = F.conv_transpose2d(back, bare.conv2.weight)
            back = back.clamp(min=0) * (first > 0)
            due = F.conv_transpose2d(back, bare.conv1.weight, stride=2, padding=1)
        assert due.abs().max() > 1e-3
        found = guided_backprop(network, x, TARGETS)
        torch.testing.assert_close(found, due, atol=1e-6, rtol=0)
        assert (found - gradient(network, x, TARGETS)).abs().max() > 0.1 * due.abs().max()

    @pytest.mark.parametrize("name", ["alexnet", "deep-mnist", "googlenet", "lenet", "rbf", "resnet34"])
    def test_every_network_is_guided(self, name: str) -> None:
        spec = small_spec(name)
        network = UnitNetwork(network_of(name), spec)
        x = torch.rand(2, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(1))
        found = guided_backprop(network, x, 1)
        plain = gradient(network, x, 1)
        assert found.shape == x.shape
        assert (found - plain).abs().max() > 0.01 * plain.abs().max()

    @pytest.mark.parametrize("method", ["guided_backprop", "guided_grad_cam"])
    @pytest.mark.parametrize("which", ["torchvision's GoogLeNet", "one of two", "none"])
    def test_relus_that_are_functions_are_refused(self, method: str, which: str) -> None:
        """Hooks pass them by, and captum would return the plain gradient without a word."""
        if which == "none":
            bare: nn.Module = Linear(32, 32)
        elif which == "one of two":
            bare = Guided(Functional)
        else:
            bare = torchvision_googlenet(weights=None, init_weights=False, aux_logits=False, num_classes=4)
        network = UnitNetwork(bare, PLAIN)
        x = torch.rand(1, 3, 7, 9) if which == "one of two" else torch.rand(1, 3, 32, 32)
        with pytest.raises(UnknownMethod, match="no module") as error:
            guided_backprop(network, x, 0) if method == "guided_backprop" else guided_grad_cam(network, x, "conv1", 0)
        assert error.value.facts["method"] == method
        assert "guided_backprop" not in error.value.facts["valid"]
        assert "saliency" in error.value.facts["valid"]


class TestGuidedGradCam:
    @pytest.mark.parametrize("layer", ["relu1", "pool2"])
    def test_it_is_captums(self, layer: str) -> None:
        network, x = trained("lenet"), planted(2, seed=6).x
        method = attr.GuidedGradCam(network, module_of(network, layer))
        with pytest.warns(UserWarning, match="backward hooks"):
            due = method.attribute(x.clone().requires_grad_(), target=1, interpolate_mode="bilinear").detach()
        assert due.abs().max() > 0
        torch.testing.assert_close(guided_grad_cam(network, x, layer, 1), due, atol=float(1e-5 * due.abs().max()), rtol=1e-4)

    def test_nothing_where_grad_cam_is_nothing(self) -> None:
        network, x = trained("small-googlenet"), planted(4, seed=6).x
        found = guided_grad_cam(network, x, "inception", 2)
        none = F.interpolate(grad_cam(network, x, "inception", 2).unsqueeze(1), x.shape[2:], mode="bilinear") == 0
        assert none.any()
        assert not found[none.expand_as(found)].any()

    def test_an_unknown_layer(self) -> None:
        with pytest.raises(UnknownLayer, match="pool2"):
            guided_grad_cam(trained("lenet"), planted(1, seed=6).x, "pool3", 1)


EVERY = {
    "saliency": lambda network, x, target: saliency(network, x, target),
    "smooth_grad": lambda network, x, target: smooth_grad(network, x, target, 3, 0.1, 5),
    "integrated_gradients": lambda network, x, target: integrated_gradients(network, x, target, 16, covering(x, "belt")).values,
    "guided_backprop": lambda network, x, target: guided_backprop(network, x, target),
    "guided_grad_cam": lambda network, x, target: guided_grad_cam(network, x, "pool2", target),
}


@contextmanager
def untouched(network: UnitNetwork, x: Tensor) -> Iterator[None]:
    state, pixels = {key: value.clone() for key, value in network.state_dict().items()}, x.clone()
    yield
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
        assert not module._backward_pre_hooks
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not network.training
    assert not x.requires_grad
    assert x.grad is None
    assert torch.equal(x, pixels)


@pytest.mark.parametrize("method", EVERY.values(), ids=EVERY.keys())
class TestEveryMethod:
    def test_the_same_bits_each_time_and_nothing_left_behind(self, method: Callable[..., Tensor]) -> None:
        network, x = trained("lenet"), planted(3, seed=8).x
        with untouched(network, x):
            first = method(network, x, 1)
            assert not first.requires_grad
            assert torch.equal(method(network, x, 1), first)
            with torch.no_grad():
                assert torch.equal(method(network, x, 1), first)

    def test_a_target_for_each_photograph(self, method: Callable[..., Tensor]) -> None:
        network, x = trained("lenet"), planted(3, seed=8).x
        together = method(network, x, torch.tensor([2, 0, 1]))
        for at, target in enumerate([2, 0, 1]):
            alone = method(network, x[at : at + 1], target)[0]
            torch.testing.assert_close(together[at], alone, atol=float(1e-4 * alone.abs().max()), rtol=1e-3)

    @pytest.mark.parametrize("target", [3, -1])
    def test_a_target_that_is_no_grade_leaves_no_hook(self, method: Callable[..., Tensor], target: int) -> None:
        network, x = trained("lenet"), planted(2, seed=8).x
        with untouched(network, x), pytest.raises(InvalidParameter, match="logits 0 to 2"):
            method(network, x, target)

    def test_a_size_that_the_network_does_not_take_leaves_no_hook(self, method: Callable[..., Tensor]) -> None:
        network, x = trained("lenet"), torch.rand(1, 3, 9, 9)
        with untouched(network, x), pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            method(network, x, 1)
