"""A stack of named layers: any stretch of it, its names as places, and everything else of the package on it."""

import pytest
import torch
from torch import nn
from toy_rules import stack

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.base.types import Images
from eigencode.models import Stack
from eigencode.penalties import Jacobian, Spectral
from eigencode.spectra import spectra_at

TRAIN = Images(torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3)


def test_every_stretch_is_its_layers_one_after_the_other() -> None:
    net = stack()
    names = [name for name, _ in net.named_children()]
    outputs = [TRAIN.x]
    for _, layer in net.named_children():
        outputs.append(layer(outputs[-1]))
    for i, first in enumerate([None, *names]):
        for j, last in enumerate(names):
            if j + 1 >= i:
                found = net.run(outputs[i], after=first, until=last)
                torch.testing.assert_close(found, outputs[j + 1], rtol=0, atol=0)
    torch.testing.assert_close(net.run(TRAIN.x, until="latent"), net.run(TRAIN.x, until="relu3"), rtol=0, atol=0)
    torch.testing.assert_close(net(TRAIN.x), outputs[-1], rtol=0, atol=0)
    for name, wanted in zip(names, outputs[1:]):
        torch.testing.assert_close(ec.at(net, name)(TRAIN.x), wanted.flatten(1), rtol=0, atol=0)


@pytest.mark.usefixtures("unchecked")
def test_stretches_and_stacks_that_make_no_sense() -> None:
    net = stack()
    with pytest.raises(InputError, match="`until` comes before `after`"):
        net.run(TRAIN.x, after="relu2", until="conv1")
    with pytest.raises(InputError, match="did you mean 'latent'"):
        net.run(TRAIN.x, until="latnt")
    with pytest.raises(InputError, match=r"do not fit this network(?s:.*)\(N, 1, 8, 8\)"):
        net(torch.rand(2, 1, 9, 8))
    assert stack()(net.run(TRAIN.x, until="norm")).shape == (40, 3)
    with pytest.raises(InputError, match="no layers"):
        Stack({})
    with pytest.raises(InputError, match="a place that names no layer"):
        Stack({"a": nn.Flatten()}, places={"latent": "b"})


@pytest.mark.parametrize("place", ["conv1", "relu1", "pool", "conv2", "dense", "latent", "logits"])
@pytest.mark.parametrize("space", ["pixel", "unit"])
def test_jacobians_are_those_of_autograd(place: str, space: str) -> None:
    net = stack().double()
    code = ec.at(net, place, space)
    points = code.points(TRAIN.x[:3].double())
    found = ec.jacobian_norm(code, points)
    whole = torch.autograd.functional.jacobian(lambda x: code(x).sum(0), points)
    wanted = whole.square().sum((0, 2, 3, 4)).sqrt()
    torch.testing.assert_close(found.value, wanted, rtol=1e-6, atol=0)


def test_penalties_and_attacks_run_on_it() -> None:
    net = stack()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    penalties = [(1e-3, Jacobian(place="relu2", space="unit")), (0.1, Spectral(place="latent", alpha=1.0))]
    record = ec.train_supervised(net, TRAIN, epochs=2, batch_size=20, penalties=penalties)
    assert bool(torch.isfinite(record.loss).all())
    changed = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"readout.weight", "readout.bias"}  # local layers do not learn by gradient


def test_attacks_find_the_boundary_of_a_stack() -> None:
    x = 0.2 + 0.1 * torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    for i in range(30):
        x[i, :, :, 3 * (i % 3) : 3 * (i % 3) + 2] += 0.6
    images = Images(x, torch.arange(30) % 3)
    net = stack()
    ec.train_supervised(net, images, "readout", epochs=200, lr=0.1, batch_size=30)
    sizes = ec.robustness.critical_size(net, images, ec.robustness.PGD(norm="l2", steps=10))
    assert (sizes.n, sizes.n_correct, int(sizes.censored.sum())) == (30, 30, 0)
    assert bool((sizes.distance > 0).all())


def test_spectra_of_all_places_come_from_one_pass() -> None:
    net, passes = stack(), [0]
    net.norm.register_forward_hook(lambda *_: passes.__setitem__(0, passes[0] + 1))
    names = ["conv1", "relu1", "pool", "conv2", "relu2", "dense", "latent", "logits"]
    found, together = spectra_at(net, TRAIN.x, names), passes[0]
    for name in names:
        passes[0] = 0
        alone = ec.spectrum(ec.at(net, name), TRAIN.x)
        torch.testing.assert_close(found[name].eigenvalues, alone.eigenvalues, rtol=1e-9, atol=1e-15)
        assert together <= passes[0] + 2  # eight places cost about as much as one
