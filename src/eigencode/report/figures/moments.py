"""Spectra, weights and numbers of the models at one moment of their training, which a slider of the page chooses."""

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes

from eigencode.report.figures._laws import law_line, law_of, points, smallest, spectrum_axes
from eigencode.report.figures._mosaic import first_layer, mosaic
from eigencode.report.figures._style import label
from eigencode.report.figures._time import frames, measured, moments, spans, told
from eigencode.report.figures.plot import Plot
from eigencode.report.view import Series, View
from eigencode.spectra.spectrum import Spectrum

COLUMNS, MOSAICS, POINTS = 8, 3, 90
"""Most numbers beside the figure, most models whose weights are shown, and most points of a spectrum."""

LETTERS = 450_000
"""Most letters of the page for pictures of weights; a pixel of noise takes 4 in colours, 1.8 in grey."""


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
        if not ends:  # results without their records
            return
        spectrum_axes(axes, name, ends)
    for axes, series in zip(plot.panels[len(spectra) :], layers, strict=True):
        _weights(plot, axes, series, len(layers))
    yield plot


def _spectra(plot: Plot, axes: Axes, series: Series, name: str) -> Iterator[float]:
    """Draw the spectrum and the fit of every snapshot; yield the smallest eigenvalues shown."""
    epochs, places = moments(series, name), plot.more["frames"]
    for step, (first, last) in spans(list(epochs), places).items():
        seed = series.run.results["study"]["seeds"][0]
        for spectrum in series.load(Spectrum, quantity=name, epoch=epochs[step], seed=seed):
            fit = series.run.fits[name]
            law = law_of(spectrum, fit["window"], fit["weights"])
            with plot.between(first, last, printed=last == len(places) - 1):
                shown = points(spectrum.eigenvalues / spectrum.eigenvalues[0], 1, POINTS)
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
    _, wins, shape = first_layer(layers[max(layers)])
    pixel, tile = 4 if shape[0] == 3 else 1.8, (shape[1] + 1) * (shape[2] + 1)
    room = int(LETTERS / (pixel * tile * len(layers) * models))
    most = max(1, min(room, series.run.results["study"]["receptive_fields"]))
    order = wins.argsort(descending=True, stable=True)[:most]
    for step, (first, end) in spans(list(layers), places).items():
        with plot.between(first, end, printed=end == len(places) - 1):
            weights, *_ = first_layer(layers[step])
            plot.mark([mosaic(axes, weights[order], shape, pixels="none")], axes, series)
    axes.set_title(f"{label(series.label, 24)}: {len(order)} of {len(wins)} units")
