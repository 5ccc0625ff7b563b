"""What a study file may say.  Every key, with its default and its meaning; anything else is an error."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from eigencode.study._choice import Choice, Strict
from eigencode.training.schedule import Schedule


def _several(names: Any) -> Any:
    return (names,) if isinstance(names, str) else names


Seed = Annotated[int, Field(ge=0, lt=2**32)]


class WeightedPenalty(Choice):
    """A penalty and its coefficient in the loss."""

    coefficient: float = Field(ge=0)


class Trains(Strict):
    """A training.  After each number of epochs in `snapshots`, the network and the state of its training are kept."""

    epochs: int = Field(1000, ge=1)
    snapshots: tuple[Annotated[int, Field(ge=1)], ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "Trains":
        if any(a >= b for a, b in pairwise((*self.snapshots, self.epochs))):
            raise ValueError(f"snapshots: rising numbers of epochs below {self.epochs}")
        return self

    def settings(self) -> dict[str, Any]:
        """What decides the result; snapshots do not."""
        return self.model_dump(exclude={"snapshots"})


class Local(Trains):
    """Local training of the encoder, on all training images or on the first `images` of them."""

    rule: Choice = Choice(name="KrotovHopfield")
    images: int | None = Field(None, ge=1)
    lr: float = Field(0.02, gt=0)
    batch_size: int = Field(1000, ge=1)
    decay: Literal["linear", "constant"] = "linear"


class AdversarialChoice(Strict):
    """Adversarial training, see `training.Adversarial`."""

    attack: Choice = Choice.model_validate({"name": "PGD", "steps": 7, "random_start": True})
    eps: float = Field(ge=0)
    space: Literal["pixel", "unit"] = "unit"


class Supervised(Trains):
    """Training by gradient."""

    parameters: str = "all"
    lr: float = Field(1e-3, gt=0)
    batch_size: int = Field(1000, ge=1)
    schedule: Schedule = Schedule()
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

    `network`, with its `settings`, names a network of one's own, `package.module:callable`, instead of a `kind`.
    `published`: variants of how it is made, see `study.extensions`.
    """

    kind: Literal["krotov_hopfield", "perceptron"] = "perceptron"
    network: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
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
    published: tuple[str, ...] = ()


class Measurement(BaseModel):
    """One measure, with a name for its numbers and the places it looks at; everything else is a setting of the measure.

    `kind`: a measure of `eigencode.measures`, or `package.module:Name`.  `at`: places of the networks, or patterns such
    as "layer*"; each place that a network has is measured.  `published`: variants of the measure, see
    `study.extensions`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    name: str = ""
    at: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    published: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """The settings of the measure."""
        return dict(self.model_extra or {})


SHORTHAND = {
    "spectra": ("spectrum", {"place": "at"}),
    "critical": ("critical", {}),
    "certified": ("certified", {}),
    "curves": ("curve", {"at": "read"}),
    "landscapes": ("landscape", {"place": "at"}),
}
"""Tables that are short for `[[measure]]`: the kind of measure, and the keys that are called otherwise there."""


def _longhand(raw: Any) -> Any:
    """A study with every entry of a shorthand table as it would stand in `[[measure]]`."""
    for table, (kind, words) in SHORTHAND.items():
        if isinstance(raw, dict) and isinstance(raw.get(table), list | tuple):
            raw = {**raw, table: [_entry(entry, kind, words) for entry in raw[table]]}
    return raw


def _entry(entry: Any, kind: str, words: dict[str, str]) -> Any:
    if not isinstance(entry, dict) or "kind" in entry:
        return entry
    entry = {"kind": kind, **{words.get(key, key): value for key, value in entry.items()}}
    if isinstance(grid := entry.get("grid"), dict):  # it decides, so these must not
        left = ("grid", "eps_max", "tolerance")
        entry = {**{k: v for k, v in entry.items() if k not in left}, **grid, "kind": f"{kind}_on_grid"}
    return entry


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
    explained_by: tuple[str, ...] = ()


class Deviation(Strict):
    """One departure of the published code, switched on and off with nothing else changed.

    `quantity` of `model` is the corrected number; `published_quantity` and `published_model` (by default the same) name
    the number with the departure.
    """

    id: str
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
    spectra: tuple[Measurement, ...] = ()
    critical: tuple[Measurement, ...] = ()
    certified: tuple[Measurement, ...] = ()
    curves: tuple[Measurement, ...] = ()
    landscapes: tuple[Measurement, ...] = ()
    measure: tuple[Measurement, ...] = ()
    calibration: Planted | None = None
    receptive_fields: int = Field(0, ge=0)
    data_spectrum: bool = True
    claims: tuple[Claim, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _translated(cls, raw: Any) -> Any:
        return _longhand(raw)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, one or several; none if only planted codes are measured."""
        return self.data if self.models else ()
