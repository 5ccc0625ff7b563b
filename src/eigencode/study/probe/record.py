"""What a probe found, as a record, a table and JSON."""

import html
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from eigencode.base import strict_json
from eigencode.base.errors import InputError
from eigencode.base.record import Estimate, Record
from eigencode.base.text import printable
from eigencode.geometry.jacobian import JacobianNorm
from eigencode.robustness.critical import CriticalSizes
from eigencode.robustness.curve import Curve
from eigencode.robustness.masking import Masking
from eigencode.spectra.power_law import PowerLaw
from eigencode.spectra.spectrum import Spectrum

if TYPE_CHECKING:
    import xarray

P = TypeVar("P", bound="Probe")

UNITS = {"linf": "L∞", "l2": "L2", "l1": "L1"}


@dataclass(frozen=True)
class Probe(Record):
    """Spectrum, Jacobian norm and critical sizes of one network on one data set, all in pixel space.

    Attributes:
        model, data, sha256: names of network and images, and the hash of all images.
        place: where spectrum and Jacobian are read.
        accuracy: on all images, 95 % Wilson interval.
        spectrum, law: covariance spectrum, and the power law over `window` (None where there is none).
        jacobian: ‖∂z/∂x‖_F of the representation at `place`, on the images numbered `index`.
        critical, curves: by attack; on those of the images `index` that are classified correctly.
        masking: signs that gradients are masked.
        index: the images drawn for Jacobian and attacks, numbers in the data set.
        seed: of that draw, of noise and of random starts.
        notes: what was done to the network to measure it.
        warnings: what must be known to read the numbers.
    """

    model: str
    data: str
    sha256: str
    place: str
    window: tuple[int, int]
    weights: str
    seed: int
    accuracy: Estimate
    law: PowerLaw | None
    masking: Masking
    index: Tensor
    spectrum: Spectrum
    jacobian: JacobianNorm
    critical: dict[str, CriticalSizes]
    curves: dict[str, Curve]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def alpha(self) -> Estimate:
        """Exponent of the power law; NaN where there is none."""
        law, n = self.law, self.spectrum.n_samples
        return Estimate(math.nan, n=n) if law is None else Estimate(law.alpha, *law.interval, n, law.interval_method)

    @property
    def jacobian_quartiles(self) -> tuple[float, float, float]:
        """25 %, 50 % and 75 % of the Jacobian norm over images."""
        low, middle, high = self.jacobian.value.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
        return (low, middle, high)

    def rows(self) -> list[tuple[str, str, str]]:
        """(quantity, number, what it means) of every line of the table."""
        spec, jac, (low, middle, high) = self.spectrum, self.jacobian, self.jacobian_quartiles
        random = f" of {jac.projections} projections" if jac.projections else ""
        found = [
            ("accuracy", str(self.accuracy), f"{self.accuracy.n} images, 95 % Wilson"),
            (
                f"alpha, {self.place}",
                self.law.text if self.law else "–",
                f"ranks {self.window[0]}..{self.window[1]}, weights {self.weights}, 95 % over images"
                if self.law
                else "see below",
            ),
            (
                f"participation ratio, {self.place}",
                f"{spec.participation_ratio:.4g}",
                f"{spec.n_samples} images x {spec.n_units} units",
            ),
            (
                f"Jacobian norm, {self.place}",
                f"{middle:.4g} (quartiles {low:.4g}, {high:.4g})",
                f"median Frobenius norm of {len(jac)} images, {jac.method}{random}, pixel space",
            ),
        ]
        found += [
            (f"critical size, {name}", str(sizes.median), _meaning(sizes)) for name, sizes in self.critical.items()
        ]
        return found

    def scalars(self) -> dict[str, Any]:
        """All but the arrays, ready for JSON: numbers with intervals, curves as lists."""
        low, _, high = self.jacobian_quartiles
        plain = {"accuracy": self.accuracy, "alpha": self.alpha, "masking": self.masking}
        jacobian = {k: v for k, v in self.jacobian.scalars().items() if k not in ("place", "space", "seed")}
        return {
            **{k: getattr(self, k) for k in ("model", "data", "sha256", "place", "seed")},
            "space": "pixel",
            "images": len(self.index),
            "window": list(self.window),
            "weights": self.weights,
            **{k: v.scalars() for k, v in plain.items()},
            "power_law": self.law.scalars() if self.law else None,
            "participation_ratio": self.spectrum.participation_ratio,
            "rankme": self.spectrum.rankme,
            "spectrum": {k: getattr(self.spectrum, k) for k in ("n_samples", "n_units", "floor")},
            "jacobian": {"median": self.jacobian.median.scalars(), "quartiles": [low, high], **jacobian},
            "critical": {
                name: {
                    "size": sizes.median.scalars(),
                    "eps": sizes.quantile(0.5, of="eps").scalars(),
                    "censored": int(sizes.censored.sum()),
                    **{k: v for k, v in sizes.scalars().items() if k not in ("masking", "seed", "space")},
                }
                for name, sizes in self.critical.items()
            },
            "curves": {
                name: {k: getattr(curve, k).tolist() for k in ("eps", "accuracy", "accuracy_low", "accuracy_high")}
                for name, curve in self.curves.items()
            },
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }

    def json(self) -> str:
        """`scalars` as strict JSON: null for a number that does not exist, "Infinity" for one without end."""
        return strict_json.dumps(self.scalars())

    def tensors(self) -> dict[str, Tensor]:
        """The arrays of all parts, as `part/array`."""
        parts = {f"{part}/{k}": v for part, record in self._parts().items() for k, v in record.tensors().items()}
        return {"index": self.index, **parts}

    def save(self, folder: Path) -> None:
        """Write `probe.json`, and every part with its arrays in a folder of its own."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        for name, record in self._parts().items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            record.save(folder / name)
        save_file({"index": self.index}, str(folder / "arrays.safetensors"))
        (folder / "probe.json").write_text(self.json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls: type[P], folder: Path) -> P:
        """Read back what `save` wrote."""
        import json

        from safetensors.torch import load_file

        path = folder / "probe.json"
        if not path.is_file():
            raise InputError("no probe here", got=folder, wanted="a folder written by Probe.save")
        kept = json.loads(path.read_text(encoding="utf-8"))
        spectrum = Spectrum.load(folder / "spectrum")
        window, weights = tuple(kept["window"]), kept["weights"]
        found: dict[str, Any] = {k: kept[k] for k in ("model", "data", "sha256", "place", "seed")}
        found |= {k: _numbered(folder, k, list(kept[k])) for k in ATTACKED}
        return cls(
            **found,
            window=window,
            weights=weights,
            accuracy=Estimate(**kept["accuracy"]),  # a share of at least two images: its numbers are finite
            law=spectrum.power_law(window, weights) if kept["power_law"] else None,
            masking=Masking.load(folder / "masking"),
            index=load_file(str(folder / "arrays.safetensors"))["index"],
            spectrum=spectrum,
            jacobian=JacobianNorm.load(folder / "jacobian"),
            notes=tuple(kept["notes"]),
            warnings=tuple(kept["warnings"]),
        )

    def to_dataset(self) -> "xarray.Dataset":
        """Labelled arrays of all parts; variables and axes are called `part/name`."""
        import xarray

        found = []
        for part, record in self._parts().items():
            one = record.to_dataset().drop_attrs()
            found.append(one.rename({k: f"{part}/{k}" for k in [*one.variables, *one.dims]}))
        return xarray.merge(found)

    def _parts(self) -> dict[str, Record]:
        """The records inside, by the folder they are kept in."""
        kinds: dict[str, dict[str, Any]] = {k: getattr(self, k) for k in ATTACKED}
        inner = {_folder(kind, i, name): named[name] for kind, named in kinds.items() for i, name in enumerate(named)}
        return {"spectrum": self.spectrum, "jacobian": self.jacobian, "masking": self.masking, **inner}

    def __str__(self) -> str:
        rows = [tuple(printable(cell) for cell in row) for row in self.rows()]
        wide = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines = [f"{printable(self.model)} on {printable(self.data)}, pixel space, seed {self.seed}"]
        lines += [f"  {name:<{wide[0]}}  {number:<{wide[1]}}  {meaning}" for name, number, meaning in rows]
        lines += [f"  {printable(said, 1000)}" for said in self.notes]
        lines += [f"! {printable(said, 1000)}" for said in self.warnings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td><td>{html.escape(c)}</td></tr>"
            for a, b, c in self.rows()
        )
        said = "".join(f"<p>! {html.escape(w)}</p>" for w in self.warnings)
        return f"<table><caption>{html.escape(f'{self.model} on {self.data}')}</caption>{cells}</table>{said}"


ATTACKED = ("critical", "curves")


def _numbered(folder: Path, kind: str, names: list[str]) -> dict[str, Any]:
    record: type[Record] = CriticalSizes if kind == "critical" else Curve
    return {name: record.load(folder / _folder(kind, i, name)) for i, name in enumerate(names)}


def _folder(kind: str, number: int, name: str) -> str:
    """`critical-3-PGD-L2`: no two alike, whatever the attacks are called."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.replace("∞", "inf"))
    return f"{kind}-{number}-{plain[:40]}"


def _meaning(sizes: CriticalSizes) -> str:
    """Convention, images, and the median in the unit of the attack itself."""
    median, never = sizes.quantile(0.5, of="eps"), int(sizes.censored.sum())
    own = f"standard deviation {median}" if sizes.attack.startswith("Gaussian") else f"{UNITS[sizes.norm]} {median}"
    found = [f"median L2 over {sizes.n_correct} images, 95 % Kaplan-Meier"]
    found += [f"{own}"] if own != f"L2 {sizes.median}" else []
    return "; ".join([*found, *([f"{never} never broken"] if never else [])])
