"""What pruning saw, as a study keeps it: units and their Gaussians, spectra before and after, and the figure."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import write

from eigencode.base import strict_json
from eigencode.measures import ConvergenceMeasure, Subject
from eigencode.measures.pruning import units
from eigencode.models import Pruning
from eigencode.report import StudyRun
from eigencode.report.figures._style import save
from eigencode.report.figures.pruning import pruning
from eigencode.report.view import View
from eigencode.representation.at import at
from eigencode.rules.convergence import Convergence, towards_radius
from eigencode.spectra import Spectrum, spectrum
from eigencode.study import Cell, Store, Study, execute, plan, read_study, rows
from eigencode.study._integrity import META, sealed
from eigencode.study._measurements import measurements
from eigencode.study.results import write as write_results
from eigencode.study.steps.network import network

G = torch.Generator().manual_seed(0)


def planted() -> tuple[Pruning, Convergence]:
    """40 units of small variance, 20 of a middle one, 6 of a large one, of which one has converged; shuffled."""
    centres = torch.cat([torch.full((n,), c, dtype=torch.float64) for n, c in ((40, -9.0), (20, -7.0), (6, -1.0))])
    order = torch.randperm(66, generator=G)
    values = (centres + 0.3 * torch.randn(66, generator=G, dtype=torch.float64))[order]
    large = (values > -4).nonzero().flatten()
    converged = values < -8
    converged[large[0]] = True
    state = Convergence(1.0, 3.0, values.exp(), converged, ~converged, torch.ones(66, dtype=torch.int64))
    means = torch.tensor([-9.0, -7.0, -1.0], dtype=torch.float64)
    return Pruning(3, -4.0, 6, 1, 0, large[1:], values, torch.zeros(4, dtype=torch.float64), means), state


def test_every_unit_belongs_to_the_gaussian_that_makes_it_most_probable() -> None:
    given, state = planted()
    found = units(given, state)
    assert found.mean.tolist() == sorted(found.mean.tolist())
    assert found.weight.tolist() == pytest.approx([40 / 66, 20 / 66, 6 / 66], abs=0.02)
    for value, chosen in zip(given.log_variance.tolist(), found.component.tolist(), strict=True):
        density = [
            w / s * math.exp(-0.5 * ((value - m) / s) ** 2)
            for w, m, s in zip(found.weight.tolist(), found.mean.tolist(), found.deviation.tolist(), strict=True)
        ]
        assert chosen == density.index(max(density))
    assert (found.n_kept, found.n_pruned, found.n_unconverged) == (61, 5, 66 - int(state.converged.sum()))
    assert found.kept.logical_not().nonzero().flatten().tolist() == given.indices.tolist()


def test_what_converged_means_is_said_by_the_rule() -> None:
    _, unnamed = planted()
    ours = towards_radius(torch.eye(2), torch.tensor([1, 1]), p=3.0, radius=1.0)
    said = [next(ConvergenceMeasure().readings(state)).convention for state in (ours, unnamed)]
    assert "‖W‖_p − R" in said[0]
    assert "‖W‖_p" not in said[1]
    assert "criterion of their rule" in said[1]


def test_one_gaussian_keeps_everything() -> None:
    given, state = planted()
    one = replace(given, components=1, threshold=math.inf, indices=given.indices[:0])
    found = units(one, state)
    assert (found.n_kept, found.component.unique().tolist()) == (66, [0])
    assert float(found.mean[0]) == pytest.approx(float(given.log_variance.mean()))


Run = tuple[Study, list[Cell], Store]


def of_kh(run: Run, quantity: str) -> Spectrum:
    _, cells, store = run
    return Spectrum.load(store.folder(next(c for c in cells if (c.model, c.quantity) == ("KH", quantity)).step))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny study with one model, whose pruning is replaced by one that takes the first three units away."""
    folder = tmp_path_factory.mktemp("pruning")
    study = read_study(write(folder), ["seeds=[0]", "critical=[]", "curves=[]"])
    study = study.model_copy(update={"models": {"KH": study.models["KH"]}})
    cells, store = plan(study), Store(folder / "store")
    end = next(c.network for c in cells if c.kind == "accuracy")
    trained, pruned, *_ = next(c for c in cells if c.network is end).made_by()
    assert execute([pruned], store).ok
    where, meta = store.folder(pruned), store.meta(pruned)
    taken = replace(Pruning.load(where / "pruning"), indices=torch.arange(3), components=2, threshold=-1.0)
    taken.save(where / "pruning")
    from eigencode.models.files import save

    save(taken.apply(network(where)), where / "network.safetensors")
    (where / META).write_text(strict_json.dumps(sealed(where, pruned.key, meta)), encoding="utf-8")
    assert execute([trained, *(c.step for c in cells)], store).ok
    return study, cells, store


