"""Same names, same shapes, same logits as torchvision's networks of the same name."""

import pytest
import torch
import torchvision.models
from torch import nn

from models.architectures.googlenet import AUXILIARY_WEIGHT, GoogLeNet
from models.architectures.resnet import ResNet34
from models.architectures.vgg import VGG19
from tests.models.architectures.small import trained_statistics


def theirs_of(name: str) -> nn.Module:
    if name == "googlenet":
        return torchvision.models.googlenet(weights=None, aux_logits=True, init_weights=False)
    return getattr(torchvision.models, name)(weights=None)


@pytest.fixture(scope="module", params=[GoogLeNet, ResNet34, VGG19], ids=["googlenet", "resnet34", "vgg19"])
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """Ours with the weights of theirs."""
    torch.manual_seed(11)
    theirs = theirs_of(request.param.__name__.lower()).eval()
    trained_statistics(theirs)
    ours = request.param(1000).eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes, nothing missing, nothing left over
    return ours, theirs


@pytest.mark.parametrize(("height", "width"), [(224, 224), (97, 61)])
def test_the_same_logits(pair: tuple[nn.Module, nn.Module], height: int, width: int) -> None:
    ours, theirs = pair
    inputs = torch.randn(2, 3, height, width)
    with torch.no_grad():
        expected = theirs(inputs)
        found = ours(inputs)
    spread = (expected[0] - expected[1]).abs().max()
    assert spread > 0.01  # the photograph decides, not the biases alone
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * max(1.0, float(expected.abs().max())))


def test_auxiliary_logits_are_theirs_too() -> None:
    torch.manual_seed(2)
    theirs = theirs_of("googlenet")
    trained_statistics(theirs)
    ours = GoogLeNet(1000)
    ours.load_state_dict(theirs.state_dict())
    for network in (ours, theirs):
        for layer in network.modules():
            if isinstance(layer, nn.Dropout | nn.BatchNorm2d):
                layer.eval()
    inputs = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        expected = theirs(inputs)
        found = ours.weighted_logits(inputs)
    assert [weight for weight, _ in found] == [1.0, AUXILIARY_WEIGHT, AUXILIARY_WEIGHT]
    assert AUXILIARY_WEIGHT == 0.3
    for (_, logits), reference in zip(found, (expected.logits, expected.aux_logits1, expected.aux_logits2), strict=True):
        assert (reference[0] - reference[1]).abs().max() > 0.01
        torch.testing.assert_close(logits, reference, rtol=0, atol=1e-5 * max(1.0, float(reference.abs().max())))
