"""A small residual CNN: shortcuts, and a ReLU that is called twice."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions and a shortcut; one `relu` for both."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.down = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + self.down(x))


class ResNet(nn.Module):
    """Stem, three blocks, mean over positions, read-out."""

    def __init__(self, width: int = 8, channels: int = 3, classes: int = 10, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU())
            self.layer1 = Block(width, width, 1)
            self.layer2 = Block(width, 2 * width, 2)
            self.layer3 = Block(2 * width, 4 * width, 2)
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(4 * width, classes)
            for norm in (m for m in self.modules() if isinstance(m, nn.BatchNorm2d)):
                norm.running_mean.normal_(0, 0.1)
                norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(self.pool(x).flatten(1))


TEN = (
    "stem",
    "layer1.conv1",
    "layer1",
    "layer2.bn1",
    "layer2.relu",
    "layer2",
    "layer3.relu:2",
    "layer3",
    "pool",
    "logits",
)
"""Ten places, in order of execution."""
