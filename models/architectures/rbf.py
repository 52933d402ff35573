"""A radial basis function network over a fruit's measures and the light it was photographed in."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.measuring import MEASURES, LightDescriptor, MeasuringNetwork

CENTRES = 16
COMPONENTS = 24


class RbfNetwork(nn.Module):
    """(B, channels, H, W) float32 in 0..1 -> (B, grades) logits.

    Radial basis functions (Broomhead and Lowe 1988) around N remembered photographs, each known by its four measures and by a
    descriptor of its light. A photograph counts for another by `fruit * (share + light)`: how alike the two fruit are, the
    more so where the light is the same. In light that was never seen the second term is 0 and the fruit alone decides.
    `share` None leaves the light out.

    Training sets the centres and the weights in closed form (`training.rbf`); all of them are parameters, so that gradient
    descent can go on from there.
    """

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
        self.fruit_mean = nn.Parameter(torch.zeros(len(MEASURES)))
        self.fruit_scale = nn.Parameter(torch.ones(len(MEASURES)))
        self.light_mean = nn.Parameter(torch.full((channels * 18,), 0.5))
        self.light_map = nn.Parameter(torch.randn(channels * 18, components) * 0.1)
        self.fruit_centres = nn.Parameter(torch.randn(centres, len(MEASURES)))
        self.light_centres = nn.Parameter(torch.randn(centres, components))
        self.fruit_share = nn.Parameter(torch.ones(()))
        self.light_share = nn.Parameter(torch.ones(()))
        self.head = nn.Linear(centres, grades)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) in 0..1 -> measures (B, 4) float32 and light descriptors (B, C*18) float64."""
        return self.measuring(x), self.light(x)

    def forward(self, x: Tensor) -> Tensor:
        measures, light = self.features(x)
        # In float64: whitening enlarges faint differences of light, and weights of both signs add up over all centres. It is
        # little arithmetic, and in float32 two runtimes would differ by as much as an export may.
        at = (measures.double() - self.fruit_mean.double()) * self.fruit_scale.double()  # B x 4
        lit = (light - self.light_mean.double()) @ self.light_map.double()  # B x components
        fruit = torch.exp(-squared_distance(at, self.fruit_centres.double()))  # B x N
        same_light = torch.exp(-squared_distance(lit, self.light_centres.double()))  # B x N
        alike = fruit * (self.fruit_share.double() + self.light_share.double() * same_light)  # B x N
        logits: Tensor = F.linear(alike, self.head.weight.double(), self.head.bias.double()).float()  # B x grades
        return logits

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        # The number of centres is that of the photographs trained on: a checkpoint brings its own.
        for name in ("light_map", "fruit_centres", "light_centres"):
            found = state_dict.get(prefix + name)
            own = getattr(self, name)
            if isinstance(found, Tensor) and found.ndim == own.ndim and found.shape != own.shape:
                setattr(self, name, nn.Parameter(own.new_empty(found.shape)))
        weight = state_dict.get(f"{prefix}head.weight")
        if isinstance(weight, Tensor) and weight.ndim == 2 and weight.shape[1] != self.head.in_features:
            self.head = nn.Linear(weight.shape[1], self.head.out_features)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def squared_distance(points: Tensor, centres: Tensor) -> Tensor:
    """(B, D), (N, D) -> (B, N), difference by difference: |a|^2 - 2ab + |b|^2 would cost close neighbours their digits."""
    return (points[:, None] - centres).square().sum(dim=-1)
