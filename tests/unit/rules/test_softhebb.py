"""SoftHebb and its hard limit: the published formulae by index loops, identities, and the path for convolutions."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import LocalConv2d, Stack, local_layer
from eigencode.rules import Competitive, HardWTA, Hebbian, KrotovHopfield, Oja, Rule, Sanger, SoftHebb
from eigencode.training import train_local

RULES = [SoftHebb(), SoftHebb(inverse_temperature=0.3, losers="hebbian"), HardWTA(), Oja(), Sanger(), Competitive()]


def problem(rows: int = 30, units: int = 7, inputs: int = 12) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    return (torch.randn(*s, generator=g, dtype=torch.float64) for s in ((rows, inputs), (units, inputs)))  # type: ignore[return-value]


def by_loops(x: Tensor, w: Tensor, t: float, anti: bool) -> Tensor:
    """ΔW of SoftHebb, one number after the other."""
    change = torch.zeros_like(w)
    for row in x.tolist():
        u = [sum(a * b for a, b in zip(row, unit, strict=True)) for unit in w.tolist()]
        whole = sum(math.exp(t * value) for value in u)
        for k, unit in enumerate(w.tolist()):
            y = math.exp(t * u[k]) / whole
            y = -y if anti and u[k] != max(u) else y
            for i, weight in enumerate(unit):
                change[k, i] += y * (row[i] - u[k] * weight)
    return change


@pytest.mark.parametrize("losers", ["anti-hebbian", "hebbian"])
def test_the_update_is_the_published_formula(losers: str) -> None:
    x, w = problem()
    rule = SoftHebb(inverse_temperature=0.7, losers=losers)  # type: ignore[arg-type]
    torch.testing.assert_close(rule.update(x, w), by_loops(x, w, 0.7, losers == "anti-hebbian"))


def test_every_unit_steps_at_a_rate_of_its_own() -> None:
    x, w = problem()
    w = w * torch.linspace(0.1, 9, len(w), dtype=torch.float64)[:, None]
    rule, before = SoftHebb(annealing=0.3), w.clone()
    delta = rule.update(x, w)
    rule.step(w, rule.rows(x, w), 0.08)
    for k, unit in enumerate(before):
        rate = 0.08 * (abs(math.sqrt(sum(float(v) ** 2 for v in unit)) - 1) + 1e-10) ** 0.3
        torch.testing.assert_close(w[k], unit + rate * delta[k] / delta.abs().max())


def test_gains_share_one_among_the_units_and_only_the_winner_is_attracted() -> None:
    x, w = problem()
    u = x @ w.T
    y = SoftHebb().gains(u, u.argmax(1))
    torch.testing.assert_close(y.abs().sum(1), torch.ones(len(x), dtype=torch.float64))
    assert bool(((y > 0).sum(1) == 1).all())
    assert torch.equal(y.argmax(1), u.argmax(1))


def test_limits_of_the_temperature() -> None:
    x, w = problem()
    torch.testing.assert_close(SoftHebb(inverse_temperature=1e6).update(x, w), HardWTA().update(x, w))
    u = x @ w.T
    flat = SoftHebb(inverse_temperature=0.0).gains(u, u.argmax(1)).abs()
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / len(w)))


@pytest.mark.parametrize("rule", [SoftHebb(), SoftHebb(losers="hebbian"), HardWTA()], ids=repr)
def test_norms_of_one_row_change_as_the_identity_says(rule: Hebbian) -> None:
    """d‖w‖² / dη = 2 y u (1 − ‖w‖²): a loser with a positive current moves away from the unit sphere."""
    x, w = problem(rows=1)
    u = x @ w.T
    slope = 2 * (rule.update(x, w) * w).sum(1)
    torch.testing.assert_close(slope, (2 * rule.gains(u, u.argmax(1)) * u)[0] * (1 - w.square().sum(1)))


@pytest.mark.parametrize("rule", [r for r in RULES if not isinstance(r, Sanger)], ids=repr)
def test_permuting_units_permutes_the_change(rule: Rule) -> None:
    x, w = problem()
    order = torch.randperm(len(w), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rule.update(x, w[order]), rule.update(x, w)[order])


@pytest.mark.parametrize("numbers", [2**25, 1000])
@pytest.mark.parametrize("rule", [*RULES, KrotovHopfield()], ids=repr)
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 2), (2, 1), (3, 0)])
def test_a_convolution_learns_as_the_rule_does_on_its_patches(
    rule: Rule, stride: int, padding: int, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eigencode.models.local.PATCH_NUMBERS", numbers)
    g = torch.Generator().manual_seed(2)
    x, w = torch.randn(6, 2, 9, 8, generator=g), torch.randn(5, 18, generator=g)
    layer = LocalConv2d(w, rule, 3, stride=stride, padding=padding)
    found = layer.change(rule, x, rule.operand(w))
    patches = F.unfold(x.double(), 3, padding=padding, stride=stride).transpose(1, 2).reshape(-1, 18)
    wanted = rule.rows(patches, w.double())
    torch.testing.assert_close([found.units, found.winners], [wanted.units, wanted.winners])
    values = wanted.values.float()
    torch.testing.assert_close(found.values, values, rtol=1e-5, atol=1e-5 * float(values.abs().max()))
    assert found.repelled == wanted.repelled


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_products_in_bfloat16_change_the_update_by_their_rounding(
    rule: Hebbian, multiplies_bfloat16: Callable[[bool], None]
) -> None:
    multiplies_bfloat16(True)
    x, w = (t.float() for t in problem(rows=200))
    exact, low = (replace(rule, precision=p).rows(x, w).values for p in ("float32", "bfloat16"))  # type: ignore[arg-type]
    assert low.dtype == torch.float32
    assert 1e-4 < float((low - exact).norm() / exact.norm()) < 3e-2
    layer = LocalConv2d(w, replace(rule, precision="bfloat16"), (3, 4))
    torch.testing.assert_close(layer(x.reshape(-1, 1, 3, 4)).flatten(1), x @ w.T)  # what the layer computes is exact


def test_shares_that_vanish_are_no_denormal_numbers() -> None:
    u = torch.tensor([[0.0, -80.0, -300.0]])
    share = SoftHebb(losers="hebbian").gains(u, u.argmax(1))
    torch.testing.assert_close(share, torch.tensor([[1.0, 0.0, 0.0]]), rtol=0, atol=1e-30)
    assert float(share.min()) > 1e-31


def planted(samples: int = 4000, inputs: int = 10) -> tuple[Tensor, Tensor]:
    """Samples whose principal directions are the rows of the second result, in order."""
    g = torch.Generator().manual_seed(5)
    directions = torch.linalg.qr(torch.randn(inputs, inputs, generator=g, dtype=torch.float64)).Q.T
    scores = torch.randn(samples, inputs, generator=g, dtype=torch.float64)
    scores = torch.linalg.qr(scores - scores.mean(0)).Q * samples**0.5  # exactly uncorrelated, variance 1
    return scores @ (torch.linspace(3, 0.3, inputs, dtype=torch.float64)[:, None] * directions), directions


@pytest.mark.parametrize("make", [Oja, Sanger])
def test_oja_and_sanger_find_the_principal_directions(make: type[Oja]) -> None:
    x, directions = planted()
    rule = make()
    w = rule.init(3, 10, torch.Generator().manual_seed(0)).double()
    for step in range(600):
        rule.step(w, rule.rows(x, w), 0.05 * (1 - step / 600))
    cosines = torch.linalg.svdvals(w @ directions[:3].T)
    assert bool((1 - cosines < 1e-3).all())  # the subspace
    if make is Sanger:
        torch.testing.assert_close((w @ directions[:3].T).abs(), torch.eye(3, dtype=torch.float64), rtol=0, atol=0.02)
    assert bool(rule.health(w, torch.zeros(3, dtype=torch.int64)).converged.all())


@pytest.mark.filterwarnings("ignore::eigencode.base.errors.ConvergenceWarning")
def test_a_convolution_in_a_network_is_trained() -> None:
    g = torch.Generator().manual_seed(0)
    train = Images(torch.rand(40, 1, 8, 8, generator=g), torch.arange(40) % 2)
    rule = SoftHebb(start=5.0)
    net = Stack({"conv": LocalConv2d(rule.init(6, 9, g), rule, 3), "flat": nn.Flatten()}, shape=(1, 8, 8))
    before = local_layer(net).health().norm
    train_local(net, train, epochs=4, lr=0.08, batch_size=10, decay="constant")
    health = local_layer(net).health()
    assert float(health.norm.median()) < float(before.median())
    assert int(health.wins.sum()) == 40 * 36


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start": 0.0}, "start is out of range"),
        ({"start": math.inf}, "start is out of range"),
        ({"annealing": -0.1}, "annealing is out of range"),
        ({"inverse_temperature": -1.0}, "inverse_temperature is out of range"),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SoftHebb(**settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="spread is out of range"):
        Oja(spread=0.0)


@pytest.mark.usefixtures("unchecked")
def test_unknown_losers() -> None:
    with pytest.raises(InputError, match="unknown losers"):
        SoftHebb(losers="all")  # type: ignore[arg-type]


def test_a_rate_multiplies_the_step() -> None:
    x, w = problem()
    one, two = w.clone(), w.clone()
    SoftHebb(rate=0.25).step(one, SoftHebb().rows(x, w), 0.4)
    SoftHebb().step(two, SoftHebb().rows(x, w), 0.1)
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("initial", ["normal", "positive"])
def test_initial_norms_are_those_asked_for(initial: str) -> None:
    w = SoftHebb(start=7.0, initial=initial).init(400, 300, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    torch.testing.assert_close(float(torch.linalg.vector_norm(w, dim=1).square().mean()), 49.0, rtol=0.02, atol=0)
    assert (float(w.min()) >= 0) == (initial == "positive")


def test_centred_currents_compete_and_decay() -> None:
    x, w = problem()
    u = x @ w.T
    centred = (u - u.mean(1, keepdim=True)).clamp_min(0)
    y = SoftHebb().gains(centred, u.argmax(1))
    wanted = y.T @ x - (y * centred).sum(0)[:, None] * w
    torch.testing.assert_close(SoftHebb(centred=True).update(x, w), wanted)


def test_a_centred_softmax_is_that_of_the_triangle() -> None:
    u = torch.tensor([[4.0, 1.0, 1.0]])
    found = SoftHebb(losers="hebbian", centred=True).gains(u, u.argmax(1))
    torch.testing.assert_close(found, torch.tensor([[2.0, 0.0, 0.0]]).softmax(1))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_reflected_padding_is_that_of_conv2d_in_rows_output_and_change(rule: Rule) -> None:
    g = torch.Generator().manual_seed(3)
    x = torch.randn(5, 2, 7, 6, generator=g, dtype=torch.float64)
    weight = torch.randn(4, 18, generator=g, dtype=torch.float64)
    layer = LocalConv2d(weight, rule, 3, padding=2, stride=2, padding_mode="reflect")
    theirs = nn.Conv2d(2, 4, 3, 2, 2, bias=False, padding_mode="reflect").double()
    with torch.no_grad():
        theirs.weight.copy_(weight.reshape(4, 2, 3, 3))
    torch.testing.assert_close(layer(x), theirs(x))
    maps = (layer.rows(x) @ weight.T).reshape(5, *layer(x).shape[2:], 4).movedim(-1, 1)
    torch.testing.assert_close(maps, layer(x))
    by_rows = rule.rows(layer.rows(x), weight, rule.derive(weight))
    torch.testing.assert_close(layer.change(rule, x, rule.derive(weight)).values, by_rows.values)


def test_a_map_smaller_than_its_reflection_is_refused() -> None:
    layer = LocalConv2d(torch.ones(2, 25), SoftHebb(), 5, padding=2, padding_mode="reflect")
    with pytest.raises(InputError, match=r"maps of 2 x 2(?s:.*)at least 3 x 3"):
        layer(torch.ones(1, 1, 2, 2))
