"""LeNet for cucumbers: the network of the founding sorter, with batch normalisation."""

import torch
from torch import Tensor, nn


class LeNet(nn.Module):
    """(B, channels, H, W) float32, normalised -> (B, grades) logits.

    After LeCun et al. 1998 in the widths of "Deep MNIST for Experts" (5x5x32, 5x5x64, one hidden layer); batch normalisation
    (Ioffe and Szegedy 2015) before each ReLU lets it train in seconds and folds into the weights when it serves.
    """

    def __init__(self, grades: int = 9, channels: int = 3, height: int = 32, width: int = 32, hidden: int = 512) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 5, padding=2, bias=False)
        self.norm1 = nn.BatchNorm2d(32)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2, bias=False)
        self.norm2 = nn.BatchNorm2d(64)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(64 * (height // 4) * (width // 4), hidden, bias=False)
        self.norm3 = nn.BatchNorm1d(hidden)
        self.relu3 = nn.ReLU()
        self.dropout = nn.Dropout(0.3)
        self.fc2 = nn.Linear(hidden, grades)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.norm1(self.conv1(x))))  # B x 32 x H/2 x W/2
        x = self.pool2(self.relu2(self.norm2(self.conv2(x))))  # B x 64 x H/4 x W/4
        x = self.relu3(self.norm3(self.fc1(self.flatten(x))))  # B x hidden
        logits: torch.Tensor = self.fc2(self.dropout(x))  # B x grades
        return logits
