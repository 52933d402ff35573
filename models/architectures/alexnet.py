"""AlexNet as published in 2012: "ImageNet Classification with Deep Convolutional Neural Networks" (Krizhevsky et al.).

Not the network of 2014 that goes by the same name elsewhere (64 filters first, no groups, no local response normalisation).
Deviations: the input is 224x224 with a border of 2, where the paper's 224 without one does not give its 55x55 maps; adaptive
average pooling before the first fully connected layer takes other sizes, and changes nothing at 224x224.
"""

from typing import Final

from torch import Tensor, nn

SMALLEST_PX: Final = 63
"""Least height and width: below, the third pooling has nothing left to pool."""


class AlexNet(nn.Module):
    """(B, channels, H, W) float32, normalised, H and W at least 63 -> (B, grades) logits. Shapes below are for 224x224.

    `groups` 2 is the paper's: conv2, conv4 and conv5 see half of the maps, those on the same graphics card. 1 connects all.
    """

    def __init__(self, grades: int = 9, channels: int = 3, groups: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 96, 11, stride=4, padding=2)
        self.relu1 = nn.ReLU()
        self.norm1 = _response_normalisation()
        self.pool1 = nn.MaxPool2d(3, stride=2)  # windows overlap
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=groups)
        self.relu2 = nn.ReLU()
        self.norm2 = _response_normalisation()
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=groups)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=groups)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.relu6 = nn.ReLU()
        self.dropout6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = nn.ReLU()
        self.dropout7 = nn.Dropout(0.5)
        self.fc8 = nn.Linear(4096, grades)
        # The paper's start: biases of 1 give the ReLUs of these layers positive inputs from the first step on.
        ones = (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5, self.fc6, self.fc7, self.fc8):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None  # noqa: S101 - for the type checker; these layers are built with a bias
            nn.init.constant_(layer.bias, 1.0 if layer in ones else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.norm1(self.relu1(self.conv1(x))))  # B x 96 x 55 x 55, then 27 x 27
        x = self.pool2(self.norm2(self.relu2(self.conv2(x))))  # B x 256 x 27 x 27, then 13 x 13
        x = self.relu3(self.conv3(x))  # B x 384 x 13 x 13
        x = self.relu4(self.conv4(x))  # B x 384 x 13 x 13
        x = self.pool5(self.relu5(self.conv5(x)))  # B x 256 x 13 x 13, then 6 x 6
        x = self.flatten(self.avgpool(x))  # B x 9216
        x = self.dropout6(self.relu6(self.fc6(x)))  # B x 4096
        x = self.dropout7(self.relu7(self.fc7(x)))  # B x 4096
        logits: Tensor = self.fc8(x)  # B x grades
        return logits


def _response_normalisation() -> nn.LocalResponseNorm:
    """b = a / (2 + 1e-4 * sum of a^2 over 5 neighbouring maps)^0.75, section 3.3; PyTorch divides its alpha by the 5."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
