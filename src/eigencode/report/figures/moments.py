"""Spectra, weights and numbers of the models at one moment of their training, which a slider of the page chooses."""

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes

from eigencode.report.figures._laws import HIGHEST, LOWEST, RELATIVE, law_line, law_of, points, smallest
from eigencode.report.figures._style import label, log_axis
from eigencode.report.figures._time import frames, measured, moments, spans, told
from eigencode.report.figures.plot import Plot
from eigencode.report.figures.receptive_fields import image_shape, mosaic
from eigencode.report.run import StudyRun, arrays
from eigencode.report.view import Series, View
from eigencode.rules.convergence import Convergence
from eigencode.spectra.spectrum import Spectrum

COLUMNS, MOSAICS = 8, 3
"""Most numbers beside the figure, and most models whose weights are shown."""

PIXELS = 250_000
"""Most pixels of all pictures of weights together: they are the larger part of the page."""


def training_moments(view: View, data: str) -> Iterator[Plot]:
    """Plot one panel per spectrum, and the weights of locally trained models, of the first seed at every snapshot."""
    places = frames(view, data)
    spectra = [n for n in view.quantities("spectrum", data) if n in measured(view, data)]
    layers = [s for s in view.series(data) if s.run.results["study"]["receptive_fields"] and _layers(s)][:MOSAICS]
    if not places or not spectra:
        return
    plot = Plot(view, len(spectra) + len(layers), 2.6)
    numbers = measured(view, data, ())[:COLUMNS]
    plot.more = {"frames": places, "columns": numbers, "rows": told(view, data, numbers, places)}
    for axes, name in zip(plot.panels, spectra, strict=False):
        axes.set(xscale="log", yscale="log")
        ends = [end for series in view.series(data) for end in _spectra(plot, axes, series, name)]
        axes.set(ylim=(max(0.3 * min(ends), LOWEST), HIGHEST), title=label(name), xlabel="rank n", ylabel=RELATIVE)
        log_axis(axes.xaxis)
        log_axis(axes.yaxis)
    for axes, series in zip(plot.panels[len(spectra) :], layers, strict=True):
        _weights(plot, axes, series, len(layers))
    yield plot


def _spectra(plot: Plot, axes: Axes, series: Series, name: str) -> Iterator[float]:
    """Draw the spectrum and the fit of every snapshot; yield the smallest eigenvalues shown."""
    epochs, places = moments(series), plot.more["frames"]
    for step, (first, last) in spans(list(epochs), places).items():
        seed = series.run.results["study"]["seeds"][0]
        for spectrum in series.load(Spectrum, quantity=name, epoch=epochs[step], seed=seed):
            fit = series.run.fits[name]
            law = law_of(spectrum, fit["window"], fit["weights"])
            with plot.between(first, last, printed=last == len(places) - 1):
                values = spectrum.eigenvalues / spectrum.eigenvalues[0]
                shown = points(values, len(places) * len(plot.view.models))
                plot.line(axes, series, *shown, seed=spectrum.seed, what=f"step {step}")
                if law:
                    law_line(plot, axes, series, fit["window"], law.alpha, law.intercept)
            yield smallest(spectrum)


def _layers(series: Series) -> dict[int, Any]:
    """The folder of the local layer of the first seed, for every step at which it was measured."""
    found = {s: series.run.locally_trained(series.data, series.model, e) for s, e in moments(series).items()}
    return {step: folders[0] for step, folders in found.items() if folders}


def _weights(plot: Plot, axes: Axes, series: Series, models: int) -> None:
    """Draw the weights of the units that win most at the last snapshot, at every snapshot."""
    layers, places = _layers(series), plot.more["frames"]
    shape, state = image_shape(last := layers[max(layers)]), StudyRun.read(Convergence, last / "convergence")
    room = PIXELS // (len(layers) * models * (shape[1] + 1) * (shape[2] + 1))
    most = max(1, min(room, series.run.results["study"]["receptive_fields"]))
    order = state.wins.argsort(descending=True, stable=True)[:most]
    for step, (first, end) in spans(list(layers), places).items():
        with plot.between(first, end, printed=end == len(places) - 1):
            weights = arrays(layers[step])["encoder.weight"][order]
            plot.mark([mosaic(axes, weights, shape, pixels="none")], axes, series)
    axes.set_title(f"{label(series.label, 24)}: {len(order)} of {len(state.wins)} units")
