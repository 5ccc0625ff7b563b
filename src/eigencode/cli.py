"""The command line `eigencode`; heavy packages are imported inside the commands, so that `--help` is fast."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eigencode.base.ending import open_closed_outputs, report_errors, say
from eigencode.cli_store import DEFAULT_STORE, JsonOption, StoreOption, store_app

if TYPE_CHECKING:
    from eigencode.given import Given, Profile
    from eigencode.report._live import Live
    from eigencode.study import Cell, Outcome, Store, Study

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
)
data_app = typer.Typer(help="Data sets: what is there, and how to get it.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(store_app, name="store")

StudyFile = Annotated[Path, typer.Argument(help="A study file (TOML), or a name that `eigencode studies` lists.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a key: --set models.KH.units=200")]
DataOption = Annotated[Path | None, typer.Option("--data-dir", help="Folder with data sets; default: EIGENCODE_DATA.")]
SeedsOption = Annotated[int | None, typer.Option("--seeds", min=1, help="Run seeds 0 .. N-1 instead of the study's.")]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="Only this model (repeat for several); claims about others are left out."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress: only the result.")]


def _version(wanted: bool) -> bool:
    if wanted:
        from eigencode import __version__

        typer.echo(__version__)
        raise typer.Exit
    return wanted


@app.callback()
def eigencode(
    version: Annotated[bool, typer.Option("--version", help="The version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Spectrum, smoothness and robustness of neural codes."""


@app.command()
def run(
    study: StudyFile,
    set_: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataOption = None,
    seeds: SeedsOption = None,
    model: ModelOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; 1: steps run in this one.", show_default="1")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Workers: slurm:N (pbs, sge, lsf), tcp://HOST:PORT, file:SCHEDULER.json or local:N."),
    ] = None,
    leave_running: Annotated[
        bool, typer.Option("--leave-running", help="After Ctrl-C an existing Dask finishes the steps it has begun.")
    ] = False,
    quiet: QuietOption = False,
    json_: Annotated[bool, typer.Option("--json", help="Print results.json instead of the table.")] = False,
) -> None:
    """Run a study: compute missing steps, print the table, write figures and the page."""
    with report_errors(quiet=quiet):
        from eigencode.base.errors import InputError
        from eigencode.base.listing import console
        from eigencode.base.text import printable
        from eigencode.report import StudyRun, build
        from eigencode.report._listing import say_unsealed
        from eigencode.report._live import summary
        from eigencode.report._table import show
        from eigencode.study._conclusion import conclude

        if workers and cluster:
            raise InputError("two kinds of workers", got=f"--workers {workers} --cluster {cluster}", wanted="either")
        chosen, how = _read(study, set_, seeds, model), cluster or workers or 1
        outcome, live, cells, kept = _computed(
            chosen, store, data_dir, quiet, how, jobs=chosen.cluster, leave_running=leave_running
        )
        try:
            finished = StudyRun(conclude(chosen, cells, kept), store)
            if not quiet:
                say("drawing figures and page")
            try:
                page = build(finished)
            finally:  # the table is shown even if the page cannot be written
                if json_:
                    sys.stdout.write((finished.folder / "results.json").read_text(encoding="utf-8"))
                else:
                    show(finished.results, console())
                    typer.echo(summary(outcome))
            if not json_:
                typer.echo(f"page: {printable(page, 1000)}")
            say_unsealed(kept, live.owners)
        finally:
            for key, why in outcome.renewed.items():
                say(f"not used: {live.owners[key]}: {printable(why, 500)}; see {store}/damaged")
            _say_failed(outcome, live)
        if not outcome.ok:
            raise typer.Exit(1)


@app.command()
def work(
    study: StudyFile,
    set_: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataOption = None,
    seeds: SeedsOption = None,
    model: ModelOption = None,
    quiet: QuietOption = False,
) -> None:
    """Compute steps of a study beside other processes, until none is left; writes no table and no page."""
    with report_errors(quiet=quiet):
        from random import Random

        from eigencode.base.process import this_process
        from eigencode.report._live import summary

        chosen = _read(study, set_, seeds, model)
        outcome, live, _, _ = _computed(chosen, store, data_dir, quiet, order=Random(this_process()))
        typer.echo(summary(outcome))
        _say_failed(outcome, live)
        if not outcome.ok:
            raise typer.Exit(1)


