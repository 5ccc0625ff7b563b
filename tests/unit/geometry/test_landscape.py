"""Landscapes: the right number at the right point, boundaries at known distances, three images where they belong."""

import math

import pytest
import torch
from torch import Tensor, nn

from eigencode.base.errors import InputError
from eigencode.geometry import jacobian_norm, landscape, landscape_through
from eigencode.geometry._boundary import boundary_distance
from eigencode.geometry._plane import plane_through, random_plane
from eigencode.representation.at import at

X0 = torch.rand(3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


class PNorm(nn.Module):
    p = 3.0

    def forward(self, x: Tensor) -> Tensor:
        return x / torch.linalg.vector_norm(x.flatten(1), self.p, dim=1).reshape(-1, 1, 1, 1)


def net() -> nn.Sequential:
    layers = nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)).double()
    with torch.no_grad():
        layers[3].weight *= 5
        layers[3].bias -= layers(PNorm()(X0[None]))[0]  # all classes equal at the centre
    wrapped = nn.Sequential()
    for name, module in [("norm", PNorm()), *zip(("flat", "encoder", "latent", "readout"), layers)]:
        wrapped.add_module(name, module)
    return wrapped


@pytest.mark.parametrize("space", ["pixel", "unit"])
@pytest.mark.parametrize(("place", "method"), [("latent", "closed"), ("readout", "exact"), ("readout", "hutchinson")])
def test_every_grid_point_is_what_a_loop_finds_there(space: str, place: str, method: str) -> None:
    module = net()
    view = landscape(module, X0, place, space, radius=3.0, points=7, seed=5, method=method, batch_size=20)
    code, logits = at(module, place, space), at(module, "logits", space)
    centre = code.points(X0[None])[0]
    torch.testing.assert_close(view.x0, centre.flatten())
    torch.testing.assert_close(torch.stack([view.eps[0], view.eps[-1]]), torch.tensor([-3.0, 3.0], dtype=torch.float64))
    for i, eps in enumerate(view.eps):
        for j, xi in enumerate(view.xi):
            point = centre[None] + (eps * view.u + xi * view.v).reshape(1, 3, 2, 2)
            exact = float(jacobian_norm(code, point, "exact", points=True).value)
            slack = 4.5 * float(view.jacobian_error[i, j]) + 1e-9
            assert abs(float(view.jacobian[i, j]) - exact) <= slack
            probability = logits(point).softmax(1)
            assert int(view.predicted[i, j]) == int(probability.argmax())
            torch.testing.assert_close(view.confidence[i, j], probability.max())
    assert (view.method, view.projections) == (method, 10 if method == "hutchinson" else 0)
    assert len(set(view.predicted.flatten().tolist())) > 1


