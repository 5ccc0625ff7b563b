"""Names of axes are understood in the spellings people use, and one unknown name beside known ones."""

import pytest

from eigencode.base.axes import letters, plain
from eigencode.base.errors import InputError


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        (("neuron", "time"), "su", "us"),
        (("time", "neuron"), "su", "su"),
        (("Units", "n_stimuli"), "su", "us"),
        (("unit_id", "stage"), "su", "us"),
        (("electrodes", "trials"), "su", "us"),
        (("presentation", "neuroid"), "su", "su"),
        (("voxel", "condition"), "su", "us"),
        (("roi_index", "frames"), "su", "us"),
        (("neuron", "image", "trial"), "rsu", "usr"),
        (("rep", "stim_idx", "cell"), "rsu", "rsu"),
        (("neuron", "day", "stimulus"), "rsu", "urs"),
        (("image", "y", "x", "channel"), "nchw", "nhwc"),
        (("N", "C", "H", "W"), "nchw", "nchw"),
        (("batch", "height", "width", "rgb"), "nchw", "nhwc"),
        (("foo", "bar"), "su", None),
    ],
)
def test_names_are_understood(names: tuple[str, ...], wanted: str, found: str | None) -> None:
    assert letters(names, wanted, "x", "") == found


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("neuron", "cell"), "su"),
        (("trial", "stimulus"), "su"),
        (("neuron", "a", "b"), "rsu"),
        (("x", "x", "y", "c"), "nchw"),
    ],
)
def test_names_that_contradict_each_other_are_refused(names: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(InputError, match="do not say what they are"):
        letters(names, wanted, "x", "")


def test_additions_to_names_are_left_out() -> None:
    assert [plain(n) for n in ("n_Neurons", "StimulusID", "trial_number", "stimuli", "obs")] == [
        *("neuron", "stimulus", "trial", "stimulus", "obs")
    ]
