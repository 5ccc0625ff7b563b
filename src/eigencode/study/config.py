"""The keys of a study file, with their types and defaults; any other key is an error."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from eigencode.base.errors import InputError
from eigencode.study._choice import Choice, Strict
from eigencode.study._planted import Planted
from eigencode.study.relations._schema import EffectName, Relation
from eigencode.training.moments import moments
from eigencode.training.schedule import Schedule


def _as_tuple(names: Any) -> Any:
    return (names,) if isinstance(names, str) else names


def _moments(chosen: str) -> str:
    try:
        moments(chosen, 1)
    except InputError:
        raise ValueError('wanted "log:N", such as "log:24", or a list of epochs, such as [0, 0.5, 10]') from None
    return chosen


Seed = Annotated[int, Field(ge=0, lt=2**32)]


class WeightedPenalty(Choice):
    """A penalty and its coefficient in the loss."""

    coefficient: float = Field(ge=0)


Epoch = Annotated[float, Field(ge=0)]


class TrainingLength(Strict):
    """Length of a training; its network and training state are also saved at each of its `snapshots`.

    `snapshots`: "log:N", see `training.moments`, or rising numbers of epochs, which may be fractions (0: before
    training); all layers of a greedy training together.
    """

    epochs: int = Field(1000, ge=1)
    snapshots: Annotated[str, AfterValidator(_moments)] | tuple[Epoch, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "TrainingLength":
        if not isinstance(self.snapshots, str) and any(a >= b for a, b in pairwise(self.snapshots)):
            raise ValueError("snapshots: rising numbers of epochs")
        return self

    def settings(self) -> dict[str, Any]:
        """The settings that affect the result: all except `snapshots`."""
        return self.model_dump(exclude={"snapshots"})


class Local(TrainingLength):
    """Local training of the local layers, on all training images or on the first `images` of them.

    `rule`: by default the one with which each layer was built.
    """

    rule: Choice | None = None
    images: int | None = Field(None, ge=1)
    lr: float = Field(0.02, gt=0)
    batch_size: int = Field(1000, ge=1)
    decay: Literal["linear", "constant"] = "linear"
    joint: bool = False


class AdversarialChoice(Strict):
    """Adversarial training, see `training.Adversarial`."""

    attack: Choice = Choice.model_validate({"name": "PGD", "steps": 7, "random_start": True})
    eps: float = Field(ge=0)
    space: Literal["pixel", "unit"] = "unit"


class Supervised(TrainingLength):
    """Training by gradient descent."""

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


class Ridge(Strict):
    """The read-out `at`, in closed form on all training images or the first `images`, see `training.fit_readout`."""

    at: str = "readout"
    strength: float | None = Field(None, gt=0)
    images: int | None = Field(None, ge=1)


class Model(Strict):
    """One network: architecture, then optional local training, pruning and training by gradient descent.

    `ridge` solves the read-out in closed form, in the place of training by gradient descent.

    `factory = "package.module:callable"` builds a network of one's own from `settings`, instead of a built-in `kind`;
    `weights` is a file of its weights, see `models.load_weights`, relative to the working directory.
    The kinds "softhebb" and "softhebb_dense" take the arguments of `models.softhebb` and `models.softhebb_dense` as
    `settings`.
    `readout_n`: power of the rectifier after local training, which does not depend on it; models that differ in nothing
    else share their local training.
    `published`: variants of how the network is made, see `study._extensions`.
    `family`: what it is grouped with in `[[relations]]`, by default nothing else; no part of how it is made.
    """

    kind: Literal["krotov_hopfield", "perceptron", "softhebb", "softhebb_dense"] = "perceptron"
    factory: str = ""
    weights: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    units: int = Field(2000, ge=2)
    p: float = Field(3.0, ge=1)
    n: float | None = Field(None, gt=0)
    radius: float = Field(1.0, gt=0)
    spread: float = Field(1.0, gt=0)
    norm_p: float = Field(3.0, ge=1)
    batch_norm: bool = False
    activation: Literal["relu", "tanh"] = "relu"
    dropout: float = Field(0.0, ge=0, lt=1)
    local: Local | None = None
    prune: bool = False
    readout_n: float | None = Field(None, gt=0)
    supervised: Supervised | None = None
    ridge: Ridge | None = None
    published: tuple[str, ...] = ()
    family: str = ""

    @property
    def has_snapshots(self) -> bool:
        """True if a stage of its training has snapshots."""
        return any(stage is not None and stage.snapshots for stage in (self.local, self.supervised))


class Measurement(BaseModel):
    """One measure, the name of its numbers and the places to measure; all other keys are settings of the measure.

    `kind`: a measure of `eigencode.measures`, or `package.module:Name`.  `at`: places of the networks, or patterns such
    as "layer*"; each place that a network has is measured.  `when`: "snapshots" for all snapshots of the training, or
    the epochs of some of them; the finished network is always measured.  `published`: variants of the measure, see
    `study._extensions`.  `shards`: steps that share the images of a spectrum or a critical size.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    name: str = ""
    at: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    when: Literal["snapshots"] | tuple[Epoch, ...] = ()
    published: tuple[str, ...] = ()
    shards: int = Field(default=1, ge=1)

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
"""Tables that abbreviate `[[measure]]`: table -> (kind of measure, {key in the table: key of the measure})."""


