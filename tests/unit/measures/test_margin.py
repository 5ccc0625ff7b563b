"""Margins and first-order distances: a linear network in closed form, DDN, and a plain derivative."""

import pytest
import torch
from torch import nn

import eigencode as ec
from eigencode.measures import MarginMeasure, Subject
from eigencode.robustness import DDN, critical_size
from eigencode.robustness._margins import margins


def images(n: int = 30, classes: int = 3) -> ec.Images:
    draw = torch.Generator().manual_seed(n)
    return ec.Images(0.3 + 0.4 * torch.rand(n, 1, 3, 3, generator=draw), torch.arange(n) % classes)


def labelled(net: nn.Module, test: ec.Images) -> ec.Images:
    return ec.Images(test.x, net(test.x).argmax(1))


def linear() -> nn.Module:
    torch_net = nn.Sequential(nn.Flatten(), nn.Linear(9, 3)).double()
    with torch.no_grad():
        torch_net[1].weight.copy_(torch.randn(3, 9, generator=torch.Generator().manual_seed(1)))
    return torch_net.float()


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1), ("l1", float("inf"))])
def test_of_a_linear_network_it_is_the_distance_to_the_nearest_class_by_logits(norm: str, dual: float) -> None:
    net = linear()
    test = labelled(net, images())
    found = margins(net, test, norm, "pixel")  # type: ignore[arg-type]
    logits, w = net(test.x).double(), net[1].weight.double()  # type: ignore[index]
    top = logits.topk(2, 1)
    gap = top.values[:, 0] - top.values[:, 1]
    length = torch.linalg.vector_norm(w[top.indices[:, 0]] - w[top.indices[:, 1]], dual, dim=1)
    torch.testing.assert_close(found.margin, gap, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.distance, gap / length, rtol=1e-4, atol=1e-6)


def test_of_two_classes_it_is_the_critical_size_of_a_linear_network() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    with torch.no_grad():
        net[1].weight.copy_(4 * torch.randn(2, 9, generator=torch.Generator().manual_seed(2)))
        net[1].bias.copy_(-0.5 * net[1].weight.sum(1))  # the boundary passes through the middle of the box
    test = labelled(net, images(20, 2))
    found, ddn = margins(net, test, "l2", "pixel"), critical_size(net, test, DDN(steps=200), check=False)
    inside = found.distance < 0.2  # the box of the images does not matter
    assert inside.sum() > 3
    torch.testing.assert_close(ddn.size[inside], found.distance[inside], rtol=0.03, atol=1e-3)


def test_only_images_that_are_right_and_infinite_without_a_gradient() -> None:
    net = linear()
    test = labelled(net, images())
    wrong = ec.Images(test.x, torch.where(torch.arange(30) < 6, (test.y + 1) % 3, test.y))
    found = margins(net, wrong, "l2", "pixel")
    assert (found.n, found.n_correct, found.index.tolist()) == (30, 24, list(range(6, 30)))

    class Flat(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([1.0, 0.0, 0.0]) + 0 * x.flatten(1)[:, :3]

    flat = margins(Flat(), ec.Images(test.x, torch.zeros(30, dtype=torch.long)), "l2", "pixel")
    assert flat.distance.isinf().all()
    torch.testing.assert_close(flat.margin, torch.ones(30, dtype=torch.float64))


def test_readings_are_medians() -> None:
    net = linear()
    test, measure = labelled(net, images()), MarginMeasure(space="pixel")
    record = measure.measure(Subject(net, test))
    distance, margin = measure.readings(record)
    assert distance.value == pytest.approx(float(record.distance.quantile(0.5)))
    assert margin.value == pytest.approx(float(record.margin.quantile(0.5)))
    assert distance.low < distance.value < distance.high
