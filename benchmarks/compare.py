"""`python -m benchmarks.compare [--only TOPIC …] [--out published/compare.json]`: the same work by tools people know.

Every topic gives all tools the same activations, weights, network or images, and knows the right answer where there is
one.  Tools that are not installed are named under `missing` and have no rows.  Install them apart from your work:

    pip install reptrix weightwatcher foolbox torchattacks pyautoattack numba . \
        git+https://github.com/facebookresearch/jacobian_regularizer

The cvPCA of Stringer et al. is a file and no package: `--stringer FOLDER` takes the folder `python` of a clone of
https://github.com/MouseLand/stringer-pachitariu-et-al-2018b.  Seconds are of one processor core.
Rows of other topics and tools that are already in the file stay.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.data.synthetic import PlantedCode
from eigencode.study._provenance import provenance

UNITS, RANKS, DRAWS = 1000, (11, 100), 20
EPS = 0.1


@dataclass(frozen=True)
class Row:
    """One number of one tool.  `spread` is the standard deviation over draws; NaN for a single one."""

    topic: str
    tool: str
    quantity: str
    value: float
    spread: float = float("nan")
    truth: float = float("nan")
    seconds: float = float("nan")


class Missing(ImportError):
    """A tool that is not installed."""


def tool(module: str) -> Any:
    """Import a tool of others."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Missing(module.partition(".")[0]) from error


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the seconds of processor time it took."""
    began = time.process_time()
    return work(), time.process_time() - began


def repeated(topic: str, name: str, quantity: str, truth: float, work: Callable[[int], float], draws: int) -> Row:
    """Mean and spread of a number over draws, and the mean time of one."""
    values, seconds = timed(lambda: [float(work(seed)) for seed in range(draws)])
    return Row(topic, name, quantity, float(np.mean(values)), float(np.std(values, ddof=1)), truth, seconds / draws)


def spectrum_2000() -> Iterator[Callable[[], list[Row]]]:
    """α of planted Gaussian codes, 2000 samples of 1000 units, ranks 11 to 100 with weights 1/n."""
    return planted("α = 1, 2000 images", 2000)


def spectrum_500() -> Iterator[Callable[[], list[Row]]]:
    """The same of 500 samples, fewer than units."""
    return planted("α = 1, 500 images", 500)


def planted(topic: str, samples: int) -> Iterator[Callable[[], list[Row]]]:
    code = PlantedCode.of(UNITS, 1.0)

    def ours() -> list[Row]:
        laws = []

        def fit(seed: int) -> float:
            laws.append(ec.spectrum(code.sample(samples, seed)).power_law(RANKS, "1/n"))
            return laws[-1].alpha

        rows = [repeated(topic, "eigencode", "α", 1.0, fit, DRAWS)]
        plain = [law.plain for law in laws]
        rows.append(Row(topic, "eigencode", "α, plain fit", float(np.mean(plain)), float(np.std(plain, ddof=1)), 1.0))
        intervals = [law.interval for law in laws if not math.isnan(law.interval[0])]
        right = float(np.mean([low <= 1.0 <= high for low, high in intervals])) if intervals else math.nan
        name = "share of 95 % intervals that hold α"
        return [*rows, Row(topic, "eigencode", name, right, truth=0.95)] if intervals else rows

    def moments() -> list[Row]:
        def fit(seed: int) -> float:
            return ec.signal_spectrum(code.sample(samples, seed)).alpha

        return [repeated(topic, "eigencode", "α, spectral moments", 1.0, fit, DRAWS)]

    def reptrix() -> list[Row]:
        alpha = tool("reptrix.alpha").get_alpha  # changes its fit_range, so that each call needs its own

        def fit(seed: int) -> float:
            return alpha(code.sample(samples, seed), fit_range=np.arange(RANKS[0] - 1, RANKS[1]))[0]

        return [repeated(topic, "reptrix", "α", 1.0, fit, DRAWS)]

    yield from (ours, moments, reptrix)


def noisy_repeats() -> Iterator[Callable[[], list[Row]]]:
    """α of the signal of a planted code shown twice, 1000 stimuli, half of the variance noise."""
    topic, code, draws = "α = 1, two noisy repeats", PlantedCode.of(UNITS, 1.0), 10

    def repeats(seed: int) -> Tensor:
        return code.repeats(1000, 2, snr=1.0, seed=seed)

    def ours() -> list[Row]:
        return [
            repeated(topic, "eigencode", name, 1.0, work, draws)
            for name, work in (
                ("α, cvPCA", lambda s: ec.cvpca(repeats(s)).power_law(RANKS, "1/n").alpha),
                ("α, spectral moments", lambda s: ec.signal_spectrum(repeats(s)).alpha),
            )
        ]

    def stringer() -> list[Row]:
        theirs = tool("utils")

        def fit(seed: int) -> float:
            np.random.seed(seed)  # noqa: NPY002  their swaps
            x = repeats(seed)
            x = x - x.mean(1, keepdim=True)
            values = theirs.shuff_cvPCA(x.numpy(), nshuff=5).mean(0)
            return theirs.get_powerlaw(values, np.arange(RANKS[0] - 1, RANKS[1]))[0]

        return [repeated(topic, "Stringer et al.", "α, cvPCA", 1.0, fit, draws)]

    yield from (ours, stringer)


def dimension() -> Iterator[Callable[[], list[Row]]]:
    """RankMe (Garrido et al. 2023, eq. 1) of a planted code: entropy of the singular values of the data matrix."""
    topic, x = "RankMe", PlantedCode.of(UNITS, 1.0).sample(2000)
    x = x - x.mean(0)
    sigma = np.linalg.svd(x.numpy(), compute_uv=False)
    p = sigma / sigma.sum() + 1e-7
    truth = float(np.exp(-(p * np.log(p)).sum()))

    def ours() -> list[Row]:
        values = ec.spectrum(x, interval=False).eigenvalues
        return [
            Row(topic, "eigencode", "RankMe", ec.spectra.rankme(values), truth=truth),
            Row(topic, "eigencode", "effective rank", ec.spectra.effective_rank(values)),
        ]

    def reptrix() -> list[Row]:
        return [Row(topic, "reptrix", "RankMe", float(tool("reptrix.rankme").get_rankme(x)), truth=truth)]

    yield from (ours, reptrix)


def weights() -> Iterator[Callable[[], list[Row]]]:
    """One layer whose weights W have the eigenvalues n^(−α) in WWᵀ: of its weights, and of its code for white images.

    A rank law n^(−a) is a density λ^(−1 − 1/a), so that the α of WeightWatcher is 1 + 1/a.
    """
    for a in (1.0, 2.0):
        topic, code, other = f"weights, n^−{a:g}", PlantedCode.of(UNITS, a), PlantedCode.of(UNITS, a, seed=1)
        assert code.basis is not None
        assert other.basis is not None
        net = nn.Sequential(nn.Linear(UNITS, UNITS, bias=False))
        with torch.no_grad():
            net[0].weight.copy_((code.basis * code.eigenvalues.sqrt()) @ other.basis.T)

        def ours(topic: str = topic, net: nn.Module = net, a: float = a) -> list[Row]:
            def fit(seed: int) -> float:
                x = torch.randn(2000, UNITS, generator=torch.Generator().manual_seed(seed))
                return ec.spectrum(ec.at(net, "0"), x).power_law(RANKS, "1/n").alpha

            return [repeated(topic, "eigencode", "α of the code for white images", a, fit, 5)]

        def weightwatcher(topic: str = topic, net: nn.Module = net, a: float = a) -> list[Row]:
            watcher = tool("weightwatcher").WeightWatcher(model=net)
            found, seconds = timed(watcher.analyze)
            name = "α of the density of the weights' spectrum"
            return [Row(topic, "WeightWatcher", name, float(found.alpha.iloc[0]), truth=1 + 1 / a, seconds=seconds)]

        yield from (ours, weightwatcher)


def network() -> tuple[nn.Module, ec.Images]:
    """A perceptron of 200 units on MNIST digits, and the first 100 test images that it classifies correctly."""
    train, test = ec.load("mnist5k")
    net = ec.models.perceptron(train, units=200)
    ec.train_supervised(net, train, epochs=20)
    net.eval().requires_grad_(False)
    right = (net(test.x).argmax(1) == test.y).nonzero()[:100, 0]
    return net, test[right]


def jacobian() -> Iterator[Callable[[], list[Row]]]:
    """½ mean ‖∂ logits/∂x‖²_F over 100 images: exact by a plain loop, by one random projection, by all."""
    topic = "½ mean ‖J‖²"
    net, images = network()

    def plain(x: Tensor) -> Tensor:
        return torch.autograd.functional.jacobian(lambda v: net(v[None])[0], x)

    truth = sum(float(plain(x).double().square().sum()) for x in images.x) / len(images) / 2

    def ours() -> list[Row]:
        found, seconds = timed(lambda: ec.jacobian_norm(ec.at(net, "logits"), images, method="exact"))
        value = float(found.value.square().mean()) / 2
        sampled = repeated(topic, "eigencode", "one projection", truth, one, DRAWS)
        return [Row(topic, "eigencode", "exact", value, truth=truth, seconds=seconds), sampled]

    def one(seed: int) -> float:
        norms = ec.jacobian_norm(ec.at(net, "logits"), images, method="hutchinson", projections=1, seed=seed)
        return float(norms.value.square().mean()) / 2

    def hoffman() -> list[Row]:
        regulariser = tool("jacobian").JacobianReg

        def value(n: int, seed: int) -> float:
            torch.manual_seed(seed)
            x = images.x.clone().requires_grad_()
            return float(regulariser(n=n)(x, net(x)))

        found, seconds = timed(lambda: value(-1, 0))
        name = "jacobian_regularizer"
        sampled = repeated(topic, name, "one projection", truth, lambda s: value(1, s), DRAWS)
        return [Row(topic, name, "exact", found, truth=truth, seconds=seconds), sampled]

    yield from (ours, hoffman)


def critical() -> Iterator[Callable[[], list[Row]]]:
    """Median L2 norm of the smallest perturbation found, pixels in [0, 1], 100 images; smaller is the better attack."""
    topic = "critical size, L2"
    net, images = network()

    def ours() -> list[Row]:
        rows = []
        for name, attack in (
            ("DDN, 100 steps", ec.robustness.DDN(steps=100)),
            ("PGD, 20 steps", ec.robustness.PGD(norm="l2", steps=20)),
        ):
            found, seconds = timed(
                lambda attack=attack: ec.robustness.critical_size(net, images, attack, space="pixel", check=False)
            )
            rows.append(Row(topic, "eigencode", name, found.median.value, seconds=seconds))
        return rows

    def foolbox() -> list[Row]:
        library, attacks, rows = tool("foolbox"), tool("foolbox.attacks"), []
        model = library.PyTorchModel(net, bounds=(0, 1), device="cpu")
        for name, attack in (
            ("DDN, 100 steps", attacks.DDNAttack(steps=100)),
            ("Brendel-Bethge, 1000 steps", attacks.L2BrendelBethgeAttack()),
            ("Boundary attack, 25000 steps", attacks.BoundaryAttack()),
        ):
            np.random.seed(0)  # noqa: NPY002  foolbox draws from the global generators
            torch.manual_seed(0)
            (_, (points,), _), seconds = timed(lambda attack=attack: attack(model, images.x, images.y, epsilons=[None]))
            sizes = (points - images.x).flatten(1).norm(dim=1)
            sizes[net(points).argmax(1) == images.y] = math.inf
            rows.append(Row(topic, "foolbox", name, float(sizes.median()), seconds=seconds))
        return rows

    yield from (ours, foolbox)


def withstood() -> Iterator[Callable[[], list[Row]]]:
    """Share of 100 images that no perturbation of L∞ norm 0.1 was found to break; smaller is the better attack."""
    topic = f"withstand L∞ {EPS}"
    net, images = network()

    def share(points: Tensor) -> float:
        assert float((points - images.x).abs().max()) <= EPS + 1e-6
        return float((net(points).argmax(1) == images.y).double().mean())

    def ours() -> list[Row]:
        attack = ec.robustness.PGD(norm="linf", steps=20)
        found, seconds = timed(
            lambda: ec.robustness.curve(net, images, attack, torch.tensor([EPS]), space="pixel", check=False)
        )
        return [Row(topic, "eigencode", "PGD, 20 steps", float(found.accuracy[0]), seconds=seconds)]

    def torchattacks() -> list[Row]:
        attack = tool("torchattacks").PGD(net, eps=EPS, alpha=EPS / 8, steps=20)
        torch.manual_seed(0)
        points, seconds = timed(lambda: attack(images.x, images.y))
        return [Row(topic, "torchattacks", "PGD, 20 steps", share(points), seconds=seconds)]

    def autoattack() -> list[Row]:
        attack = tool("pyautoattack").AutoAttack(net, norm="Linf", eps=EPS, seed=0)
        attack.verbose = False
        (points, _), seconds = timed(lambda: attack.run_standard_evaluation(images.x, images.y))
        return [Row(topic, "pyautoattack", "AutoAttack, standard", share(points), seconds=seconds)]

    yield from (ours, torchattacks, autoattack)


TOPICS = (spectrum_2000, spectrum_500, noisy_repeats, dimension, weights, jacobian, critical, withstood)
PACKAGES = ("reptrix", "weightwatcher", "foolbox", "torchattacks", "pyautoattack", "jacobian", "utils")


def version(name: str) -> str | None:
    """Version of a package; None if it is not installed, "as cloned" for one without a version."""
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "as cloned"


def main() -> None:
    names = [topic.__name__ for topic in TOPICS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--stringer", type=Path, help="folder with the utils.py of Stringer et al.")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.stringer:
        sys.path.insert(0, str(chosen.stringer))
    rows: list[Row] = []
    missing: set[str] = set()
    for topic in (t for t in TOPICS if t.__name__ in chosen.only):
        for measure in topic():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of other tools; ours are about samples that are few on purpose
                    made = measure()
            except Missing as error:
                missing.add(str(error))
                print(f"{topic.__name__}: {error} is not installed", flush=True)
                continue
            rows += made
            for r in made:
                print(
                    f"{r.topic:<26} {r.tool:<22} {r.quantity:<42} {r.value:9.4g} ± {r.spread:<9.2g} "
                    f"truth {r.truth:<9.4g} {r.seconds:.3g} s",
                    flush=True,
                )
    made_now = provenance()
    versions = {name: version(name) for name in PACKAGES}
    found = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(r).items()} for r in rows]
    found = [{**r, "commit": made_now["commit"]} for r in found]
    if chosen.out and chosen.out.is_file():
        before, again = json.loads(chosen.out.read_text("utf-8"))["results"], {(r.topic, r.tool) for r in rows}
        found = [r for r in before if (r["topic"], r["tool"]) not in again] + found
    whole = {"results": found, "missing": sorted(missing), "tools": versions, "provenance": made_now}
    if chosen.out:
        chosen.out.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"written to {chosen.out}")


if __name__ == "__main__":
    main()