def test_directions_are_orthonormal_seeded_and_different() -> None:
    planes = [random_plane(X0, seed) for seed in (0, 0, 1)]
    for plane in planes:
        pair = torch.stack([plane.u.flatten(), plane.v.flatten()])
        torch.testing.assert_close(pair @ pair.T, torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(planes[0].u, planes[1].u, rtol=0, atol=0)
    assert float((planes[0].u - planes[2].u).abs().max()) > 0.1


def test_a_relative_radius_is_in_units_of_the_centre() -> None:
    view = landscape(net(), X0, space="pixel", radius=0.5, points=3, relative=True, rays=0)
    length = float(X0.norm())
    assert view.radius == pytest.approx(0.5 * length)
    assert view.x0_norm == pytest.approx(length)
    assert float(view.eps[-1]) == pytest.approx(0.5 * length)
    assert len(view.boundary) == 0


def test_three_images_lie_at_their_anchors() -> None:
    a, b, c = torch.rand(3, 3, 2, 2, dtype=torch.float64)
    module = net()
    view = landscape_through(module, a, b, c, space="unit", points=5)
    for anchor, image in zip(view.anchors, (a, b, c)):
        point = view.x0 + anchor[0] * view.u + anchor[1] * view.v
        torch.testing.assert_close(point, module.norm(image[None]).flatten())
        assert float(view.eps[0]) < float(anchor[0]) < float(view.eps[-1])
        assert float(view.xi[0]) < float(anchor[1]) < float(view.xi[-1])
    torch.testing.assert_close(view.eps.diff(), view.xi.diff())  # one scale for both axes
    with pytest.raises(InputError, match="line"):
        plane_through(a, b, (a + b) / 2)


def test_rays_meet_a_linear_boundary_where_geometry_says() -> None:
    w = torch.randn(12, dtype=torch.float64)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    with torch.no_grad():
        linear[1].weight.copy_(torch.stack([w, torch.zeros(12)]))
        linear[1].bias.copy_(torch.stack([2.0 - w @ X0.flatten(), torch.zeros(())]))  # margin 2 at X0
    view = landscape(linear, X0, "1", "pixel", radius=3.0, points=2, rays=90)
    cosine = -(view.angle.cos() * (w @ view.u) + view.angle.sin() * (w @ view.v))  # logit falls by this per unit
    known = torch.where(cosine > 0, 2.0 / cosine, math.inf)
    known[known > view.reach] = math.inf
    torch.testing.assert_close(view.boundary.isinf(), known.isinf())
    assert 5 < int(known.isfinite().sum()) < 85
    seen = known.isfinite()
    torch.testing.assert_close(view.boundary[seen], known[seen], rtol=0, atol=3.0 * 1e-4)
    assert bool((view.boundary[seen] >= known[seen] - 1e-9).all())


def test_rays_stop_at_the_first_boundary_of_a_shell() -> None:
    def shell(x: Tensor) -> Tensor:  # class 1 for 1 < |x| < 1.5 only
        r = x.norm(dim=1)
        return torch.stack([torch.zeros_like(r), (0.25 - (r - 1.25).abs())], 1)

    rays = 7 * torch.randn(5, 4)  # length does not matter
    found = boundary_distance(shell, torch.zeros(4), rays, 10.0, tolerance=1e-5)
    torch.testing.assert_close(found, torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-4)


def test_nothing_of_the_caller_changes(leaves_no_trace) -> None:
    module = net().train()
    leaves_no_trace(module, X0, lambda: landscape(module, X0, points=3, rays=4))


def test_it_survives_the_disk(tmp_path) -> None:
    view = landscape(net(), X0, points=3, rays=4)
    view.save(tmp_path)
    again = type(view).load(tmp_path)
    torch.testing.assert_close(again.tensors(), view.tensors(), rtol=0, atol=0)
    assert again.scalars() == view.scalars()
    assert view.to_dataset()["jacobian"].dims == ("eps", "xi")


def test_an_image_in_double_precision_is_one_for_a_network_in_single() -> None:
    single = nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)).float()
    seen, same = (landscape(single, x, "2", "pixel", 1.0, 3, rays=2) for x in (X0, X0.float()))
    assert seen.method == same.method == "closed"
    torch.testing.assert_close(seen.jacobian, same.jacobian, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        jacobian_norm(at(single, "2"), X0[None]).value, jacobian_norm(at(single, "2"), X0[None].float()).value
    )


def test_wrong_input_is_explained(unchecked: None) -> None:
    for bad, message in [
        (lambda: landscape(net(), torch.rand(2, 3, 2, 2, dtype=torch.float64)), "one centre"),
        (lambda: landscape(net(), X0, radius=0.0), "square is empty"),
        (lambda: landscape(net()[1:], X0, "latent"), "no unit space"),
        (lambda: landscape(net(), X0, radius=math.inf), "empty or infinite"),
        (lambda: landscape(net(), X0, rays=-1), "rays is too small"),
        (lambda: landscape_through(net(), X0, X0[:1], X0), "different shape"),
        (lambda: random_plane(torch.rand(1)), "two dimensions"),
    ]:
        with pytest.raises(InputError, match=message):
            bad()
