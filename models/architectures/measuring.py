"""A fruit measured by a network: length, thickness, bend and area, whatever the light it was photographed in."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEASURES: Final = ("length_px", "width_px", "bend_ratio", "area_px")
"""What the network estimates, in pixels of its input; `bend_ratio` is arc height over chord."""
TOP, BOTTOM = 5 / 32, 8 / 32
"""Shares of the frame, above and below, where belt is taken to be seen and no fruit."""


class Reflectance(nn.Module):
    """(B, C, H, W) in 0..1 -> the same shape: each pixel over the light that falls there, 1 where the belt is bare.

    The light is a quadratic surface, fitted by least squares to the rows at the top and the bottom of the frame. The fit is
    linear in the pixels, so it is two constant matrices of the graph.
    """

    solve: Tensor
    surface: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        basis = torch.stack([torch.ones_like(x), x, y, x * y, x * x, y * y], dim=-1)  # H x W x 6
        self.top, self.bottom = max(1, round(TOP * height)), max(1, round(BOTTOM * height))
        border = torch.cat([basis[: self.top], basis[-self.bottom :]]).reshape(-1, 6).double()
        self.register_buffer("solve", torch.linalg.pinv(border).T.float(), persistent=False)  # border pixels x 6
        self.register_buffer("surface", basis.reshape(-1, 6).T.contiguous(), persistent=False)  # 6 x H*W

    def border(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, rows, W): the rows where no fruit is expected."""
        return torch.cat([x[:, :, : self.top], x[:, :, -self.bottom :]], dim=2)

    def forward(self, x: Tensor) -> Tensor:
        light = self.border(x).flatten(2) @ self.solve @ self.surface  # B x C x H*W
        # a lamp that is off divides by nothing; a glint is no more than half again as bright as the belt
        return (x / light.view_as(x).clamp(min=0.08)).clamp(max=1.5)


class MeasuringNetwork(nn.Module):
    """(B, C, H, W) float32 in 0..1 -> (B, 4) float32, MEASURES.

    Learned from rendered fruit, whose measures are known exactly; the mean over the four mirror images of a photograph, which
    have the same measures.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int = 3, height: int = 32, width: int = 32) -> None:
        super().__init__()
        self.reflectance = Reflectance(height, width)
        self.stages = nn.Sequential(
            *_stage(channels, 16),
            nn.MaxPool2d(2),  # B x 16 x H/2 x W/2
            *_stage(16, 32),
            *_stage(32, 32),
            nn.MaxPool2d(2),  # B x 32 x H/4 x W/4
            *_stage(32, 64),
            nn.MaxPool2d(2),  # B x 64 x H/8 x W/8
        )
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(64 * (height // 8) * (width // 8), 64)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(64, len(MEASURES))
        self.register_buffer("mean", torch.zeros(len(MEASURES)))
        self.register_buffer("std", torch.ones(len(MEASURES)))

    def standardised(self, reflectance: Tensor) -> Tensor:
        """(B, C, H, W) reflectance -> (B, 4): the measures less `mean` over `std`, as they are trained."""
        x = self.stages((reflectance - 0.8) / 0.25)  # B x 64 x H/8 x W/8
        measures: Tensor = self.fc2(self.relu(self.fc1(self.flatten(x))))  # B x 4
        return measures

    def forward(self, x: Tensor) -> Tensor:
        reflectance = self.reflectance(x)
        mirrored = torch.cat([reflectance, reflectance.flip(3), reflectance.flip(2), reflectance.flip(2, 3)])  # 4B x C x H x W
        measures = self.standardised(mirrored).view(4, -1, len(MEASURES)).mean(dim=0)  # B x 4
        return measures * self.std + self.mean


class LightDescriptor(nn.Module):
    """(B, C, H, W) in 0..1 -> (B, C*18) float64: colours of a coarse grid over the bare belt, 6 cells above, 2 x 6 below."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.top, self.bottom = max(1, round(TOP * height)), max(2, round(BOTTOM * height))
        # Averages of unequal cells as constant matrices: adaptive pooling has no ONNX form where the sides do not divide.
        self.register_buffer("across", _cells(width, 6).T.contiguous(), persistent=False)  # W x 6
        self.register_buffer("down", _cells(self.bottom, 2), persistent=False)  # 2 x rows

    across: Tensor
    down: Tensor

    def forward(self, x: Tensor) -> Tensor:
        x, across = x.double(), self.across.double()  # averages of many pixels, whose faint differences count
        above = x[:, :, : self.top].mean(dim=2, keepdim=True) @ across  # B x C x 1 x 6
        below = self.down.double() @ x[:, :, -self.bottom :] @ across  # B x C x 2 x 6
        return torch.cat([above, below], dim=2).flatten(1)


def _stage(channels: int, filters: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()


def _cells(pixels: int, cells: int) -> Tensor:
    """(cells, pixels) float32: row i averages the pixels of cell i, those on a boundary by their share in it."""
    fine = F.interpolate(torch.eye(pixels)[None], size=pixels * cells, mode="nearest")[0]  # pixels x pixels*cells
    return fine.view(pixels, cells, pixels).mean(dim=2).T.contiguous()
