"""A small residual network, trained, and the spectrum of every place of it."""

import torch
from torch import Tensor, nn

import eigencode as ec


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(z)) + self.shortcut(x))


class ResNet(nn.Module):
    """Three blocks of `width`, 2 · `width` and 4 · `width` channels, the mean over positions, and a read-out.

    Images of one channel are repeated in all `channels`.  `latent` is the output of the last block.
    """

    def __init__(self, width: int = 16, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.layer1 = Block(channels, width, 1)
        self.layer2 = Block(width, 2 * width, 2)
        self.layer3 = Block(2 * width, 4 * width, 2)
        self.latent = nn.Identity()
        self.channels = channels
        self.readout = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer1(x.expand(-1, self.channels, -1, -1))
        return self.readout(self.latent(self.layer3(self.layer2(z))).mean((2, 3)))


if __name__ == "__main__":
    train, test = ec.load("digits")
    torch.manual_seed(0)
    net = ResNet(width=8)
    ec.train_supervised(net, train, epochs=2, batch_size=100)
    print(ec.profile(net, test, ["layer?", "logits"]))
