"""A measure in one file: lifetime sparseness of the units.    python examples/new_measure.py --epochs 30"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

import eigencode as ec
from eigencode.base.record import host
from eigencode.measures import Measure, Reading, Subject
from eigencode.representation._modes import borrowed


@dataclass(frozen=True)
class Sparseness(ec.Record):
    """Lifetime sparseness of every unit, from 0 (same response to all images) to 1 (responds to one image only)."""

    value: Float[Tensor, " unit"]
    n_images: int
    silent: float
    convention: str = "(1 − ⟨z⟩² / ⟨z²⟩) / (1 − 1/N)"

    @property
    def median(self) -> float:
        """Median over the units."""
        return float(self.value.median())


def sparseness(code: Callable[[Tensor], Tensor], x: Tensor, batch_size: int = 500) -> Sparseness:
    """Lifetime sparseness of responses z ≥ 0 over images, for each unit that is not silent.

        S = (1 − ⟨z⟩² / ⟨z²⟩) / (1 − 1/N)

    Source: Rolls and Tovee 1995; Vinje and Gallant 2000, for the scale from 0 to 1.
    """
    first, second = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    with borrowed(code), torch.no_grad():
        for part in x.split(batch_size):
            z = host(code(part).flatten(1))
            first, second = first + z.sum(0), second + z.square().sum(0)
    n, on = len(x), second > 0
    if not bool(on.any()) or bool((first < 0).any()):
        raise ec.InputError("sparseness needs responses >= 0, not all zero", fix="a place behind the ReLU")
    return Sparseness((1 - (first[on] / n).square() / (second[on] / n)) / (1 - 1 / n), n, float((~on).double().mean()))


@dataclass(frozen=True)
class SparsenessMeasure(Measure):
    """Measure for studies: lifetime sparseness of a representation over the first `images` test images (None: all)."""

    images: int | None = None
    kind: ClassVar[str] = "sparseness"
    record: ClassVar[type[ec.Record]] = Sparseness
    default_place: ClassVar[str] = "latent"

    def names(self) -> tuple[str, ...]:
        return "", "silent units"

    def measure(self, subject: Subject) -> Sparseness:
        return sparseness(subject.code(), subject.some(self.images).x)

    def readings(self, record: Sparseness) -> Iterator[Reading]:
        yield Reading("", record.median, convention=f"median over units, {record.convention}")
        yield Reading("silent units", record.silent, convention="share of units without response to any image")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    chosen = parser.parse_args()
    train, test = ec.load("digits")
    local = ec.models.krotov_hopfield(train, units=20)
    ec.train_local(local, train, ec.rules.KrotovHopfield(), epochs=chosen.epochs, lr=0.04, batch_size=50)
    taught = ec.models.perceptron(train, units=20)
    ec.train_supervised(taught, train, epochs=chosen.epochs, batch_size=50)
    for name, net in (("local learning", local), ("backpropagation", taught)):
        found = sparseness(ec.at(net, "latent"), test.x)
        print(f"{name:<16} median sparseness {found.median:.3f} of {len(found.value)} units")


if __name__ == "__main__":
    main()
