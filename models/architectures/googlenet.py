"""GoogLeNet, "Going Deeper with Convolutions" (Szegedy et al. 2014, arXiv 1409.4842): nine inception modules, 22 layers deep.

Parameters carry torchvision's names and shapes, so that its `state_dict` loads. Deviations from the paper, shared with
torchvision: batch normalisation after each convolution, no local response normalisation, 3x3 in place of 5x5 in the third
branch, auxiliary classifiers pool to 4x4 whatever the input. Deviation from both: He initialisation (He et al. 2015).
"""

from typing import Final

import torch
from torch import Tensor, nn

from models.architectures.network import GlobalAveragePool, pooled_cam

AUXILIARY_WEIGHT: Final = 0.3
"""Share of each auxiliary classifier in the training loss."""
SMALLEST_PX: Final = 15
"""Least height and width: below, the third pooling has nothing left to pool."""


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalisation, ReLU: (B, inputs, H, W) -> (B, outputs, H', W')."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.relu(self.bn(self.conv(x)))
        return maps


class Inception(nn.Module):
    """Four branches side by side, the 1x1 reductions before the costly ones: (B, inputs, h, w) -> (B, sum, h, w).

    Widths in the order of the paper's table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
    """

    def __init__(self, inputs: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pooled: int) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(inputs, one, 1)
        self.branch2 = nn.Sequential(BasicConv2d(inputs, reduce3, 1), BasicConv2d(reduce3, three, 3, padding=1))
        self.branch3 = nn.Sequential(BasicConv2d(inputs, reduce5, 1), BasicConv2d(reduce5, five, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), BasicConv2d(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class Auxiliary(nn.Module):
    """A classifier on the maps in the middle, which sends gradient to the early layers: (B, inputs, h, w) -> (B, grades)."""

    def __init__(self, inputs: int, grades: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(inputs, 128, 1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, grades)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(self.conv(self.pool(x)))  # B x 2048
        logits: Tensor = self.fc2(self.dropout(self.relu(self.fc1(x))))  # B x grades
        return logits


class GoogLeNet(nn.Module):
    """(B, channels, H, W) float32, normalised, H and W at least 15 -> (B, grades) logits. Shapes below are for 224x224."""

    def __init__(self, grades: int = 9, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = BasicConv2d(channels, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)  # 3x3 in the paper
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = Auxiliary(512, grades)
        self.aux2 = Auxiliary(528, grades)
        self.avgpool = GlobalAveragePool()
        self.dropout = nn.Dropout(0.2)  # 0.4 in the paper
        self.fc = nn.Linear(1024, grades)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.dropout(self.avgpool(self._late(self._middle(self._early(x))))))
        return logits

    def weighted_logits(self, x: Tensor) -> tuple[tuple[float, Tensor], ...]:
        """The logits, and those of both auxiliary classifiers with their weight in the training loss, each (B, grades)."""
        early = self._early(x)
        middle = self._middle(early)
        logits = self.fc(self.dropout(self.avgpool(self._late(middle))))
        return (1.0, logits), (AUXILIARY_WEIGHT, self.aux1(early)), (AUXILIARY_WEIGHT, self.aux2(middle))

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits; class activation map (B, grades, H/32, W/32); embedding (B, 1024), the pooled features.

        cam[b, g].mean() + fc.bias[g] == logits[b, g].
        """
        features = self._late(self._middle(self._early(x)))
        embedding = self.avgpool(features)
        return self.fc(self.dropout(embedding)), pooled_cam(features, self.fc), embedding

    def _early(self, x: Tensor) -> Tensor:
        """Up to where the first auxiliary classifier branches off."""
        x = self.maxpool1(self.conv1(x))  # B x 64 x 112 x 112, then 56 x 56
        x = self.maxpool2(self.conv3(self.conv2(x)))  # B x 192 x 56 x 56, then 28 x 28
        x = self.inception3a(x)  # B x 256 x 28 x 28
        x = self.maxpool3(self.inception3b(x))  # B x 480 x 28 x 28, then 14 x 14
        maps: Tensor = self.inception4a(x)  # B x 512 x 14 x 14
        return maps

    def _middle(self, x: Tensor) -> Tensor:
        """On to where the second one does."""
        x = self.inception4b(x)  # B x 512 x 14 x 14
        x = self.inception4c(x)  # B x 512 x 14 x 14
        maps: Tensor = self.inception4d(x)  # B x 528 x 14 x 14
        return maps

    def _late(self, x: Tensor) -> Tensor:
        x = self.maxpool4(self.inception4e(x))  # B x 832 x 14 x 14, then 7 x 7
        x = self.inception5a(x)  # B x 832 x 7 x 7
        maps: Tensor = self.inception5b(x)  # B x 1024 x 7 x 7
        return maps