def test_the_numbers_of_a_pruned_layer(finished: Run) -> None:
    study, cells, store = finished
    found = {r.quantity: r for r in rows(study, cells, store)}
    state = Convergence.load(store.folder(next(c for c in cells if c.kind == "convergence").step) / "convergence")
    assert found["units kept"].value == 9 / 12
    assert found["units converged"].value == state.fraction
    assert found["units winning"].value == 1 - state.never_won / 12
    for name in ("units kept", "units converged", "α images", "α images, raw"):
        doubts = [w for w in found[name].warnings if "has not converged" in w]
        assert len(doubts) == 1, name


def test_whether_the_raw_spectrum_is_a_power_law(finished: Run) -> None:
    study, cells, store = finished
    found = {r.quantity: r for r in rows(study, cells, store)}
    for name in ("α images", "α noise"):
        window, weights = next((p.measure.window, p.measure.weights) for p in measurements(study) if p.name == name)
        raw = of_kh(finished, f"{name}, raw")
        assert found[f"{name}, raw, power law"].value == float(raw.compare(window, weights).is_power_law)
        change = float(raw.shape(window, weights).slope_change)
        assert found[f"{name}, raw, slope change"].value == change != found[f"{name}, slope change"].value
        for what in ("", ", power law", ", slope range", ", straight"):
            assert found[f"{name}, raw{what}"].convention.endswith(", before pruning")


@pytest.mark.parametrize("name", ["α images", "α noise"])
def test_the_raw_spectrum_is_that_of_the_layer_before_pruning(finished: Run, name: str) -> None:
    _, cells, store = finished
    before, after = of_kh(finished, f"{name}, raw"), of_kh(finished, name)
    step = next(c for c in cells if c.quantity == f"{name}, raw").step
    code = at(network(store.folder(step.net)), "latent", space="unit")  # type: ignore[attr-defined]
    subject = Subject(network(store.folder(step.net)), step.data.pair()[1], "latent", 0)  # type: ignore[attr-defined]
    again = spectrum(code, step.made.source_of(subject)[1], points=True, seed=0)  # type: ignore[attr-defined]
    torch.testing.assert_close(before.eigenvalues, again.eigenvalues)
    positive = after.eigenvalues > 1e-9 * after.eigenvalues[0]
    assert int(positive.sum()) <= 9
    assert float(before.eigenvalues.sum()) > float(after.eigenvalues.sum())
    assert int((before.eigenvalues > after.floor).sum()) > int((after.eigenvalues > after.floor).sum())


def test_the_figure_shows_units_weights_and_both_spectra(finished: Run, tmp_path: Path) -> None:
    study, cells, store = finished
    write_results(tmp_path, study, cells, rows(study, cells, store), {})
    view = View([StudyRun(tmp_path, store.root)])
    (plot,) = pruning(view, "digits")
    save(plot.finish().figure, tmp_path / "drawn")  # a layout that does not fit is a warning, and that an error
    bars, pruned, kept, *others = plot.panels
    assert "KH: 9 kept, 3 pruned" in bars.get_title()
    assert sum(patch.get_height() for patch in bars.patches) == 12
    assert [a.get_title() for a in (pruned, kept)] == ["weights of pruned units", "weights of kept units"]
    assert len(pruned.images) == len(kept.images) == 1
    for name, axes in zip(("α images", "α noise"), others, strict=True):
        before, after = (line.get_ydata() for line in axes.lines)
        wanted = [float(of_kh(finished, q).eigenvalues[0]) for q in (f"{name}, raw", name)]
        assert [float(before[0]), float(after[0])] == pytest.approx(wanted)
    assert list(pruning(view, "another data set")) == []


def test_a_study_without_pruning_has_none_of_this(tmp_path: Path) -> None:
    study = read_study(write(tmp_path), ["seeds=[0]"])
    bare = study.model_copy(update={"models": {"BP": study.models["BP"]}})
    kinds = {c.kind for c in plan(bare)}
    assert kinds == {"accuracy", "spectrum", "critical", "curve"}
    unpruned = study.model_copy(update={"models": {"KH": study.models["KH"].model_copy(update={"prune": False})}})
    assert {c.kind for c in plan(unpruned)} - kinds == {"convergence"}
