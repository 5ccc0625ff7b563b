"""Static figures of a study.  A new figure is one file and one row in FIGURES."""

from collections.abc import Callable

from matplotlib.figure import Figure

from eigencode.report.figures.deviations import deviations
from eigencode.report.figures.landscapes import landscapes
from eigencode.report.figures.pruning import pruning
from eigencode.report.figures.receptive_fields import receptive_fields
from eigencode.report.figures.robustness import robustness
from eigencode.report.figures.seeds import seeds
from eigencode.report.figures.spectra import spectra
from eigencode.report.figures.tradeoff import tradeoff
from eigencode.report.figures.widths import widths
from eigencode.report.figures.windows import slopes, windows
from eigencode.report.run import StudyRun

FIGURES: dict[str, tuple[Callable[[StudyRun, str], Figure | None], str]] = {
    "robustness": (robustness, "Accuracy against perturbation size, and the critical size of every image"),
    "spectra": (spectra, "Covariance spectra and their power laws"),
    "widths": (widths, "Spectra of nested random sets of units"),
    "slopes": (slopes, "Local slopes of the spectra: a power law is a horizontal line"),
    "windows": (windows, "α over all windows of ranks; the cross is the window of the table"),
    "landscapes": (landscapes, "Jacobian norm, predicted class and confidence on planes through test images"),
    "pruning": (pruning, "Units that pruning takes away, and spectra before and after"),
    "tradeoff": (tradeoff, "Test accuracy against median critical size"),
    "deviations": (
        deviations,
        "Numbers with one departure of the published code on and off; 95 % intervals may leave the panel",
    ),
    "seeds": (
        seeds,
        "Every quantity by model; dots are seeds, bars mean and 95 % interval (which may leave the panel)",
    ),
    "receptive_fields": (receptive_fields, "Weights of the locally trained units"),
}
"""Name -> (function of a run and a data set that returns a figure or None, caption)."""
