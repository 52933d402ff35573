"""A radial basis function network over a fruit's measures and the light it was photographed in."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.measuring import MEASURES, LightDescriptor, MeasuringNetwork

CENTRES: Final = 16
COMPONENTS: Final = 24
"""Of a network that was not fitted yet; a fitted one has a centre for each photograph."""


class RadialBasis(nn.Module):
    """Measures (B, 4) and light descriptors (B, D) float64 -> (B, grades) logits float32.

    Radial basis functions (Broomhead and Lowe 1988) around N remembered photographs. A photograph counts for another by
    `fruit * (fruit_share + light_share * light)`: how alike the two fruit are, the more so where the light is the same. In
    light that was never seen the second term is 0 and the fruit alone decides.

    Training sets everything here in closed form (`training.rbf`); all of it is parameters, so that gradient descent can too.
    """

    def __init__(self, grades: int, descriptors: int, centres: int, components: int) -> None:
        super().__init__()
        self.fruit_mean = nn.Parameter(torch.zeros(len(MEASURES)))
        self.fruit_scale = nn.Parameter(torch.ones(len(MEASURES)))
        self.light_mean = nn.Parameter(torch.full((descriptors,), 0.5))
        self.light_map = nn.Parameter(torch.randn(descriptors, components) * 0.1)
        self.fruit_centres = nn.Parameter(torch.randn(centres, len(MEASURES)))
        self.light_centres = nn.Parameter(torch.randn(centres, components))
        self.fruit_share = nn.Parameter(torch.ones(()))
        self.light_share = nn.Parameter(torch.ones(()))
        self.weight = nn.Parameter(torch.randn(grades, centres) * 0.3)
        self.bias = nn.Parameter(torch.zeros(grades))

    def forward(self, measures: Tensor, light: Tensor) -> Tensor:
        # In float64: whitening enlarges faint differences of light, and weights of both signs add up over all centres. It is
        # little arithmetic, and in float32 two runtimes would differ by as much as an export may.
        at = (measures.double() - self.fruit_mean.double()) * self.fruit_scale.double()  # B x 4
        lit = (light - self.light_mean.double()) @ self.light_map.double()  # B x components
        fruit = torch.exp(-squared_distance(at, self.fruit_centres.double()))  # B x N
        same_light = torch.exp(-squared_distance(lit, self.light_centres.double()))  # B x N
        alike = fruit * (self.fruit_share.double() + self.light_share.double() * same_light)  # B x N
        return F.linear(alike, self.weight.double(), self.bias.double()).float()  # B x grades

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        # The number of centres is that of the photographs trained on: a checkpoint brings its own.
        free = {
            "light_map": (False, True),
            "fruit_centres": (True, False),
            "light_centres": (True, True),
            "weight": (False, True),
        }
        for name, sides in free.items():
            found, own = state_dict.get(prefix + name), getattr(self, name)
            if isinstance(found, Tensor) and found.ndim == 2:
                shape = [
                    theirs if any_size else ours for theirs, ours, any_size in zip(found.shape, own.shape, sides, strict=True)
                ]
                if tuple(shape) != tuple(own.shape):  # else an optimizer may hold this very parameter
                    setattr(self, name, nn.Parameter(own.new_empty(shape)))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class RbfNetwork(nn.Module):
    """(B, channels, H, W) float32 in 0..1 -> (B, grades) logits: measured, and compared with photographs it remembers."""

    def __init__(
        self,
        grades: int = 9,
        channels: int = 3,
        height: int = 32,
        width: int = 32,
        centres: int = CENTRES,
        components: int = COMPONENTS,
    ) -> None:
        super().__init__()
        self.measuring = MeasuringNetwork(channels, height, width)
        self.light = LightDescriptor(height, width)
        self.head = RadialBasis(grades, channels * 18, centres, components)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) in 0..1 -> measures (B, 4) float32 and light descriptors (B, C*18) float64."""
        return self.measuring(x), self.light(x)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.features(x))
        return logits


def squared_distance(points: Tensor, centres: Tensor) -> Tensor:
    """(B, D), (N, D) -> (B, N), difference by difference: |a|^2 - 2ab + |b|^2 would cost close neighbours their digits."""
    return (points[:, None] - centres).square().sum(dim=-1)
