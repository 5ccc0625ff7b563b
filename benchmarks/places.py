"""Covariance spectra of ten places of a residual CNN from one pass, against one pass per place."""

import torch
from torch import Tensor, nn

from benchmarks.timing import Result, best
from eigencode.representation import at
from eigencode.spectra import spectra_at, spectrum

IMAGES, WIDTH = 500, 32
PLACES = [f"{block}.{part}" for block in range(1, 6) for part in ("conv", "act")]


class Block(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(WIDTH, WIDTH, 3, stride, 1)
        self.conv = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1)
        self.down = nn.Conv2d(WIDTH, WIDTH, 1, stride)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(self.first(x).relu()) + self.down(x))


def run() -> list[Result]:
    net = nn.Sequential(nn.Conv2d(3, WIDTH, 3, 1, 1), *(Block(stride) for stride in (1, 1, 2, 1, 1)), nn.Flatten())
    x = torch.rand(IMAGES, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def one_by_one() -> dict[str, Tensor]:
        each = {place: spectrum(at(net, place, reduce="mean"), x, interval=False) for place in PLACES}
        return {place: s.eigenvalues for place, s in each.items()}

    def together() -> dict[str, Tensor]:
        found = spectra_at(net, x, PLACES, reduce="mean", interval=False)
        return {place: s.eigenvalues for place, s in found.items()}

    torch.testing.assert_close(together(), one_by_one(), rtol=1e-9, atol=0)
    slow, fast = best(one_by_one, together, repeats=2)
    work = f"spectra of {len(PLACES)} places of a residual CNN, {IMAGES} images"
    return [Result(work, slow, fast, 5.0, "equal to 1e-09", "a place half-way costs half a pass when read alone")]
