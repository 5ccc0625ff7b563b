"""Convergence of a layer whose norms, wins and divergences are planted."""

import pytest
import torch
from torch import Tensor

from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import LocalDense, Stack, convergence, krotov_hopfield, perceptron
from eigencode.rules import KrotovHopfield

TRAIN = Images(torch.full((2, 1, 4, 4), 0.5), torch.tensor([0, 1]))


def planted(norms: Tensor, radius: float = 1.0, p: float = 3.0) -> Stack:
    net = krotov_hopfield(TRAIN, units=len(norms), p=p, radius=radius)
    w = torch.randn(len(norms), 16, generator=torch.Generator().manual_seed(0))
    w *= (norms / torch.linalg.vector_norm(w, p, dim=1))[:, None]
    with torch.no_grad():
        net.encoder.weight.copy_(w)
    return net


@pytest.mark.parametrize(("p", "radius"), [(2.0, 1.0), (3.0, 1.0), (4.5, 2.5)])
def test_norms_and_who_is_at_the_radius(p: float, radius: float) -> None:
    norms = radius + torch.tensor([0.0, 0.0099, -0.0099, 0.0101, -0.0101, 3.0])
    state = convergence(planted(norms, radius, p))
    torch.testing.assert_close(state.norm, norms.double(), rtol=1e-6, atol=0)
    assert state.converged.tolist() == [True, True, True, False, False, False]
    assert (state.fraction, state.p, state.radius) == (0.5, p, radius)
    assert not state.accepted
    assert str(state) == "50.0% of 6 units converged, 0 diverged, 0 won nothing"


@pytest.mark.parametrize(("bad", "accepted"), [(0, True), (1, True), (2, False), (5, False)])
def test_less_than_a_tenth_may_be_away_from_the_radius(bad: int, accepted: bool) -> None:
    norms = torch.ones(20)
    norms[:bad] = 2
    assert convergence(planted(norms)).accepted == accepted


def test_a_single_diverged_unit_spoils_the_layer() -> None:
    net = planted(torch.ones(20))
    with torch.no_grad():
        net.encoder.weight[7] = -0.51
        net.encoder.weight[8] = -0.49
    state = convergence(net)
    assert state.diverged.nonzero().flatten().tolist() == [7]
    assert not state.accepted
    scaled = krotov_hopfield(TRAIN, units=20, radius=2.0)
    scaled.encoder.load_state_dict(net.encoder.state_dict())
    assert not bool(convergence(scaled).diverged.any())  # the bound is −R/2


@pytest.mark.parametrize(("silent", "collapsed"), [(0, False), (10, False), (11, True), (19, True)])
def test_collapse(silent: int, collapsed: bool) -> None:
    net = planted(torch.ones(20))
    assert (convergence(net).never_won, convergence(net).collapsed) == (0, False)  # wins not known
    with torch.no_grad():
        net.encoder.wins.fill_(3)
        net.encoder.wins[:silent] = 0
    state = convergence(net)
    assert (state.never_won, state.collapsed) == (silent, collapsed)
    assert len(state.doubts) == int(collapsed)


def test_doubts_name_every_problem_and_only_those() -> None:
    net = planted(torch.ones(20))
    assert convergence(net).doubts == ()
    with torch.no_grad():
        net.encoder.wins.zero_()
    (said,) = convergence(net).doubts
    assert "collapsed: 20 of 20 units" in said
    far = convergence(planted(torch.full((20,), 3.0)))
    (said,) = far.doubts
    assert "has not converged: 0.0% of 20 units" in said
    assert far.fraction == 0


def test_a_network_without_local_layers_is_refused() -> None:
    with pytest.raises(InputError, match=r"no local layer(?s:.*)LocalDense"):
        convergence(perceptron(TRAIN))


def test_of_several_layers_all_are_judged_together_if_they_have_one_criterion() -> None:
    rule = KrotovHopfield()
    layers = {name: LocalDense(torch.full((3, 16), value), rule) for name, value in (("first", 1.0), ("second", 0.5))}
    net = Stack(layers)
    both = [convergence(net, at=name).norm for name in layers]
    torch.testing.assert_close(convergence(net).norm, torch.cat(both))
    net.second.rule = KrotovHopfield(radius=2.0)
    with pytest.raises(InputError, match=r"different criteria(?s:.*)radius 2(?s:.*)at='first'"):
        convergence(net)
    net.second.rule = rule
    with pytest.raises(InputError, match=r"did you mean 'second'"):
        convergence(net, at="secnd")
    torch.testing.assert_close(2 * convergence(net, at="second").norm, convergence(net, at="first").norm)


def test_the_record_is_a_copy(leaves_no_trace) -> None:
    net = planted(torch.ones(5))
    leaves_no_trace(net, torch.rand(2, 1, 4, 4), lambda: convergence(net).wins.fill_(9))
