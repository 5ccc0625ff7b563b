"""Weights of locally trained units as images, sorted by number of wins."""

from matplotlib.figure import Figure
from torch import Tensor

from eigencode.report.figures._style import DOUBLE
from eigencode.report.run import StudyRun, arrays


def receptive_fields(run: StudyRun, data: str) -> Figure | None:
    """Plot the weights of the units with most wins, first locally trained model; red positive, blue negative."""
    wanted: int = run.results["study"]["receptive_fields"]
    folders = [folder for model in run.models for folder in run.locally_trained(data, model)[:1]]
    if not wanted or not folders:
        return None
    found = arrays(folders[0])
    shape = image_shape(folders[0])
    order = found["encoder.wins"].argsort(descending=True)[:wanted]
    weights = found["encoder.weight"][order].reshape(-1, *shape)
    columns = min(len(weights), max(1, round(len(weights) ** 0.5 * 1.6)))
    rows = -(-len(weights) // columns)
    figure = Figure(figsize=(DOUBLE, DOUBLE * rows / columns))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, weight in zip(panels, weights, strict=False):
        draw_weight(axes, weight)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)  # type: ignore[call-arg,union-attr]
    return figure


def draw_weight(axes, weight: Tensor) -> None:  # type: ignore[no-untyped-def]
    """Plot the weights of one unit, `C H W`, scaled by their largest magnitude."""
    largest = float(weight.abs().max()) or 1.0
    if len(weight) == 3:
        axes.imshow((weight.permute(1, 2, 0) / largest / 2 + 0.5).clamp(0, 1).numpy(), interpolation="nearest")
    else:
        axes.imshow(weight.mean(0).numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")


def image_shape(folder) -> tuple[int, int, int]:  # type: ignore[no-untyped-def]
    """Read the image shape from the header of the weights file."""
    import json

    from safetensors import safe_open

    with safe_open(str(folder / "network.safetensors"), "pt") as file:
        shape = json.loads(file.metadata()["eigencode"])["shape"]
    return (int(shape[0]), int(shape[1]), int(shape[2]))
