"""What a network may offer beside its logits, and the class activation map that globally pooled networks share.

Every network is a torch module: (B, channels, H, W) float32, normalised -> (B, grades) logits.
"""

from typing import Protocol, runtime_checkable

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


@runtime_checkable
class Foldable(Protocol):
    """A network with a batch normalisation that the ONNX exporter cannot fold into the layer before it."""

    def folded(self) -> nn.Module:
        """A copy that computes the same in evaluation mode, with a layer less."""


class GlobalAveragePool(nn.Module):
    """(B, C, h, w) -> (B, C). The plain mean: the exporter writes PyTorch's adaptive pooling to 1x1 as nine further nodes."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean(dim=(2, 3))


def pooled_cam(features: Tensor, classifier: nn.Linear) -> Tensor:
    """Class activation map (Zhou et al. 2016) of a network that ends in global average pooling and one linear layer.

    features (B, C, h, w) -> (B, grades, h, w), a convolution of 1x1 with the classifier's weights. Without remainder:
    cam[b, g].mean() + classifier.bias[g] == logits[b, g].
    """
    cam = classifier.weight @ features.flatten(2)  # B x grades x h*w
    return cam.reshape(*cam.shape[:2], *features.shape[2:])


def by_place(features: Tensor, hidden: Tensor) -> Tensor:
    """What each place adds to each unit of a linear layer on flattened maps: (B, C, h, w), (D, C*h*w) -> (h*w, B, D).

    Summed over the places this is `features.flatten(1) @ hidden.T`.
    """
    return features.flatten(2).permute(2, 0, 1) @ placed_weight(hidden, features.shape[1])


def placed_weight(hidden: Tensor, channels: int) -> Tensor:
    """(D, C*h*w) -> (h*w, C, D): the weights of a linear layer on flattened maps, by place."""
    return hidden.view(hidden.shape[0], channels, -1).permute(2, 1, 0)


def head_cam(placed: Tensor, active: Tensor, classifier: nn.Linear, height: int, width: int) -> Tensor:
    """Gradient x activation map (HiResCAM, Draelos and Carin 2020) of the head `classifier(relu(flat @ hidden.T + b))`.

    placed (h*w, B, D), what each place adds to each hidden unit (`by_place`); active (B, D) bool: where the ReLU lets through
    -> (B, grades, h, w). The head is piecewise linear, so its gradient has a closed form, (active * W2[g]) @ hidden, and the sum
    over channels of gradient x features explains all of a logit but the biases: cam[b, g].sum() + active @ (b * W2[g]) +
    classifier.bias[g] == logits[b, g].

    The sum over channels comes first, in `placed`: less work by the number of grades than a gradient for each.
    """
    cam = (placed * active) @ classifier.weight.T  # h*w x B x grades
    return cam.permute(1, 2, 0).reshape(*cam.shape[1:], height, width)
