"""What is done before a spectrum: each step against plain numpy, and all of them against the published order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import ISTIM, stim, write_stringer

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
        "1 of 20 frames of spontaneous activity left out: NaN",
        "3 of 18 presentations left out: NaN",
        "2 of 9 stimuli left out: fewer than two presentations",
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
    """Trial by trial in the order of loadProc2800.m."""
    path = write_stringer(tmp_path / "natimg2800_M0.mat")
    found = prepared(read_recording(path), zscore=True, remove_spontaneous=3).responses.numpy()
    raw, istim = stim(), np.array(ISTIM)
    resp, spont = raw["resp"].astype(np.float64), raw["spont"].astype(np.float64)
    mean, sd = spont.mean(0), spont.std(0)
    resp, spont = (resp - mean) / sd, (spont - mean) / sd
    v = np.linalg.svd(spont, full_matrices=False)[2][:3].T
    resp = resp - resp @ v @ v.T
    for row, number in enumerate((1, 2, 3, 5)):
        shown = resp[istim == number]
        np.testing.assert_allclose(found[: len(shown), row], shown, atol=1e-5)
        assert np.isnan(found[len(shown) :, row]).all()


def test_nothing_of_the_callers_is_changed() -> None:
    given = make()
    assert given.spontaneous is not None
    before = given.responses.clone(), given.spontaneous.clone()
    prepared(given, zscore=True, remove_spontaneous=2)
    torch.testing.assert_close((given.responses, given.spontaneous), before, rtol=0, atol=0)
    assert given.notes == ()


def unequal(rng: torch.Generator) -> tuple[Recording, torch.Tensor, list[tuple[int, ...]]]:
    """Four repeats of five stimuli with gaps, the same without, and the repeats of each stimulus."""
    whole, x = torch.randn(4, 5, 3, generator=rng), torch.full((4, 5, 3), torch.nan)
    shown = [(0, 1, 2, 3), (1, 3), (0, 2, 3), (2,), (2, 3)]
    for stimulus, repeats in enumerate(shown):
        x[list(repeats), stimulus] = whole[list(repeats), stimulus]
    return Recording(x), whole, shown


def test_unequal_repeats_are_kept_whatever_the_policy(rng: torch.Generator) -> None:
    given, whole, shown = unequal(rng)
    for policy in ("error", "drop units", "drop stimuli"):
        found = prepared(given, nan=policy)
        assert found.stimuli == (0, 1, 2, 4)
        assert found.notes == ("1 of 5 stimuli left out: fewer than two presentations",)
        for row, stimulus in enumerate(found.stimuli):
            mine = whole[list(shown[stimulus]), stimulus]
            torch.testing.assert_close(found.responses[: len(mine), row], mine, rtol=0, atol=0)
            assert bool(found.responses[len(mine) :, row].isnan().all())


def test_nan_of_what_is_left_out_does_not_count(rng: torch.Generator) -> None:
    given, *_ = unequal(rng)
    x = given.responses.clone()
    x[2, 3, 0] = torch.inf  # of the stimulus shown once
    torch.testing.assert_close(prepared(Recording(x)).responses, prepared(given).responses, equal_nan=True)
    whole, spont = torch.randn(2, 6, 3, generator=rng), torch.randn(9, 3, generator=rng)
    x = whole.clone()
    x[:, :, 1], x[0, 2, 1], spont[4, 0] = 7.0, torch.nan, torch.nan
    still = Recording(x, spont)
    found = prepared(still, constant="drop units")  # of a unit that is left out, and of activity that nothing uses
    torch.testing.assert_close(found.responses, whole[:, :, [0, 2]], rtol=0, atol=0)
    with pytest.raises(DataError, match="1 in the spontaneous activity"):
        prepared(still, constant="drop units", zscore=True)


def test_a_presentation_with_nan_leaves_the_others_of_its_stimulus(rng: torch.Generator) -> None:
    whole = torch.randn(3, 6, 4, generator=rng)
    x = whole.clone()
    x[0, 1, 2], x[:2, 4, 0] = torch.nan, torch.nan
    with pytest.raises(DataError, match=r"3 in the responses \(2 stimuli\)"):
        prepared(Recording(x))
    found = prepared(Recording(x), nan="drop stimuli")
    assert found.stimuli == (0, 1, 2, 3, 5)
    torch.testing.assert_close(found.responses[:2, 1], whole[1:, 1], rtol=0, atol=0)
    assert found.notes[0] == "3 of 18 presentations left out: NaN"
    assert prepared(Recording(x), nan="drop units").responses.shape == (3, 6, 2)


def test_unequal_repeats_are_scaled_by_what_was_recorded(rng: torch.Generator) -> None:
    given = prepared(unequal(rng)[0])
    found = prepared(given, zscore=True).responses
    rows = given.responses[~given.responses.isnan().all(2)].double()
    expected = (given.responses.double() - rows.mean(0)) / rows.std(0, correction=0)
    torch.testing.assert_close(found, expected, equal_nan=True)
