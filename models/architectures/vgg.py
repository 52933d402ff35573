"""VGG-19, configuration E of "Very Deep Convolutional Networks" (Simonyan and Zisserman 2014, arXiv 1409.1556).

Parameters carry torchvision's names and shapes, so that its `state_dict` loads. Deviation, shared with torchvision: adaptive
average pooling before the first fully connected layer takes other sizes than 224x224, where it changes nothing.
"""

from typing import Final

from torch import Tensor, nn

SMALLEST_PX: Final = 32
"""Least height and width: five poolings halve it to one."""
_STAGES: Final = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(width, number of 3x3 convolutions) before each pooling."""


class VGG19(nn.Module):
    """(B, channels, H, W) float32, normalised, H and W at least 32 -> (B, grades) logits. Shapes below are for 224x224."""

    def __init__(self, grades: int = 9, channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, convolutions in _STAGES:  # 112 x 112, 56 x 56, 28 x 28, 14 x 14, 7 x 7 after each
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, grades),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # B x 512 x 7 x 7
        x = self.flatten(self.avgpool(x))  # B x 25088
        logits: Tensor = self.classifier(x)  # B x grades
        return logits
