"""What a network may offer beside its logits, and the class activation map that globally pooled networks share.

Every network is a torch module: (B, channels, H, W) float32, normalised -> (B, grades) logits.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class WithAuxiliaries(Protocol):
    """A network with further classifiers that only its training uses."""

    def weighted_logits(self, x: Tensor) -> tuple[tuple[float, Tensor], ...]:
        """(B, channels, H, W) -> pairs of the weight in the loss and (B, grades) logits, the network's own first."""


@runtime_checkable
class Explained(Protocol):
    """A network whose logits are a sum over places in the image. Meant for evaluation mode."""

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, channels, H, W) -> logits (B, grades), exactly those of `forward`; cam (B, grades, h, w); embedding (B, D).

        How cam adds up to the logits is said by each network.
        """


def pooled_cam(features: Tensor, classifier: nn.Linear) -> Tensor:
    """Class activation map (Zhou et al. 2016) of a network that ends in global average pooling and one linear layer.

    features (B, C, h, w) -> (B, grades, h, w), a convolution of 1x1 with the classifier's weights. Without remainder:
    cam[b, g].mean() + classifier.bias[g] == logits[b, g].
    """
    # As a matrix product on a flat map: a convolution would let ONNX Runtime choose another layout for the features, and with
    # it another order of the sums behind the logits.
    cam = classifier.weight @ features.flatten(2)  # B x grades x h*w
    return cam.unflatten(2, features.shape[2:])


def head_cam(features: Tensor, hidden: nn.Linear, norm: nn.BatchNorm1d, active: Tensor, classifier: nn.Linear) -> Tensor:
    """Gradient x activation map (HiResCAM, Draelos and Carin 2020) of a head `classifier(relu(norm(hidden(flat))))`.

    features (B, C, h, w), active (B, hidden) bool, where the ReLU lets through -> (B, grades, h, w). The head is piecewise
    linear, so its gradient has a closed form, ((active * slope) * W2[g]) @ W1; summed over the channels of gradient x features,
    cam[b, g].sum() + effective bias == logits[b, g] with `effective_bias` below.

    The sum over channels comes first, one (B, C) @ (C, hidden) for each place: grades times less work than writing the gradient
    out for every grade.
    """
    channels, height, width = features.shape[1:]
    weights = hidden.weight.view(-1, channels, height * width).permute(2, 1, 0)  # h*w x C x hidden
    places = features.flatten(2).permute(2, 0, 1)  # h*w x B x C
    passed = (places @ weights) * (active * _affine(norm)[0])  # h*w x B x hidden
    cam = passed @ classifier.weight.T  # h*w x B x grades
    return cam.permute(1, 2, 0).unflatten(2, (height, width))


def effective_bias(norm: nn.BatchNorm1d, active: Tensor, classifier: nn.Linear) -> Tensor:
    """What `head_cam` leaves of the logits: the biases along the open paths. active (B, hidden) bool -> (B, grades)."""
    return (active * _affine(norm)[1]) @ classifier.weight.T + classifier.bias


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Batch normalisation in evaluation mode as x * slope + shift, each (features,)."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018 - for the type checker
    slope = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return slope, norm.bias - norm.running_mean * slope
