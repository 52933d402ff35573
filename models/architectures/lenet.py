"""LeNet for cucumbers: the network of the founding sorter, with batch normalisation."""

import torch
from torch import Tensor, nn

from models.architectures.network import effective_bias, head_cam


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
        logits: torch.Tensor = self.fc2(self.dropout(self._hidden(self._features(x))))  # B x grades
        return logits

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits; cam (B, grades, H/4, W/4), gradient x activation after the second pooling; embedding (B, hidden).

        cam[b, g].sum() + effective_bias(embedding)[b, g] == logits[b, g].
        """
        features = self._features(x)
        embedding = self._hidden(features)
        logits = self.fc2(self.dropout(embedding))
        return logits, head_cam(features, self.fc1, self.norm3, embedding > 0, self.fc2), embedding

    def effective_bias(self, embedding: Tensor) -> Tensor:
        """The part of the logits that no place in the image explains: embedding (B, hidden) -> (B, grades)."""
        return effective_bias(self.norm3, embedding > 0, self.fc2)

    def _features(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.norm1(self.conv1(x))))  # B x 32 x H/2 x W/2
        features: Tensor = self.pool2(self.relu2(self.norm2(self.conv2(x))))  # B x 64 x H/4 x W/4
        return features

    def _hidden(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.relu3(self.norm3(self.fc1(self.flatten(features))))  # B x hidden
        return hidden
