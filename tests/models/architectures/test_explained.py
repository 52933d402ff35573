"""The maps that explain logits add up to them, and are what autograd computes."""

import pytest
import torch
from torch import Tensor, nn

from models.architectures.googlenet import GoogLeNet
from models.architectures.lenet import LeNet
from models.architectures.resnet import ResNet34
from tests.models.architectures.small import trained_statistics

SIZES = [(32, 32), (37, 53), (96, 41)]
POOLED = [GoogLeNet, ResNet34]


def lenet(height: int, width: int, channels: int = 3) -> LeNet:
    torch.manual_seed(4)
    network = LeNet(9, channels, height, width).eval()
    trained_statistics(network)
    return network


@pytest.fixture(scope="module", params=POOLED)
def pooled(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(4)
    network = request.param(9).eval()
    trained_statistics(network)
    return network


def photographs(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.randn(4, channels, height, width, generator=torch.Generator().manual_seed(8))


def relative(found: Tensor, expected: Tensor) -> float:
    """Greatest difference, against the spread of what is due: fresh networks with made-up statistics have logits up to 100."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1))


@pytest.mark.parametrize(("height", "width"), SIZES)
class TestPooledNetworks:
    def test_the_mean_of_the_map_and_the_bias_are_the_logit(self, pooled: nn.Module, height: int, width: int) -> None:
        with torch.no_grad():
            logits, cam, embedding = pooled.explained(photographs(height, width))
        assert cam.shape[:2] == (4, 9)
        assert embedding.shape == (4, pooled.fc.in_features)
        assert (logits[0] - logits[1]).abs().max() > 0.01  # the photograph decides, not the biases alone
        assert relative(cam.mean(dim=(2, 3)) + pooled.fc.bias, logits) < 1e-5
        assert relative(embedding @ pooled.fc.weight.T + pooled.fc.bias, logits) < 1e-5

    def test_the_logits_are_those_of_forward_to_the_last_bit(self, pooled: nn.Module, height: int, width: int) -> None:
        with torch.no_grad():
            assert torch.equal(pooled.explained(photographs(height, width))[0], pooled(photographs(height, width)))

    def test_it_is_grad_cam_times_the_number_of_places(self, pooled: nn.Module, height: int, width: int) -> None:
        kept: list[Tensor] = []
        hook = pooled.avgpool.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        logits, cam, _ = pooled.explained(photographs(height, width))
        hook.remove()
        (features,) = kept
        for grade in (0, 5):
            (gradient,) = torch.autograd.grad(logits[:, grade].sum(), features, retain_graph=True)
            grad_cam = (gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)
            assert relative(grad_cam * features.shape[2] * features.shape[3], cam[:, grade]) < 1e-5


@pytest.mark.parametrize(("height", "width"), [*SIZES, (8, 9)])
class TestLeNet:
    def test_the_sum_of_the_map_and_the_effective_bias_are_the_logit(self, height: int, width: int) -> None:
        network = lenet(height, width)
        with torch.no_grad():
            logits, cam, embedding = network.explained(photographs(height, width))
        assert cam.shape == (4, 9, height // 4, width // 4)
        assert embedding.shape == (4, 512)
        assert (logits[0] - logits[1]).abs().max() > 0.01  # the photograph decides, not the biases alone
        bias = network.effective_bias(embedding)
        assert bias.std() > 0.01  # the statistics are not those of a start
        torch.testing.assert_close(cam.sum(dim=(2, 3)) + bias, logits, atol=1e-4, rtol=0)

    def test_the_logits_are_those_of_forward_to_the_last_bit(self, height: int, width: int) -> None:
        network = lenet(height, width)
        with torch.no_grad():
            assert torch.equal(network.explained(photographs(height, width))[0], network(photographs(height, width)))

    def test_it_is_gradient_times_activation(self, height: int, width: int) -> None:
        network = lenet(height, width)
        kept: list[Tensor] = []
        hook = network.pool2.register_forward_hook(lambda _, __, out: kept.append(out))
        logits, cam, embedding = network.explained(photographs(height, width))
        hook.remove()
        (features,) = kept
        for grade in range(9):
            (gradient,) = torch.autograd.grad(logits[:, grade].sum(), features, retain_graph=True)
            torch.testing.assert_close((gradient * features).sum(dim=1), cam[:, grade], atol=1e-5, rtol=1e-4)
            rest = logits[:, grade] - (gradient * features).sum(dim=(1, 2, 3))
            torch.testing.assert_close(network.effective_bias(embedding)[:, grade], rest, atol=1e-4, rtol=0)

    def test_folded_for_serving_it_computes_the_same(self, height: int, width: int) -> None:
        network = lenet(height, width)
        before = {key: value.clone() for key, value in network.state_dict().items()}
        folded = network.folded()
        with torch.no_grad():
            for found, expected in zip(
                folded.explained(photographs(height, width)), network.explained(photographs(height, width)), strict=True
            ):
                torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(
                folded(photographs(height, width)), folded.explained(photographs(height, width))[0], atol=0, rtol=0
            )
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_grey_network_explains_too() -> None:
    network = lenet(28, 28, channels=1)
    with torch.no_grad():
        logits, cam, embedding = network.explained(photographs(28, 28, channels=1))
    torch.testing.assert_close(cam.sum(dim=(2, 3)) + network.effective_bias(embedding), logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("side", "places"), [(32, 1), (96, 3), (224, 7)])
def test_one_place_for_each_32_pixels(pooled: nn.Module, side: int, places: int) -> None:
    with torch.no_grad():
        assert pooled.explained(torch.zeros(1, 3, side, side))[1].shape == (1, 9, places, places)
