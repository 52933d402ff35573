"""LeNet for cucumbers: the network of the founding sorter, with batch normalisation."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from models.architectures.network import by_place, head_cam, placed_weight


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
        weight, _ = self._hidden_layer()
        cam = head_cam(by_place(features, weight), embedding > 0, self.fc2, *features.shape[2:])
        return self.fc2(self.dropout(embedding)), cam, embedding

    def effective_bias(self, embedding: Tensor) -> Tensor:
        """What no place in the image explains, the biases along the open paths: embedding (B, hidden) -> (B, grades)."""
        _, bias = self._hidden_layer()
        return ((embedding > 0) * bias) @ self.fc2.weight.T + self.fc2.bias

    def folded(self) -> "ServedLeNet":
        """A copy for serving, in which what explains a grade is on the way to the grade."""
        return ServedLeNet(self)

    def _hidden_layer(self) -> tuple[Tensor, Tensor]:
        """Weight (hidden, C*h*w) and bias (hidden,) of the one linear layer that fc1 and norm3 are in evaluation mode."""
        norm = self.norm3
        assert norm.running_mean is not None  # noqa: S101 - for the type checker; it is built to track them
        assert norm.running_var is not None  # noqa: S101
        slope = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return self.fc1.weight * slope.unsqueeze(1), norm.bias - norm.running_mean * slope

    def _features(self, x: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.norm1(self.conv1(x))))  # B x 32 x H/2 x W/2
        features: Tensor = self.pool2(self.relu2(self.norm2(self.conv2(x))))  # B x 64 x H/4 x W/4
        return features

    def _hidden(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.relu3(self.norm3(self.fc1(self.flatten(features))))  # B x hidden
        return hidden


class ServedLeNet(nn.Module):
    """A LeNet in evaluation mode whose hidden layer sums over places what each of them adds: the same logits, and their map.

    On a CPU the time of the hidden layer is that of reading its weights. Here the map comes out of the one pass over them that
    the logits need: read a second time they would cost a grading as much again.
    """

    def __init__(self, trained: LeNet) -> None:
        super().__init__()
        self.trained = deepcopy(trained).eval()
        weight, bias = self.trained._hidden_layer()
        self.placed = nn.Parameter(placed_weight(weight.detach(), trained.conv2.out_channels).contiguous())  # h*w x C x D
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.trained.fc2(self._embedding(self._by_place(self.trained._features(x))))  # B x grades
        return logits

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of `LeNet`."""
        features = self.trained._features(x)
        placed = self._by_place(features)
        embedding = self._embedding(placed)
        cam = head_cam(placed, embedding > 0, self.trained.fc2, *features.shape[2:])
        return self.trained.fc2(embedding), cam, embedding

    def _by_place(self, features: Tensor) -> Tensor:
        return features.flatten(2).permute(2, 0, 1) @ self.placed  # h*w x B x D

    def _embedding(self, placed: Tensor) -> Tensor:
        return torch.relu(placed.sum(dim=0) + self.bias)  # B x D
