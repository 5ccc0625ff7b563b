"""A record prints as one or two lines: its numbers with intervals, its convention, and no tensors."""

import warnings
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

import eigencode as ec
from eigencode.base.record import Estimate, Record


@dataclass(frozen=True)
class Made(Record):
    values: Float[Tensor, "image unit"]
    count: int
    share: float
    ranks: tuple[int, int] = (2, 20)
    many: tuple[float, ...] = field(default=tuple(range(99)))
    norm: str = "l2"
    unknown: float = float("nan")
    warnings: tuple[str, ...] = ()

    @property
    def median(self) -> Estimate:
        """Median of the first unit."""
        return Estimate(float(self.values[:, 0].median()), 0.5, 9.0)

    @property
    def other(self) -> float:
        """No estimate: not shown."""
        raise AssertionError


def test_numbers_first_then_the_convention() -> None:
    made = Made(torch.tensor([[1.0, 9.0], [2.0, 9.0], [3.0, 9.0]]), 7, 0.123456, warnings=("one", "two"))
    assert str(made).splitlines() == [
        "Made: median 2 [0.5, 9], count 7, share 0.1235, ranks (2, 20), 3 x image, 2 x unit",
        "  norm l2, ! 2 warnings",
    ]
    assert repr(made).startswith("Made(values=[3 x 2: 1 .. 9], count=7")


def test_lines_are_short_and_harmless() -> None:
    made = Made(torch.zeros(1, 1), 10**200, 1.0, norm="\x1b[31mred")
    first, second = str(made).splitlines()
    assert len(first) == 150
    assert first.endswith("…")
    assert second == r"  norm \x1b[31mred"


def test_records_of_measurements_fit_two_lines() -> None:
    train, test = ec.load("digits")
    net = ec.models.perceptron(train, units=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes = ec.robustness.critical_size(net, test[:20], ec.robustness.FGSM(), space="pixel", check=False)
        spectrum = ec.spectrum(ec.at(net, "latent"), test.x[:100])
        jacobian = ec.jacobian_norm(ec.at(net, "logits"), test.x[:20])
        found = [sizes, spectrum, jacobian, spectrum.power_law((2, 10)), spectrum.shape((2, 10))]
    for record in found:
        text = str(record)
        assert 1 <= len(text.splitlines()) <= 2, text
        assert "tensor(" not in text
        assert ".." not in text.replace("ranks 2..10", "")
    assert f"median {sizes.median}" in str(sizes)
    assert f"median {jacobian.median}" in str(jacobian)


def test_a_number_with_its_interval_is_itself() -> None:
    assert str(Estimate(1.5, 1.0, 2.0)) == "1.5 [1, 2]"
