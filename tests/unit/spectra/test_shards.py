"""Spectra of shares of the images, joined: what one pass gives, whoever measured which share."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.spectra._responses import responses
from eigencode.spectra._shards import SpectrumShard, joined_spectrum
from eigencode.spectra.spectrum import Spectrum

SHARES = [(0, 130), (130, 131), (131, 300), (300, 400)]


def spectrum_shard(code: Any, x: torch.Tensor | None = None, batch_size: int | None = None) -> SpectrumShard:
    return SpectrumShard.of(responses(code, x, batch_size))


def joined(shards: list[SpectrumShard], code: Any, x: torch.Tensor | None = None, **how: Any) -> Spectrum:
    return joined_spectrum(iter(shards), responses(code, x, groups=how.pop("groups", None)), **how)


def code() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 60), nn.ReLU())


def images(n: int = 400) -> torch.Tensor:
    return torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("scale", ["none", "zscore"])
@pytest.mark.parametrize("grouped", [False, True])
def test_joined_shards_are_the_spectrum_of_one_pass(scale: str, grouped: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 60, dtype=torch.float64, generator=generator) * torch.arange(1, 61) ** -0.5 + 7
    groups = torch.arange(len(x)) // 4 if grouped else None
    whole = ec.spectrum(x, scale=scale, groups=groups, seed=3)
    found = joined([spectrum_shard(x[a:b]) for a, b in SHARES], x, scale=scale, groups=groups, seed=3)
    torch.testing.assert_close(found.eigenvalues, whole.eigenvalues, rtol=1e-11, atol=0)
    torch.testing.assert_close(found.log_bias, whole.log_bias, rtol=1e-6, atol=1e-9, equal_nan=True)
    law, other = found.power_law(window=(3, 30)), whole.power_law(window=(3, 30))
    assert law.interval == pytest.approx(other.interval, rel=1e-6)
    assert (found.n_samples, found.source, found.n_groups) == (whole.n_samples, whole.source, whole.n_groups)
    assert found.floor == pytest.approx(whole.floor, rel=1e-6)


def test_the_rounding_floor_is_that_of_the_type_of_the_responses() -> None:
    x = 1e3 + torch.randn(90, 20, generator=torch.Generator().manual_seed(6))
    shards = [spectrum_shard(x[:50].double()), spectrum_shard(x[50:])]
    assert joined(shards, x, interval=False).floor == pytest.approx(ec.spectrum(x, interval=False).floor)


def test_shards_of_a_network_are_its_spectrum_up_to_its_own_rounding() -> None:
    """A network multiplies batches of other sizes in another order, in float32."""
    net, x = code(), images()
    whole = ec.spectrum(net, x)
    found = joined([spectrum_shard(net, x[a:b], 50) for a, b in SHARES], net, x)
    assert found.power_law(window=(3, 20)).interval == pytest.approx(whole.power_law(window=(3, 20)).interval, rel=1e-4)


def test_few_images_keep_their_rows_and_give_the_same_bits() -> None:
    x = torch.randn(40, 90, generator=torch.Generator().manual_seed(2))
    shards = [spectrum_shard(x[a:b]) for a, b in pairwise([0, 11, 12, 40])]
    assert all(s.rows is not None for s in shards)
    assert joined(shards, x).eigenvalues.equal(ec.spectrum(x).eigenvalues)


def test_a_shard_is_stored_and_loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    for rows in (20, 300):
        shard = spectrum_shard(torch.randn(rows, 48))
        folder = tmp_path_factory.mktemp("shard")
        shard.save(folder)
        for name, value in SpectrumShard.load(folder).tensors().items():
            assert value.equal(getattr(shard, name))


def test_the_order_of_merging_is_fixed_and_not_that_of_one_pass() -> None:
    """Five shards are merged as ((1 2) (3 4)) 5: a change of the tree changes the last bits of many results."""
    x = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * 1e3
    parts = [spectrum_shard(part) for part in x.split(10)]
    one, two, three, four, five = (p.accumulator() for p in parts)
    wanted = one.merge(two).merge(three.merge(four)).merge(five).eigen(directions=False).values
    found = joined(parts, x, interval=False).eigenvalues
    assert found.equal(wanted)
    torch.testing.assert_close(found, torch.linalg.eigvalsh(torch.cov(x.T)).flip(0), rtol=1e-10, atol=0)


def test_shards_that_do_not_belong_together_are_refused() -> None:
    x = torch.randn(30, 5)
    with pytest.raises(InputError, match="no shard to join"):
        joined([], x)
    with pytest.raises(InputError, match="differ in their number of units"):
        joined([spectrum_shard(x), spectrum_shard(x[:, :4])], x)
    with pytest.raises(InputError, match="not of these samples"):
        joined([spectrum_shard(x[:10])], x)
