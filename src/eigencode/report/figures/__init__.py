"""Figures of a study, for print and for its page.  A new figure is one file and one row in FIGURES."""

from collections.abc import Callable, Iterable

from eigencode.report.figures.calibration import calibration
from eigencode.report.figures.course import courses
from eigencode.report.figures.deviations import deviations
from eigencode.report.figures.landscapes import landscapes
from eigencode.report.figures.moments import training_moments
from eigencode.report.figures.plot import Plot
from eigencode.report.figures.pruning import pruning
from eigencode.report.figures.receptive_fields import receptive_fields
from eigencode.report.figures.relations import effects, predictions, relations
from eigencode.report.figures.robustness import robustness
from eigencode.report.figures.seeds import seeds
from eigencode.report.figures.spectra import spectra
from eigencode.report.figures.tradeoff import tradeoff
from eigencode.report.figures.training import training
from eigencode.report.figures.trajectory import trajectories
from eigencode.report.figures.widths import widths
from eigencode.report.figures.windows import slopes, windows
from eigencode.report.view import View

FIGURES: dict[str, tuple[Callable[[View, str], Iterable[Plot]], str, str]] = {
    "tradeoff": (
        tradeoff,
        "Accuracy against robustness",
        "A point per seed, with 95 % intervals over images; up and to the right is better. The critical size of an "
        "image is the smallest perturbation found that changes its predicted class; ▾: models of far lower accuracy.",
    ),
    "relations": (
        relations,
        "What the outcome depends on, over all networks",
        "A point per network. Solid: the slope within families, through each; dashed: between their means. Both are at "
        "equal controls; where they disagree, families differ in something else.",
    ),
    "effects": (
        effects,
        "Effects of the predictors at equal controls",
        "Regression coefficients, in units of the outcome per standard deviation of the predictor: over all networks, "
        "within families, and between families. Bars are 95 % intervals over families.",
    ),
    "predictions": (
        predictions,
        "Networks of one family predicted from all others",
        "On the line the prediction is right; R² = 0 is no better than the mean of the other families, below 0 worse.",
    ),
    "moments": (
        training_moments,
        "Spectra at a moment of training",
        "First seed, with the fitted power law dotted; pictures are weights of the units that win most at the end. The "
        "slider chooses the moment; each model is shown at its last snapshot until then, in print at the end of its "
        "training. Numbers are means over seeds with 95 % intervals.",
    ),
    "course": (
        courses,
        "Every quantity against the training steps",
        "Thick lines are means over seeds with 95 % intervals (which may leave the panel), thin lines the seeds. The "
        "axis of steps is logarithmic from the first snapshot after step 0.",
    ),
    "trajectory": (
        trajectories,
        "Exponent and robustness during training",
        "A line per seed, from the first snapshot (open marker) to the last (filled), in the direction of the arrows; "
        "dots are snapshots, on the page a ring around the chosen one. Right: smoother; up: more robust.",
    ),
    "robustness": (
        robustness,
        "Accuracy under perturbations, and critical sizes",
        "Relative accuracy counts the images that are right without a perturbation. Unit space: each image is scaled "
        "to unit norm before it is perturbed. Above a box: share of images that nothing changed.",
    ),
    "spectra": (
        spectra,
        "Covariance spectra and their exponent α",
        "A straight line is a power law λₙ ∝ n^(−α); a steeper one is a smoother code. Thin lines are further seeds, "
        "dotted lines the fits (mean over seeds), with α as in the table.",
    ),
    "slopes": (
        slopes,
        "Local slopes of the spectra",
        "A power law is a horizontal line. Grey: the window of the study.",
    ),
    "windows": (windows, "α over all windows of ranks", "Each cell is a window; the cross is the study's. First seed."),
    "widths": (
        widths,
        "Spectra of nested random sets of units",
        "First seed. The fit ends at the study's last rank or at half of the units, whichever comes first.",
    ),
    "landscapes": (
        landscapes,
        "Jacobian and decisions on a plane through test images",
        "First seed, one scale for all models; + marks the images, the line where the decision first changes.",
    ),
    "pruning": (
        pruning,
        "Units that pruning takes away",
        "First seed. Units right of the dashed line were candidates for pruning.",
    ),
    "receptive_fields": (
        receptive_fields,
        "Weights of locally trained units",
        "First seed, most wins first, each on its own scale: red positive, blue negative. Dotted frame: not converged.",
    ),
    "training": (training, "Training", "Lines are means over seeds, bands their range."),
    "deviations": (
        deviations,
        "Departures of the published code, on and off",
        "One row per departure and model; bars are 95 % intervals and may leave the panel.",
    ),
    "calibration": (
        calibration,
        "Bias and coverage of estimators of noisy spectra",
        "Of α of cvPCA, and of the parameters that the moments find, where the fits are not warned; open markers: most "
        "fits are warned. Bars are 95 % intervals over replicates (which may leave the panel); grey: no bias and 0.95.",
    ),
    "seeds": (
        seeds,
        "Every quantity by model",
        "Dots are seeds, bars mean and 95 % interval over seeds and images (which may leave the panel).",
    ),
}
"""Name -> (function of the runs and a data set that draws the figure, caption, explanation)."""
