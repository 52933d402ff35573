"""Class activation maps: what each place of a layer adds to a logit. Exact where the network's head allows it, by gradient else.

Maps have the resolution of the layer, (B, h, w) float32, raw. A network that looks at mirrored views of each photograph gives the
sum over its views, each with the mirroring undone.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from models.architectures.network import Explained
from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain.catalogue import METHODS
from models.explain.frozen import UnitNetwork
from models.explain.layers import outputs, spatial_layers, upright_views

Target = int | Tensor
"""Index of a logit, or a LongTensor (B,) with one for each photograph."""


@runtime_checkable
class _SummedUp(Protocol):
    """An Explained network whose map adds up by its sum: `cam.sum() + effective_bias == logit`."""

    def effective_bias(self, embedding: Tensor) -> Tensor:
        """(B, D) -> (B, K)."""


def require_cam(network: UnitNetwork) -> Explained:
    """The network behind, if it offers class activation maps. Raises UnknownMethod naming the methods that any network offers."""
    if not isinstance(network.bare, Explained):
        others = [name for name in METHODS if name not in ("cam", "contrastive_cam")]
        raise UnknownMethod("cam", others, f"{type(network.bare).__name__} does not end in a head that has an exact map.")
    return network.bare


def cam(network: UnitNetwork, x: Tensor) -> tuple[Tensor, Tensor]:
    """x (B, channels, H, W) in 0..1 -> logits (B, K) and maps (B, K, h, w), exactly those of the served graph.

    Zhou et al. 2016 for networks that pool globally: cam.mean((2, 3)) + bias == logits. HiResCAM (Draelos and Carin 2020) for
    LeNet: cam.sum((2, 3)) + effective_bias(embedding) == logits. Raises UnknownMethod for networks that have no such map.
    """
    explained = require_cam(network)
    with torch.no_grad():
        logits, maps, _ = explained.explained(network.standardise(x))
    return logits, maps


def contrastive(maps: Tensor, grade: Target, against: Target) -> Tensor:
    """Why this grade and not that: maps (B, K, h, w) -> (B, h, w), the map of `grade` less that of `against`.

    It adds up to the difference of the two logits as the maps do to each. Raises InvalidParameter for an index that is no grade.
    """
    return chosen(maps, grade) - chosen(maps, against)


def grad_cam(network: UnitNetwork, x: Tensor, layer: str, target: Target, signed: bool = False) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): (B, h, w), relu(sum of the layer's maps, each times the mean of its gradient).

    `signed` leaves out the ReLU: then, on the last layer of a network that pools globally, it is the class activation map over
    h * w. Its sum over places is in logits. Raises UnknownLayer, InvalidParameter for a target that is no grade.
    """
    maps, gradient = _maps_and_gradient(network, x, layer, target)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # VB x C x 1 x 1
    return _added(weights * maps, len(x), signed)


def grad_cam_pp(network: UnitNetwork, x: Tensor, layer: str, target: Target) -> Tensor:
    """Grad-CAM++ (Chattopadhyay et al. 2018): (B, h, w), each map weighted by sum(alpha * relu(gradient)).

    alpha = g^2 / (2 g^2 + sum(A) g^3), equation 19, from powers of the first-order gradient g of the logit. The paper explains
    exp(logit), which multiplies the map of a photograph by one number; that number is left out, as it overflows. So the values
    are no logits: they say which place counts more than another, and `evidence` is that of `layer_cam`. Meant for maps after a
    ReLU: alpha has a pole where maps are negative. Raises as `grad_cam` does.
    """
    maps, gradient = _maps_and_gradient(network, x, layer, target)
    # Divided by g^2 on both sides: in float32 the third power of a gradient of 1e-15 is 0.
    share = 2 + maps.sum(dim=(2, 3), keepdim=True) * gradient
    alpha = torch.where((gradient == 0) | (share == 0), torch.zeros_like(share), 1 / share)
    weights = (alpha * gradient.relu()).sum(dim=(2, 3), keepdim=True)  # VB x C x 1 x 1
    return _added(weights * maps, len(x), signed=False)


def layer_cam(network: UnitNetwork, x: Tensor, layer: str, target: Target) -> Tensor:
    """LayerCAM (Jiang et al. 2021): (B, h, w), relu(sum of the layer's maps, each place times the positive part of its gradient).

    Fine enough for early layers, where one weight for a whole map says little. Its sum over places is in logits. Raises as
    `grad_cam` does.
    """
    maps, gradient = _maps_and_gradient(network, x, layer, target)
    return _added(gradient.relu() * maps, len(x), signed=False)


def evidence(maps: Tensor, averaged: bool = False) -> Tensor:
    """Logits that the positive part of each map accounts for: (B, h, w) -> (B,).

    The sum over places for Grad-CAM, LayerCAM and the maps of LeNet, which are gradient x activation; `averaged` the mean, for
    maps of `cam` of networks that pool globally (`adds_up_by_mean`). Grad-CAM has no factor of h * w: its weight is the mean
    gradient, and on such a network the gradient at each place is the classifier's weight over h * w already.
    """
    positive = maps.clamp(min=0).flatten(1)
    return positive.mean(dim=1) if averaged else positive.sum(dim=1)


def adds_up_by_mean(network: UnitNetwork) -> bool:
    """Whether maps of `cam` add up to the logits by their mean over places, not by their sum. Raises UnknownMethod as `cam`."""
    return not isinstance(require_cam(network), _SummedUp)


def chosen(values: Tensor, target: Target) -> Tensor:
    """(B, K, ...) -> (B, ...): the part of each photograph's target. Raises InvalidParameter for an index that is no grade."""
    index = torch.as_tensor(target, device=values.device).expand(len(values))
    grades = values.shape[1]
    if bool(((index < 0) | (index >= grades)).any()):
        message = f"The target is {index.tolist()}; this network has logits 0 to {grades - 1}."
        raise InvalidParameter(message, least=0, most=grades - 1)
    return values[torch.arange(len(values), device=values.device), index]


def require_target(network: UnitNetwork, x: Tensor, target: Target) -> None:
    """Raises InvalidParameter for a target that is no logit, where a library would take -1 for the last."""
    with torch.no_grad():
        chosen(network(x[:1]).expand(len(x), -1), target)


def _maps_and_gradient(network: UnitNetwork, x: Tensor, layer: str, target: Target) -> tuple[Tensor, Tensor]:
    """What the layer gives and the gradient of the logit there, both (V*B, C, h, w), V views of each photograph."""
    if layer not in dict(network.bare.named_modules()) or not layer:
        raise UnknownLayer(layer, spatial_layers(network))
    with torch.enable_grad(), outputs(network, [layer]) as kept:
        logits = network(x.detach().requires_grad_())
        maps = kept.get(layer)
        if maps is None or maps.ndim != 4:
            reason = "does not run when the network grades" if maps is None else "gives a vector, not maps"
            raise UnknownLayer(layer, spatial_layers(network), f"The layer {layer!r} {reason}.")
        (gradient,) = torch.autograd.grad(chosen(logits, target).sum(), maps)
    return maps.detach(), gradient


def _added(weighted: Tensor, photographs: int, signed: bool) -> Tensor:
    """(V*B, C, h, w) -> (B, h, w): channels and views added up."""
    total = upright_views(weighted.sum(dim=1, keepdim=True), photographs).sum(dim=0).squeeze(1)
    return total if signed else total.relu()
