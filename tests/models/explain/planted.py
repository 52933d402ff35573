"""Rendered fruit whose grade is decided by a planted spot, and networks that learned to see it, in seconds."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.googlenet import BasicConv2d, Inception
from models.architectures.lenet import LeNet
from models.architectures.network import GlobalAveragePool, pooled_cam
from models.explain.frozen import UnitNetwork
from models.preprocess import PreprocessSpec

HEIGHT, WIDTH, SPOT_PX = 24, 36, 5
SPEC = PreprocessSpec(width=WIDTH, height=HEIGHT)
SOUND, DARK, YELLOW = range(3)


@dataclass(frozen=True)
class Planted:
    x: Tensor
    """(N, 3, HEIGHT, WIDTH) in 0..1."""
    grades: Tensor
    """(N,), SOUND, DARK or YELLOW."""
    boxes: Tensor
    """(N, 4): x0, y0, x1, y1 of the spot; where a fruit is sound, of the place where none was painted."""

    def only_spotted(self) -> "Planted":
        spotted = self.grades != SOUND
        return Planted(self.x[spotted], self.grades[spotted], self.boxes[spotted])


def planted(count: int, seed: int) -> Planted:
    """A green fruit on a grey belt, in changing light; a spot anywhere on it; pieces of belt over other parts of the picture.

    The pieces lie over fruit of all grades alike: a network learns that hidden places say nothing, which occlusion relies on.
    """
    g = torch.Generator().manual_seed(seed)
    x = 0.45 + 0.04 * torch.randn(count, 3, HEIGHT, WIDTH, generator=g)
    grades = torch.randint(0, 3, (count,), generator=g)
    boxes = []
    for picture, grade in zip(x, grades.tolist(), strict=True):
        top, left = (int(torch.randint(2, 7, (), generator=g)) for _ in range(2))
        picture[:, top : top + 14, left : left + 26] += torch.tensor([-0.25, 0.1, -0.25]).view(3, 1, 1)
        y0 = top + int(torch.randint(0, 14 - SPOT_PX + 1, (), generator=g))
        x0 = left + int(torch.randint(0, 26 - SPOT_PX + 1, (), generator=g))
        for _ in range(2):
            y, x_ = int(torch.randint(0, HEIGHT - 6, (), generator=g)), int(torch.randint(0, WIDTH - 6, (), generator=g))
            picture[:, y : y + 6, x_ : x_ + 6] = 0.45
        if grade != SOUND:
            colour = [0.05, 0.1, 0.05] if grade == DARK else [0.8, 0.75, 0.1]
            picture[:, y0 : y0 + SPOT_PX, x0 : x0 + SPOT_PX] = torch.tensor(colour).view(3, 1, 1)
        boxes.append((x0, y0, x0 + SPOT_PX, y0 + SPOT_PX))
    light = 0.8 + 0.4 * torch.rand(count, 1, 1, 1, generator=g)
    return Planted((x * light).clamp(0, 1), grades, torch.tensor(boxes))


class SmallGoogLeNet(nn.Module):
    """GoogLeNet's blocks, its global average pooling and its one linear layer, at a size that trains in seconds."""

    def __init__(self, grades: int) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(3, 16, 5, padding=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception = Inception(16, 8, 8, 16, 8, 8, 8)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.last = Inception(40, 16, 16, 32, 8, 16, 16)
        self.avgpool = GlobalAveragePool()
        self.fc = nn.Linear(80, grades)

    def forward(self, x: Tensor) -> Tensor:
        return self.explained(x)[0]

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.last(self.maxpool2(self.inception(self.maxpool1(self.conv1(x)))))
        embedding = self.avgpool(features)
        return self.fc(embedding), pooled_cam(features, self.fc), embedding


@cache
def trained(name: str) -> UnitNetwork:
    """ "lenet" or "small-googlenet", right on at least 98 % of pictures it has not seen. The same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        bare = LeNet(3, 3, HEIGHT, WIDTH, hidden=32) if name == "lenet" else SmallGoogLeNet(3)
        network = UnitNetwork(bare, SPEC)
        network.train().requires_grad_(True)
        data = planted(800, seed=1)
        steps, batch = 90, 32
        optimizer = torch.optim.Adam(network.parameters(), 3e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
        for _ in range(steps):
            some = torch.randint(0, len(data.x), (batch,))
            optimizer.zero_grad()
            F.cross_entropy(network(data.x[some]), data.grades[some]).backward()
            optimizer.step()
            schedule.step()
    optimizer.zero_grad()
    network.eval().requires_grad_(False)
    unseen = planted(200, seed=2)
    right = (network(unseen.x).argmax(1) == unseen.grades).float().mean()
    assert right >= 0.98, f"the network to explain is right on {right:.0%} only"
    return network


def share_inside(maps: Tensor, boxes: Tensor, dilation_px: int) -> float:
    """Share of maps (N, h, w) whose highest place, at its middle, lies in its box grown by `dilation_px` on each side."""
    height, width = maps.shape[1:]
    at = maps.flatten(1).argmax(dim=1)
    y, x = (at // width + 0.5) * HEIGHT / height, (at % width + 0.5) * WIDTH / width
    x0, y0, x1, y1 = boxes.T
    inside = (x > x0 - dilation_px) & (x < x1 + dilation_px) & (y > y0 - dilation_px) & (y < y1 + dilation_px)
    return float(inside.float().mean())