@app.command()
def studies(json_: JsonOption = False) -> None:
    """List the studies that come with the package, with their titles, data and computing times."""
    with report_errors():
        from eigencode.base.listing import print_list
        from eigencode.base.shipped import catalogue

        found = catalogue()
        rows = [(e["name"], e["title"], ", ".join(e["data"]), e["takes"]) for e in found]
        print_list(found if json_ else None, ("study", "shows", "data", "time"), rows)


@app.command()
def status(
    study: StudyFile,
    set_: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataOption = None,
    seeds: SeedsOption = None,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Show how many steps of a study are finished, by kind of step."""
    with report_errors():
        from eigencode.base.listing import print_list
        from eigencode.base.progress import clock
        from eigencode.report._listing import finished, say_unsealed
        from eigencode.report._live import owners
        from eigencode.study import Store, plan
        from eigencode.study._integrity import refuse
        from eigencode.study._order import ordered

        cells, kept = plan(_read(study, set_, seeds, model), data_dir), Store(store)
        found = finished(cells, kept)
        rows = [(n, e["finished"], "of", e["steps"], clock(e["seconds"])) for n, e in found.items()]
        print_list(found if json_ else None, ("step", "finished", "", "", "computing time"), rows)
        say_unsealed(kept, known := owners(cells))
        refuse({f"{known[s.key]}: {s.describe()}": w for s in ordered([c.step for c in cells]) if (w := kept.doubt(s))})


def _place(given: Path, reports: Path) -> Path:
    """The folder of results that is meant: a path, or the name of a study in the store."""
    holds = given.is_file() or (given / "results.json").exists()
    named = len(given.parts) == 1 and (not given.exists() or (reports / given).exists())
    return reports / given if named and not holds else given


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="Names of studies that ran, or folders with results.json.")],
    store: Annotated[Path | None, typer.Option("--store", help="Default: the store that each folder is in.")] = None,
    out: Annotated[Path, typer.Option(help="The page that compares several runs.")] = Path("comparison.html"),
) -> None:
    """Rebuild figures and page of a finished study, or a page that compares several; computes no steps."""
    with report_errors():
        from eigencode.base.listing import console
        from eigencode.base.text import printable
        from eigencode.report import StudyRun, build, compare
        from eigencode.report._listing import say_unsealed
        from eigencode.report._table import show

        reports = (store or DEFAULT_STORE) / "reports"
        places = [_place(f, reports) for f in folders]
        finished = [StudyRun.found(folder, store) for folder in places]
        page = build(finished[0]) if len(finished) == 1 else compare(finished, out)
        for run_ in finished:
            show(run_.results, console())
        for kept in dict.fromkeys(run_.steps for run_ in finished):
            say_unsealed(kept, [key for run_ in finished if run_.steps == kept for key in run_.keys])
        typer.echo(f"page: {printable(page, 1000)}")


@app.command()
def spectrum(
    file: Annotated[
        Path, typer.Argument(help="File of recorded responses, or folder of suite2p: see docs/recording-files.md.")
    ],
    key: Annotated[str | None, typer.Option(help="Name of the array; needed if several fit.")] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes of the array, e.g. su, rsu, sur (repeats, stimuli, units).")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Array with the stimulus of each row, where a row is one presentation.")
    ] = None,
    blank: Annotated[str | None, typer.Option(help="Label of rows without a stimulus; none keeps all.")] = None,
    groups: Annotated[str | None, typer.Option(help="Array with the group of each row, e.g. its film.")] = None,
    window: Annotated[str, typer.Option(help="Ranks of the fit, both ends included.")] = "11:500",
    weights: Annotated[str, typer.Option(help="Weights of the fit: 1/n or uniform.")] = "1/n",
    zscore: Annotated[bool, typer.Option("--zscore", help="Scale units by their spontaneous activity.")] = False,
    remove_spontaneous: Annotated[int, typer.Option(min=0, help="Its leading components to remove.")] = 0,
    nan: Annotated[str, typer.Option(help="error, drop-units or drop-stimuli.")] = "error",
    constant: Annotated[str, typer.Option(help="Units that never change: error or drop-units.")] = "error",
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="Also compute chance level, by shuffling stimuli.")
    ] = False,
    json_: JsonOption = False,
    quiet: QuietOption = False,
    out: Annotated[Path | None, typer.Option(help="New folder for page, figures and arrays; default: none.")] = None,
) -> None:
    """Spectrum and power laws of recorded responses; with two repeats or more, of their signal."""
    with report_errors(quiet=quiet):
        from eigencode.data import prepared, read_recording
        from eigencode.given import _files as files, recorded
        from eigencode.given._options import ranks

        chosen, folder = ranks(window), None if out is None else files.new_folder(out)
        read = read_recording(file, key, axes=axes, labels=labels, blank=blank, groups=groups)
        ready = prepared(read, nan=nan, constant=constant, zscore=zscore, remove_spontaneous=remove_spontaneous)
        _print_given(recorded(ready, chosen, weights, shuffled), folder, json_, quiet)


@app.command()
def probe(
    factory: Annotated[str, typer.Argument(help="package.module:callable that returns your nn.Module.")],
    weights: Annotated[Path | None, typer.Option(help="Safetensors, or a state-dict written by torch.save.")] = None,
    data: Annotated[str, typer.Option(help="Data set to measure on; folder:PATH for your own images.")] = "cifar10",
    place: Annotated[str | None, typer.Option(help="A submodule, which is read; all or 'layer*': a profile.")] = None,
    reduce: Annotated[str | None, typer.Option(help="A profile by mean (default), max or flatten of maps.")] = None,
    data_dir: DataOption = None,
    images: Annotated[
        int | None, typer.Option(min=2, help="Images for Jacobian and attacks; default: 500, none in a profile.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Ranks of the power law, FROM:TO; default 11:500.")] = None,
    arg: Annotated[list[str] | None, typer.Option("--arg", help="Setting of the callable: --arg depth=3")] = None,
    expects: Annotated[str | None, typer.Option(help="0-1, -1-1, 0-255 or standardised; default 0-1.")] = None,
    mean: Annotated[str | None, typer.Option(help="Mean of the channels in [0, 1]: 0.49,0.48,0.45")] = None,
    std: Annotated[str | None, typer.Option(help="Standard deviation of the channels: 0.25,0.24,0.26")] = None,
    classes: Annotated[
        str | None, typer.Option(help="For folder:PATH, the network's classes in order: file, or names with commas.")
    ] = None,
    resize: Annotated[int | None, typer.Option(min=1, help="For folder:PATH: pixels of the shorter side.")] = None,
    crop: Annotated[int | None, typer.Option(min=1, help="For folder:PATH: centre crop; default: as --resize.")] = None,
    jacobian: Annotated[str, typer.Option(help="auto, closed, exact or hutchinson.")] = "auto",
    attacks: Annotated[str | None, typer.Option(help="none, or a list of noise, fgsm, pgd-linf, pgd-l2.")] = None,
    test_images: Annotated[int | None, typer.Option(min=2, help="Only the first test images.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per forward pass.")] = None,
    device: Annotated[str | None, typer.Option(help="Device of the network, such as cuda; default: cpu.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the images drawn, of noise and of random starts.")] = 0,
    json_: JsonOption = False,
    quiet: QuietOption = False,
    out: Annotated[Path | None, typer.Option(help="Folder for page, figures and arrays.")] = None,
) -> None:
    """Spectrum, Jacobian norm and robustness of your own network, in pixel space; or spectra of all its places."""
    with report_errors("interrupted", quiet):
        from eigencode.given import _files as files
        from eigencode.given._options import probe_from_options

        folder = None if out is None else files.new_folder(out)
        words = (factory, place, weights, data, data_dir, images, window, arg or (), expects, mean, std, jacobian, seed)
        more = (classes, resize, crop, test_images, batch_size, device, attacks, reduce)
        _print_given(probe_from_options(*words, *more), folder, json_, quiet)


@data_app.command("list")
def data_list(data_dir: DataOption = None, json_: JsonOption = False) -> None:
    """List the data sets, their size, and whether they are on this machine."""
    with report_errors():
        from eigencode.base.listing import print_list
        from eigencode.data import available

        sets = available(data_dir)
        rows = [
            (d.name, "×".join(map(str, d.shape)), d.train, "+", d.test, _whereabouts(d.name, d.present)) for d in sets
        ]
        header = ("data set", "pixels (c×h×w)", "training", "", "test images", "")
        print_list([d.scalars() for d in sets] if json_ else None, header, rows)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    data_dir: DataOption = None,
    quiet: QuietOption = False,
) -> None:
    """Download a data set and check it against its published checksum."""
    with report_errors(quiet=quiet):
        from eigencode.data import fetch

        fetch(name, data_dir)
        if not quiet:
            typer.echo(f"{name} is here")


@app.command()
def doctor(json_: JsonOption = False) -> None:
    """Show versions, threads, matrix hardware and data sets of this machine."""
    with report_errors():
        import torch

        from eigencode.base.listing import print_list
        from eigencode.data import available
        from eigencode.study._provenance import provenance

        found = provenance()
        found["instructions"] = torch.backends.cpu.get_cpu_capability()
        found["data"] = [d.name for d in available() if d.present]
        rows = [*found["versions"].items(), *((k, v) for k, v in found.items() if k not in ("versions", "data"))]
        print_list(found if json_ else None, ("", ""), [*rows, ("data", ", ".join(found["data"]))])


def main() -> None:
    """Entry point of the console script."""
    open_closed_outputs()
    app()


def _read(path: Path, overrides: list[str] | None, seeds: int | None, models: list[str] | None) -> "Study":
    from eigencode.base.shipped import home
    from eigencode.study import part, read_study

    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # a study may name code of its own as package.module:Name
    if (there := str(home())) not in sys.path:
        sys.path.append(there)  # so may one that comes with the package
    words = list(overrides or [])
    if seeds is not None:
        words.append(f"seeds={list(range(seeds))}")
    whole = read_study(path, words)
    return part(whole, models) if models else whole


def _computed(
    chosen: "Study", store: Path, data_dir: Path | None, quiet: bool, workers: int | str = 1, **how: Any
) -> "tuple[Outcome, Live, list[Cell], Store]":
    """Plan a study and execute its steps, with progress."""
    from eigencode.base.progress import shown
    from eigencode.report._live import Live
    from eigencode.study import Store, execute, plan
    from eigencode.study.plan import check_sizes

    cells = plan(chosen, data_dir)
    check_sizes(chosen, data_dir)
    kept, live = Store(store).writable(), Live(cells, workers if isinstance(workers, int) else 1)
    with shown(live):
        return execute([c.step for c in cells], kept, workers, None if quiet else live, **how), live, cells, kept


def _say_failed(outcome: "Outcome", live: "Live") -> None:
    from eigencode.base.text import printable

    for key, message in outcome.failed.items():
        say(f"failed: {live.owners[key]}: {printable(message, 500, lines=True)}")


def _print_given(found: "Given | Profile", folder: Path | None, json_: bool, quiet: bool) -> None:
    """Save the results of a probe, profile or recording to `folder`, if given; print them as JSON or as a table."""
    from eigencode.base.listing import console
    from eigencode.given._files import write

    page = None if folder is None else write(found, folder)
    typer.echo(found.json()) if json_ else found.show(console())
    if page is not None and not quiet:
        typer.echo(f"page: {page}", err=json_)


def _whereabouts(name: str, present: bool) -> str:
    return "here" if present else f"not here: eigencode data fetch {name}"
