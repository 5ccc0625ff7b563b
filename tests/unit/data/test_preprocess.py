"""What is done before a spectrum: each step against plain numpy, and all of them against the published order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import BLANK, ISTIM, stim, write_stringer

from eigencode.base.errors import DataError, InputError
from eigencode.data import Recording, prepared, read_recording
from eigencode.data.preprocess import finite, varying, without_spontaneous, zscored


def make(repeats: int = 2, stimuli: int = 9, units: int = 5, frames: int = 20, seed: int = 0) -> Recording:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(repeats, stimuli, units, generator=rng, dtype=torch.float64) * 3 + 100
    return Recording(x, torch.randn(frames, units, generator=rng, dtype=torch.float64) * 2 + 50)


def test_zscores_unit_by_unit() -> None:
    given = make()
    assert given.spontaneous is not None
    found = zscored(given)
    for unit in range(5):
        spont = given.spontaneous[:, unit].numpy()
        mean = sum(spont) / 20
        sd = (sum((s - mean) ** 2 for s in spont) / 20) ** 0.5
        torch.testing.assert_close(found.responses[..., unit], (given.responses[..., unit] - mean) / sd)
    assert found.spontaneous is not None
    torch.testing.assert_close(found.spontaneous.mean(0), torch.zeros(5).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.spontaneous.std(0, correction=0), torch.ones(5).double())
    assert found.notes == ("z-scored by mean and sd of 20 frames of spontaneous activity",)


def test_zscores_by_the_responses_where_there_is_nothing_else() -> None:
    found = zscored(Recording(make().responses)).responses.flatten(0, 1)
    torch.testing.assert_close(found.mean(0), torch.zeros(5).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.std(0, correction=0), torch.ones(5).double())


def test_zscores_need_variance() -> None:
    given = make()
    assert given.spontaneous is not None
    spontaneous = given.spontaneous.clone()
    spontaneous[:, 3] = 7
    with pytest.raises(DataError, match=r"recording: responses: units without variance[\s\S]*\[3\]"):
        zscored(Recording(given.responses, spontaneous))


@pytest.mark.parametrize(("frames", "units"), [(40, 12), (9, 30), (12, 12)])
@pytest.mark.parametrize("components", [1, 3, 8])
def test_spontaneous_components_are_those_of_an_svd(frames: int, units: int, components: int) -> None:
    given = make(units=units, frames=frames)
    assert given.spontaneous is not None
    found = without_spontaneous(given, components)
    spont = given.spontaneous.numpy()
    v = np.linalg.svd(spont - spont.mean(0))[2][:components].T
    expected = given.responses.numpy() - given.responses.numpy() @ v @ v.T
    torch.testing.assert_close(found.responses, torch.from_numpy(expected), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        found.responses @ torch.from_numpy(v), torch.zeros(2, 9, components).double(), rtol=0, atol=1e-9
    )
    assert torch.linalg.matrix_rank(found.responses[0]) <= min(9, units - components)


def test_spontaneous_components_that_are_not_there() -> None:
    with pytest.raises(InputError, match="no spontaneous activity to remove"):
        without_spontaneous(Recording(make().responses), 1)
    for components in (0, 5):
        with pytest.raises(InputError, match=r"not that many components[\s\S]*1 \.\. 4"):
            without_spontaneous(make(), components)
    flat = torch.linspace(0, 1, 20).double()[:, None].expand(20, 5)  # rank one
    with pytest.raises(InputError, match="spontaneous activity has fewer components"):
        without_spontaneous(Recording(make().responses, flat), 2)


def test_nan_policies_count_what_they_drop() -> None:
    given = make()
    assert given.spontaneous is not None
    x, spont = given.responses.clone(), given.spontaneous.clone()
    x[0, 2, 1], x[1, 2, 4], x[1, 7, 1], spont[5, 0] = torch.nan, torch.inf, torch.nan, torch.nan
    holed = Recording(x, spont)
    with pytest.raises(
        DataError, match=r"NaN or infinite[\s\S]*3 in the responses \(2 stimuli\), 1 in the spont.*3 of 5"
    ):
        finite(holed)
    units = finite(holed, "drop units")
    torch.testing.assert_close(units.responses, given.responses[..., [2, 3]], rtol=0, atol=0)
    torch.testing.assert_close(units.spontaneous, given.spontaneous[:, [2, 3]], rtol=0, atol=0)
    assert units.notes == ("3 of 5 units left out: NaN",)
    stimuli = finite(holed, "drop-stimuli")
    torch.testing.assert_close(stimuli.responses, given.responses[:, [0, 1, 3, 4, 5, 6, 8]], rtol=0, atol=0)
    assert stimuli.stimuli == (0, 1, 3, 4, 5, 6, 8)
    assert stimuli.spontaneous is not None
    assert len(stimuli.spontaneous) == 19
    assert stimuli.notes == (
        "2 of 9 stimuli left out: NaN",
        "1 of 20 frames of spontaneous activity left out: NaN",
    )
    assert finite(given) is given
    with pytest.raises(InputError, match="unknown policy for nan"):
        finite(given, "drop")


def test_nothing_left_is_an_error() -> None:
    x = make().responses.clone()
    x[0].fill_diagonal_(torch.nan)
    x[0, 5:, 0] = torch.nan
    with pytest.raises(DataError, match="not enough to measure"):
        finite(Recording(x), "drop stimuli")
    with pytest.raises(DataError, match="not enough to measure"):
        finite(Recording(x), "drop units")


def test_constant_units() -> None:
    given = make()
    assert given.spontaneous is not None
    x, spont = given.responses.clone(), given.spontaneous.clone()
    x[..., 2], spont[:, 4] = 5, 0
    still = Recording(x, spont)
    with pytest.raises(DataError, match=r"units that never change[\s\S]*1 of 5, numbers \[2\]"):
        varying(still)
    with pytest.raises(DataError, match=r"2 of 5, numbers \[2, 4\]"):
        varying(still, spontaneous=True)
    assert varying(still, "drop units").notes == ("1 of 5 units left out: constant",)
    torch.testing.assert_close(varying(still, "drop units", True).responses, x[..., [0, 1, 3]], rtol=0, atol=0)
    assert prepared(still, constant="drop-units", zscore=True).responses.shape == (2, 9, 3)
    assert prepared(still, constant="drop-units").responses.shape == (2, 9, 4)
    assert varying(given) is given
    with pytest.raises(InputError, match="unknown policy for constant"):
        varying(given, "drop stimuli")


def test_the_whole_preparation_is_the_published_one(tmp_path: Path) -> None:
    """Trial by trial in the order of loadProc2800.m, then split in halves; here the halves first."""
    path = write_stringer(tmp_path / "natimg2800_M0.mat")
    found = prepared(read_recording(path), zscore=True, remove_spontaneous=3).responses.numpy()
    raw, istim = stim(), np.array(ISTIM)
    resp, spont = raw["resp"][istim != BLANK].astype(np.float64), raw["spont"].astype(np.float64)
    istim = istim[istim != BLANK]
    mean, sd = spont.mean(0), spont.std(0)
    resp, spont = (resp - mean) / sd, (spont - mean) / sd
    v = np.linalg.svd(spont, full_matrices=False)[2][:3].T
    resp = resp - resp @ v @ v.T
    resp = resp - resp.mean(0)
    halves = np.empty((2, 4, 7))
    for row, number in enumerate((1, 2, 3, 5)):
        (shown,) = np.nonzero(istim == number)
        halves[0, row] = resp[shown[: len(shown) // 2]].mean(0)
        halves[1, row] = resp[shown[-(len(shown) // 2) :]].mean(0)
    np.testing.assert_allclose(found - found.mean(1, keepdims=True), halves - halves.mean(1, keepdims=True), atol=1e-5)


def test_nothing_of_the_callers_is_changed() -> None:
    given = make()
    assert given.spontaneous is not None
    before = given.responses.clone(), given.spontaneous.clone()
    prepared(given, zscore=True, remove_spontaneous=2)
    torch.testing.assert_close((given.responses, given.spontaneous), before, rtol=0, atol=0)
    assert given.notes == ()


def test_repeats_that_are_not_used_leave_out_no_stimulus(rng: torch.Generator) -> None:
    x = torch.randn(4, 6, 3, generator=rng)
    x[3, :4] = torch.nan  # in a repeat that nobody uses
    x[2, 1, 0] = torch.inf
    found = prepared(Recording(x), nan="error")
    torch.testing.assert_close(found.responses, x[:2], rtol=0, atol=0)
    whole = torch.randn(4, 6, 3, generator=rng)
    assert prepared(Recording(whole), nan="error").responses.shape == (4, 6, 3)


def test_unequal_repeats_are_filled_with_nan_and_the_first_two_are_used(rng: torch.Generator) -> None:
    whole, x = torch.randn(4, 5, 3, generator=rng), torch.full((4, 5, 3), torch.nan)
    shown = [(0, 1, 2, 3), (1, 3), (0, 2, 3), (2,), (2, 3)]
    for stimulus, repeats in enumerate(shown):
        for repeat in repeats:
            x[repeat, stimulus] = whole[repeat, stimulus]
    with pytest.raises(DataError, match="NaN or infinite values"):
        prepared(Recording(x))
    found = prepared(Recording(x), nan="drop stimuli")
    assert found.stimuli == (0, 1, 2, 4)
    expected = torch.stack([torch.stack([whole[r[i], s] for s, r in enumerate(shown) if len(r) > 1]) for i in (0, 1)])
    torch.testing.assert_close(found.responses, expected, rtol=0, atol=0)
    assert "of every stimulus the first two" in found.notes[0]
