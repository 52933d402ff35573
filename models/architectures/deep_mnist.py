"""The network of the tutorial "Deep MNIST for Experts" (TensorFlow, 2015), layer by layer: 3,274,634 parameters."""

from typing import Final

import torch
from torch import Tensor, nn

LEARNING_RATE: Final = 1e-4
"""Adam's step in the tutorial."""


class DeepMnist(nn.Module):
    """(B, 1, 28, 28) float32 in 0..1 -> (B, 10) logits.

    Two 5x5 convolutions with ReLU and 2x2 max pooling, a hidden layer of 1,024, dropout 0.5. Weights start from a normal
    distribution of standard deviation 0.1 truncated at two deviations, biases at 0.1.
    """

    def __init__(self, grades: int = 10, channels: int = 1, height: int = 28, width: int = 28) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 5, padding="same")
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding="same")
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(64 * (height // 4) * (width // 4), 1024)
        self.relu3 = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(1024, grades)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            assert layer.bias is not None  # noqa: S101 - for the type checker; these layers are built with a bias
            nn.init.constant_(layer.bias, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))  # B x 32 x 14 x 14
        x = self.pool2(self.relu2(self.conv2(x)))  # B x 64 x 7 x 7
        x = self.relu3(self.fc1(self.flatten(x)))  # B x 1024
        logits: torch.Tensor = self.fc2(self.dropout(x))  # B x grades
        return logits
