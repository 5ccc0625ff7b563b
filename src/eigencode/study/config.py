"""What a study file may say.  Every key, with its default and its meaning; anything else is an error."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from eigencode.study.choice import Choice, Strict


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] < pair[1]:
        raise ValueError("wanted 0 < eps[0] < eps[1]")
    return pair


def _wide(window: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= window[0] <= window[1] - 2:
        raise ValueError("wanted 1 <= n_min and n_min + 2 <= n_max")
    return window


def _several(names: Any) -> Any:
    return (names,) if isinstance(names, str) else names


Seed = Annotated[int, Field(ge=0, lt=2**32)]

DepartureId = Literal["D1", "D2", "D3", "D4", "D5", "D6", "D7", "D8", "D9", "D10", "D13", "D17"]
"""What the published code does otherwise than its paper, see docs/conventions.md; those that change a number."""


class WeightedPenalty(Choice):
    """A penalty and its coefficient in the loss."""

    coefficient: float = Field(ge=0)

    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Local(Strict):
    """Local training of the encoder, on all training images or on the first `images` of them."""

    rule: Choice = Choice(name="KrotovHopfield")
    images: int | None = Field(None, ge=1)
    epochs: int = Field(1000, ge=1)
    lr: float = Field(0.02, gt=0)
    batch_size: int = Field(1000, ge=1)
    decay: Literal["linear", "constant"] = "linear"


class ScheduleChoice(Strict):
    """Learning rate over epochs, see `training.Schedule`."""

    kind: Literal["constant", "linear", "cosine", "exponential", "piecewise"] = "constant"
    boundaries: tuple[int, ...] = ()
    factors: tuple[float, ...] = (1.0,)
    start: int = 0
    scale: float = 30.0


class AdversarialChoice(Strict):
    """Adversarial training, see `training.Adversarial`."""

    attack: Choice = Choice.model_validate({"name": "PGD", "steps": 7, "random_start": True})
    eps: float = Field(ge=0)
    space: Literal["pixel", "unit"] = "unit"


class Supervised(Strict):
    """Training by gradient."""

    parameters: str = "all"
    epochs: int = Field(1000, ge=1)
    lr: float = Field(1e-3, gt=0)
    batch_size: int = Field(1000, ge=1)
    schedule: ScheduleChoice = ScheduleChoice()
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    patience: int | None = Field(None, ge=1)
    keep: Literal["last", "best"] = "last"
    penalties: tuple[WeightedPenalty, ...] = ()
    adversarial: AdversarialChoice | None = None


class Model(Strict):
    """One network: architecture, then local training, pruning, training by gradient, each if asked for.

    `published`: "D5" evaluates it in training mode before anything is measured, "D6" prunes it as published, "D17"
    builds it without the BatchNorm that it asks for.
    """

    kind: Literal["krotov_hopfield", "perceptron"] = "perceptron"
    units: int = Field(2000, ge=2)
    p: float = Field(3.0, ge=1)
    n: float | None = Field(None, gt=0)
    radius: float = Field(1.0, gt=0)
    spread: float = Field(1.0, gt=0)
    norm_p: float = Field(3.0, ge=1)
    batch_norm: bool = False
    local: Local | None = None
    prune: bool = False
    supervised: Supervised | None = None
    published: tuple[Literal["D5", "D6", "D17"], ...] = ()


class SpectrumMeasure(Strict):
    """A covariance spectrum and the power law fitted to it; with `widths` also spectra of nested sets of units.

    `published`: "D13" computes the eigenvalues as published.
    """

    name: str = ""
    place: str = "latent"
    source: Literal["images", "noise"] = "images"
    samples: int | None = Field(None, ge=2)
    window: Annotated[tuple[int, int], AfterValidator(_wide)] = (11, 500)
    weights: Literal["uniform", "1/n"] = "uniform"
    widths: tuple[Annotated[int, Field(ge=2)], ...] = ()
    published: tuple[Literal["D13"], ...] = ()


class Grid(Strict):
    """`points` logarithmic steps from `eps[0]` to `eps[1]`."""

    eps: Annotated[tuple[float, float], AfterValidator(_rising)] = (1e-6, 10**-1.5)
    points: int = Field(400, ge=2)


class CriticalMeasure(Strict):
    """Critical perturbation sizes of correctly classified test images.

    With `grid` the first of its values that breaks an image, as published; `eps_max` and `tolerance` are then not used.
    `published`, with a grid: "D7" draws the noise of Gaussian anew for every eps, "D10" takes the published PGD.
    """

    attack: Choice
    name: str = ""
    space: Literal["pixel", "unit"] = "unit"
    images: int | None = Field(None, ge=1)
    eps_max: float | None = Field(None, gt=0)
    tolerance: float = Field(1e-2, gt=0)
    grid: Grid | None = None
    published: tuple[Literal["D7", "D10"], ...] = ()


class CertifiedMeasure(Strict):
    """Sizes below which no perturbation of unit space changes the answer, proved; see `robustness.certified_size`."""

    name: str = ""
    norm: Literal["l2", "linf", "l1"] = "l2"
    images: int | None = Field(None, ge=1)


class CurveMeasure(Strict):
    """Accuracy against eps, on `points` logarithmic steps from `eps[0]` to `eps[1]`.

    `published`: as for critical sizes; every eps is then tried on every image.  `at`: those eps of the grid at which
    the accuracy is a number of the table as well, "NAME, at EPS".
    """

    attack: Choice
    name: str = ""
    space: Literal["pixel", "unit"] = "unit"
    images: int | None = Field(None, ge=1)
    eps: Annotated[tuple[float, float], AfterValidator(_rising)] = (1e-6, 10**-1.5)
    points: int = Field(100, ge=2)
    at: tuple[Annotated[float, Field(gt=0)], ...] = ()
    published: tuple[Literal["D7", "D10"], ...] = ()

    @model_validator(mode="after")
    def _on_the_grid(self) -> "CurveMeasure":
        low, high = self.eps
        for value in self.at:
            step = (self.points - 1) * math.log(value / low) / math.log(high / low)
            if not (-0.5 < step < self.points - 0.5 and abs(step - round(step)) < 1e-3):
                steps = f"the {self.points} logarithmic steps from {low:g} to {high:g}"
                raise ValueError(f"at: {value:g} is not one of {steps}")
        return self


class LandscapeMeasure(Strict):
    """Jacobian norm, prediction and confidence on a plane through test image `image`, or through three of them.

    The plane depends on the image alone, so all models and seeds are seen on the same one.
    """

    name: str = ""
    image: Annotated[int, Field(ge=0)] | tuple[int, int, int] = 0
    place: str = "latent"
    space: Literal["pixel", "unit"] = "unit"
    radius: float = Field(20.0, gt=0)
    relative: bool = False
    points: int = Field(100, ge=2)


class Planted(Strict):
    """Calibration of the interval of α: every kind × exponent × units × samples, fitted again and again.

    `samples` are given per unit; the window ends at the share `top` of min(units, samples − 1).
    """

    kinds: tuple[Literal["gaussian", "relu", "relu_sources"], ...] = ("gaussian", "relu")
    alphas: tuple[Annotated[float, Field(ge=0)], ...] = (1.0,)
    units: tuple[Annotated[int, Field(ge=20)], ...] = (200,)
    samples: tuple[Annotated[float, Field(gt=0)], ...] = (2.0,)
    replicates: int = Field(100, ge=2)
    n_min: int = Field(11, ge=1)
    top: float = Field(0.5, gt=0, le=1)
    weights: Literal["uniform", "1/n"] = "uniform"


class Claim(Strict):
    """A statement about one quantity, judged by comparing models with one another or with a constant.

    Either `model` with a `comparison` to an `other` model or a `value` ("within": value ± tolerance), or an `order` of
    models from the largest to the smallest.  `other_quantity`: what is compared of `other`, if it is another quantity
    (`other` may then be the same model).  `published` is for the reader: what the publication says, and `data` the data
    set it says that of, if the claim is a number and not a law; on other data the claim is not judged.  `explained_by`
    names departures of the published code, each of which the study must show among its `deviations`.
    """

    statement: str
    quantity: str
    model: str = ""
    comparison: Literal[">", "<", "within"] = ">"
    other: str | None = None
    other_quantity: str = ""
    value: float | None = None
    tolerance: float = Field(0.0, ge=0)
    order: tuple[str, ...] = ()
    published: str = ""
    data: str = ""
    explained_by: tuple[DepartureId, ...] = ()


class Deviation(Strict):
    """One departure of the published code, switched on and off with nothing else changed.

    `quantity` of `model` is the corrected number; `published_quantity` and `published_model` (by default the same) name
    the number with the departure.
    """

    id: DepartureId
    model: str
    quantity: str
    published_model: str = ""
    published_quantity: str = ""

    @property
    def corrected(self) -> tuple[str, str]:
        """(model, quantity) with the departure off."""
        return self.model, self.quantity

    @property
    def as_published(self) -> tuple[str, str]:
        """(model, quantity) with the departure on."""
        return self.published_model or self.model, self.published_quantity or self.quantity


class Study(Strict):
    """A whole study: data sets × models × seeds × measurements, and what is claimed about the results."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    title: str = ""
    data: Annotated[tuple[str, ...], BeforeValidator(_several)] = ("mnist5k",)
    train_images: int | None = Field(None, ge=2)
    test_images: int | None = Field(None, ge=2)
    validation: float = Field(0.1, ge=0, lt=1)
    seeds: tuple[Seed, ...] = (0,)
    models: dict[str, Model] = Field(default_factory=dict)
    spectra: tuple[SpectrumMeasure, ...] = ()
    critical: tuple[CriticalMeasure, ...] = ()
    certified: tuple[CertifiedMeasure, ...] = ()
    curves: tuple[CurveMeasure, ...] = ()
    landscapes: tuple[LandscapeMeasure, ...] = ()
    calibration: Planted | None = None
    receptive_fields: int = Field(0, ge=0)
    data_spectrum: bool = True
    claims: tuple[Claim, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, one or several; none if only planted codes are measured."""
        return self.data if self.models else ()