def _longhand(raw: Any) -> Any:
    """Rewrite every entry of a shorthand table as an entry of `[[measure]]`."""
    for table, (kind, words) in SHORTHAND.items():
        if isinstance(raw, dict) and isinstance(raw.get(table), list | tuple):
            raw = {**raw, table: [_entry(entry, kind, words) for entry in raw[table]]}
    return raw


def _entry(entry: Any, kind: str, words: dict[str, str]) -> Any:
    if not isinstance(entry, dict) or "kind" in entry:
        return entry
    entry = {"kind": kind, **{words.get(key, key): value for key, value in entry.items()}}
    if isinstance(grid := entry.get("grid"), dict):  # the keys of `grid` replace the search range and tolerance
        left = ("grid", "eps_max", "tolerance")
        entry = {**{k: v for k, v in entry.items() if k not in left}, **grid, "kind": f"{kind}_on_grid"}
    return entry


class Claim(Strict):
    """A statement about one quantity, judged by comparing models with one another or with a constant.

    Either `model` with a `comparison` to an `other` model or a `value` ("within": value ± tolerance), or an `order` of
    models from the largest to the smallest.  `other_quantity`: the quantity of `other`, if it is a different one; then
    `other` may be the same model.  `published` quotes the publication, for the reader.  `data`: the only data set on
    which the claim is judged, for a number that the publication gives for that data set; by default all.
    `explained_by` lists departures of the published code, each of which must be among the study's `deviations`.

    Two claims about the seeds as an ensemble.  `share`: the comparison is made in every seed, and the claim is that it
    holds in more than this share of all seeds.  `largest` or `smallest`: a quantity of `model`; the seed in which it is
    largest (smallest) is chosen, and `quantity` of this seed is compared with that of the other seeds, instead of with
    an `other` model or a `value`.

    About a relation: `effect` of a `predictor` (by default the first) in the `relation` of this name is compared with
    `value`, by default 0.
    """

    statement: str
    quantity: str = ""
    model: str = ""
    comparison: Literal[">", "<", "within"] = ">"
    other: str | None = None
    other_quantity: str = ""
    value: float | None = None
    tolerance: float = Field(0.0, ge=0)
    order: tuple[str, ...] = ()
    share: float | None = Field(None, ge=0, lt=1)
    largest: str = ""
    smallest: str = ""
    relation: str = ""
    effect: EffectName | None = None
    predictor: str = ""
    published: str = ""
    data: str = ""
    explained_by: tuple[str, ...] = ()

    @property
    def chooses(self) -> str:
        """The quantity by which a seed is chosen; "" if none is."""
        return self.largest or self.smallest


class Deviation(Strict):
    """A number with and without one departure of the published code, everything else equal.

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
        """(model, quantity) without the departure."""
        return self.model, self.quantity

    @property
    def as_published(self) -> tuple[str, str]:
        """(model, quantity) with the departure."""
        return self.published_model or self.model, self.published_quantity or self.quantity


class Jobs(Strict):
    """What to ask a batch system for, for each worker of `eigencode run --cluster`; changes no result.

    `setup`: lines of shell before the worker starts.  `directives`: further options of the job, such as
    "--constraint=avx512".  `interface`: the network that the nodes share, such as "ib0".  `logs`: a folder for the
    output of the jobs.
    """

    queue: str = ""
    account: str = ""
    walltime: str = ""
    memory: str = "4GB"
    cores: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    setup: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    interface: str = ""
    logs: str = ""


class Study(Strict):
    """A whole study: data sets × models × seeds × measurements, and claims about the results."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    title: str = ""
    data: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ("mnist5k",)
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
    relations: tuple[Relation, ...] = ()
    claims: tuple[Claim, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    cluster: Jobs = Field(Jobs(), exclude=True)
    _left_out: tuple[Model, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _translated(cls, raw: Any) -> Any:
        return _longhand(raw)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the data sets; empty for a study without models, which only calibrates."""
        return self.data if self.models else ()

    @property
    def networks(self) -> tuple[Model, ...]:
        """Its models, then those of the whole study that it is a `part` of; all decide the names of numbers."""
        return (*self.models.values(), *self._left_out)
