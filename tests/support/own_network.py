"""A third-party code base for tests: a CNN with its own normalisation, and networks that cannot be measured."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

import eigencode as ec

MEAN, STD = -2.0, 0.1
"""Far from 0 and 1 on purpose: without this normalisation the accuracy is at chance."""

SOURCE = """
import torch
from torch import nn


class SmallCNN(nn.Module):
    def __init__(self, width=6, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.2)
        self.fc1 = nn.Linear(16 * width, 24)
        self.fc2 = nn.Linear(24, classes)

    def forward(self, x):
        print("forward")
        x = self.pool(self.act(self.bn(self.conv1(x))))
        return self.fc2(self.drop(torch.relu(self.fc1(x.flatten(1)))))


class Then(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.net, self.change = SmallCNN(), change

    def forward(self, x):
        return self.change(self.net(x))


def pair():
    return Then(lambda z: (z.exp(), z))


def named():
    return Then(lambda z: {"hidden": z[:, :1], "logits": z})


def softmaxed():
    return Then(lambda z: z.softmax(1))


def sigmoids():
    return Then(lambda z: z.sigmoid())


def answers():
    return Then(lambda z: z.argmax(1))


def single():
    return Then(lambda z: z[:, :1])


def maps():
    return Then(lambda z: z[:, :, None, None])


def undefined():
    return Then(lambda z: z / 0)


def noisy():
    return Then(lambda z: z + torch.rand_like(z))


def mixing():
    return Then(lambda z: z - z.mean(0))


def squeezed():
    return Then(lambda z: z.squeeze())


class Old(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return 2 * z

    @staticmethod
    def backward(ctx, slope):
        return 2 * slope


class Doubled(nn.Module):
    def forward(self, z):
        return Old.apply(z)


def old():
    return nn.Sequential(SmallCNN(), Doubled())


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.side = SmallCNN(), nn.Linear(64, 8)

    def forward(self, x):
        return self.net(x) + 0 * self.side(x.flatten(1).detach()).sum(1, keepdim=True)


class Steps(nn.Module):
    def forward(self, z):
        return (50 * z).round() / 50


def rounded():
    net = SmallCNN()
    net.rounded = Steps()
    net.fc2 = nn.Sequential(net.rounded, net.fc2)
    return net


def colour():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 10))


def rows():
    return nn.Linear(64, 10)


def large():
    return nn.Sequential(nn.Flatten(), nn.Linear(65, 10))


def dead():
    net = SmallCNN()
    nn.init.zeros_(net.conv1.weight)
    return net


def parallel():
    return nn.DataParallel(SmallCNN())


def number():
    return 3


def fails(depth):
    raise KeyError("no such depth")


ready = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
plain = 3
"""


def write(folder: Path) -> None:
    """Write the package `acme` with the module `acme.nets`, and modules that cannot be imported."""
    package = folder / "acme"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(SOURCE)
    (package / "broken.py").write_text("def f(:\n")
    (package / "needy.py").write_text("import a_module_nobody_has\n")


def forget() -> None:
    """Remove `acme` from the imported modules."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "acme"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def module(folder: Path) -> ModuleType:
    """`acme.nets`, imported from `folder`."""
    forget()
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("acme.nets")
    finally:
        sys.path.remove(str(folder))


def scaled(x: Tensor) -> Tensor:
    """Normalise images in [0, 1] as that code base does."""
    return (x - MEAN) / STD


def trained(nets: ModuleType) -> nn.Module:
    """A SmallCNN after two epochs on the digits, accuracy about 0.8; in training mode."""
    train, _ = ec.load("digits")
    net = nets.SmallCNN()
    x, optimizer = scaled(train.x), torch.optim.Adam(net.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        for i in torch.split(torch.randperm(len(x), generator=generator), 50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[i]), train.y[i]).backward()
            optimizer.step()
    return net
