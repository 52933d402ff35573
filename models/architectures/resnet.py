"""ResNet-34, "Deep Residual Learning for Image Recognition" (He et al. 2015, arXiv 1512.03385).

Parameters carry torchvision's names and shapes, so that its `state_dict` loads. Shortcuts that change shape are projections
(option B of the paper).
"""

from torch import Tensor, nn

from models.architectures.network import GlobalAveragePool, pooled_cam


class BasicBlock(nn.Module):
    """relu(x + two 3x3 convolutions of x): (B, inputs, h, w) -> (B, width, h/stride, w/stride)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if stride != 1 or inputs != width
            else None
        )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        residual = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        maps: Tensor = self.relu2(residual + shortcut)
        return maps


class ResNet34(nn.Module):
    """(B, channels, H, W) float32, normalised, any size -> (B, grades) logits. Shapes below are for 224x224."""

    def __init__(self, grades: int = 9, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, 3, stride=1)
        self.layer2 = _stage(64, 128, 4, stride=2)
        self.layer3 = _stage(128, 256, 6, stride=2)
        self.layer4 = _stage(256, 512, 3, stride=2)
        self.avgpool = GlobalAveragePool()
        self.fc = nn.Linear(512, grades)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.avgpool(self._features(x)))  # B x grades
        return logits

    def explained(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits; class activation map (B, grades, H/32, W/32); embedding (B, 512), the pooled features.

        cam[b, g].mean() + fc.bias[g] == logits[b, g].
        """
        features = self._features(x)
        embedding = self.avgpool(features)
        return self.fc(embedding), pooled_cam(features, self.fc), embedding

    def _features(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # B x 64 x 112 x 112, then 56 x 56
        x = self.layer1(x)  # B x 64 x 56 x 56
        x = self.layer2(x)  # B x 128 x 28 x 28
        x = self.layer3(x)  # B x 256 x 14 x 14
        maps: Tensor = self.layer4(x)  # B x 512 x 7 x 7
        return maps


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Blocks of one width; the first changes the shape."""
    return nn.Sequential(BasicBlock(inputs, width, stride), *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))
