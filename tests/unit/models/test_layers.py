"""UnitNorm, RePU, Dense and the Krotov–Hopfield layer against their formulae and finite differences."""

import math

import pytest
import torch
from torch import nn

from eigencode.base.errors import InputError
from eigencode.models import Dense, LocalConv2d, LocalDense, Readout, RePU, UnitNorm
from eigencode.models.layers import MaxPool2d
from eigencode.representation._modes import borrowed
from eigencode.representation.layers import chain, unit_norm_power
from eigencode.rules import KrotovHopfield


def hopfield(weight: torch.Tensor, p: float = 3.0, radius: float = 1.0) -> LocalDense:
    return LocalDense(weight, KrotovHopfield(p=p, radius=radius))


PS = [1.0, 1.5, 2.0, 3.0, 4.5, math.inf]


def images(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    x = torch.rand(4, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (x * torch.tensor([1e-3, 0.1, 1.0, 1.0])[:, None, None, None]).to(dtype)


@pytest.mark.parametrize("p", PS)
def test_every_image_has_norm_one_and_keeps_its_direction(p: float) -> None:
    x = images()
    u = UnitNorm(p)(x)
    assert u.shape == x.shape
    lengths = torch.tensor(
        [max(r) if p == math.inf else sum(v**p for v in r) ** (1 / p) for r in u.flatten(1).tolist()]
    )
    torch.testing.assert_close(lengths.double(), torch.ones(4, dtype=torch.float64), rtol=1e-6, atol=0)
    ratio = (x / u).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-12, atol=0)
    torch.testing.assert_close(UnitNorm(p)(7.5 * x), u, rtol=1e-12, atol=0)


@pytest.mark.parametrize("p", PS)
def test_derivatives_of_the_norm(p: float) -> None:
    x = images()[1:].requires_grad_()
    assert torch.autograd.gradcheck(UnitNorm(p), x)
    if p != math.inf:
        assert torch.autograd.gradgradcheck(UnitNorm(p), x)


@pytest.mark.parametrize("p", PS)
def test_a_zero_image_stays_zero_and_its_derivative_is_finite(p: float) -> None:
    x = images(torch.float32)
    x[1] = 0
    x.requires_grad_()
    u = UnitNorm(p)(x)
    torch.testing.assert_close(u[1], torch.zeros_like(u[1]), rtol=0, atol=0)
    (g,) = torch.autograd.grad((1000 * u).sum(), x)
    assert bool(torch.isfinite(g).all())
    torch.testing.assert_close(g[1], torch.zeros_like(g[1]), rtol=0, atol=0)


@pytest.mark.parametrize("p", [0.5, 0.0, -1.0, math.nan])
def test_norms_below_one_are_refused(p: float) -> None:
    with pytest.raises(InputError, match="UnitNorm: p is out of range"):
        UnitNorm(p)


def test_the_closed_forms_know_the_norm() -> None:
    net = nn.Module()
    net.norm = UnitNorm(2.5)
    assert unit_norm_power(net) == 2.5


@pytest.mark.parametrize("n", [0.5, 1.0, 1.5, 2.0, 3.0, 4.5])
def test_rectified_power(n: float) -> None:
    h = torch.tensor([-3.0, -1e-9, 0.0, 0.5, 2.0], dtype=torch.float64)
    wanted = torch.tensor([0.0, 0.0, 0.0, 0.5**n, 2.0**n], dtype=torch.float64)
    torch.testing.assert_close(RePU(n)(h), wanted, rtol=1e-14, atol=0)
    smooth = h[[0, 3, 4]].requires_grad_()
    assert torch.autograd.gradcheck(RePU(n), smooth)
    assert torch.autograd.gradgradcheck(RePU(n), smooth)
    kink = torch.zeros(1, requires_grad=True)
    (slope,) = torch.autograd.grad(RePU(n)(kink).sum(), kink, create_graph=True)
    assert float(slope.detach()) == 0
    if slope.requires_grad:
        assert float(torch.autograd.grad(slope.square().sum(), kink)[0]) == 0


@pytest.mark.parametrize("n", [0.0, -1.0, math.nan])
def test_powers_without_meaning_are_refused(n: float) -> None:
    with pytest.raises(InputError, match="RePU: n is out of range"):
        RePU(n)


def test_dense_is_the_plain_product_with_he_weights() -> None:
    layer = Dense(200, 500, torch.Generator().manual_seed(0))
    torch.testing.assert_close(float(layer.weight.detach().std()), (2 / 200) ** 0.5, rtol=0.02, atol=0)
    x = torch.rand(6, 2, 10, 10)
    torch.testing.assert_close(layer(x), x.flatten(1) @ layer.weight.T)
    assert layer.bias is None
    assert layer.weight.requires_grad
    torch.testing.assert_close(layer.matrix(), layer.weight, rtol=0, atol=0)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 4.5])
def test_krotov_hopfield_layer(p: float) -> None:
    w = torch.randn(3, 4)
    w[0, 0] = 0
    x = torch.rand(2, 1, 2, 2)
    layer = hopfield(w, p=p, radius=2.0)
    for b in range(2):
        for unit in range(3):
            h = sum(
                math.copysign(abs(wi) ** (p - 1), wi) * xi
                for wi, xi in zip(w[unit].tolist(), x[b].flatten().tolist())
                if wi
            )
            torch.testing.assert_close(float(layer(x)[b, unit]), h, rtol=1e-5, atol=1e-6)
    assert (layer.weight.requires_grad, layer.rule.layer_settings) == (False, {"p": p, "radius": 2.0})
    torch.testing.assert_close(layer.rows(x), x.flatten(1), rtol=0, atol=0)
    assert layer.wins.tolist() == [-1] * 3


def test_the_layer_keeps_a_copy_of_its_weights() -> None:
    w = torch.randn(3, 4)
    before = w.clone()
    layer = hopfield(w)
    with torch.no_grad():
        layer.weight.zero_()
    torch.testing.assert_close(w, before, rtol=0, atol=0)


def test_the_layer_can_learn_by_gradient_when_asked() -> None:
    layer = hopfield(torch.randn(3, 4, dtype=torch.float64), p=3.0)
    layer.weight.requires_grad_()
    x = torch.rand(5, 1, 2, 2, dtype=torch.float64)
    layer(x).sum().backward()
    wanted = 2 * layer.weight.detach().abs() * x.flatten(1).sum(0)  # ∂/∂W of sign(W) W² x
    torch.testing.assert_close(layer.weight.grad, wanted)


@pytest.mark.parametrize(("p", "radius"), [(0.5, 1.0), (math.inf, 1.0), (3.0, 0.0), (3.0, -1.0), (math.nan, 1.0)])
def test_settings_of_the_layer_are_checked(p: float, radius: float) -> None:
    with pytest.raises(InputError, match="Krotov-Hopfield rule"):
        hopfield(torch.randn(2, 3), p=p, radius=radius)


def test_layers_print_their_settings() -> None:
    assert repr(UnitNorm(3)) == "UnitNorm(p=3)"
    assert repr(RePU(4.5)) == "RePU(n=4.5)"
    assert repr(hopfield(torch.randn(2, 3))) == "LocalDense(inputs=3, units=2, p=3, radius=1)"


@pytest.mark.parametrize("p", [1.0, 2.0, 2.5, 3.0])
def test_a_borrowed_layer_computes_its_matrix_once(p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = hopfield(torch.randn(3, 18), p)
    x = images(torch.float32)
    plain, (slope,) = layer(x), torch.autograd.functional.jacobian(layer, (x,))
    calls, synapses = [], LocalDense.synapses
    monkeypatch.setattr(LocalDense, "synapses", lambda self: calls.append(self) or synapses(self))
    with borrowed(layer):
        for _ in range(3):
            torch.testing.assert_close(layer(x), plain, rtol=0, atol=0)
        (held,) = torch.autograd.functional.jacobian(layer, (x,))
    torch.testing.assert_close(held, slope, rtol=0, atol=0)
    assert len(calls) == 1
    with torch.no_grad():
        layer.weight.mul_(2)  # changed between two loans
    torch.testing.assert_close(layer(x), plain * 2 ** (p - 1))
    with borrowed(layer):
        torch.testing.assert_close(layer(x), plain * 2 ** (p - 1))
    layer.weight.requires_grad_()
    layer(x).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize(("dtype", "rel"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("kernel", [1, 3, (2, 4)])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 2), (3, 1)])
@pytest.mark.parametrize("p", [2.0, 3.0, 4.5])
def test_a_local_convolution_is_its_matrix_times_its_patches(
    dtype: torch.dtype, rel: float, kernel: int | tuple[int, int], stride: int, padding: int, p: float
) -> None:
    x = torch.rand(5, 3, 7, 8, dtype=dtype)
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    weight = torch.randn(6, 3 * height * width, dtype=dtype)
    layer = LocalConv2d(weight, KrotovHopfield(p=p), kernel, stride=stride, padding=padding)
    maps, rows = layer(x), layer.rows(x)
    patches = (rows @ (weight.sign() * weight.abs() ** (p - 1)).T).reshape(5, -1, 6).transpose(1, 2)
    torch.testing.assert_close(maps, patches.reshape(maps.shape), rtol=rel, atol=rel * float(patches.abs().max()))
    padded = torch.nn.functional.pad(x, [padding] * 4)
    by_loop = [
        padded[n, :, i : i + height, j : j + width].flatten()
        for n in range(5)
        for i in range(0, padded.shape[2] - height + 1, stride)
        for j in range(0, padded.shape[3] - width + 1, stride)
    ]
    torch.testing.assert_close(rows, torch.stack(by_loop), rtol=0, atol=0)


def patches_with_zeros() -> torch.Tensor:
    """Two channels of small, large and negative numbers, with a corner of zeros larger than a patch."""
    x = torch.randn(2, 2, 7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[0] *= 1e-3
    x[:, :, :4, :4] = 0
    return x


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (1, 2)])
def test_patches_of_unit_norm(p: float, stride: int, padding: int) -> None:
    x, weight = patches_with_zeros(), torch.randn(4, 18, dtype=torch.float64)
    settings = {"stride": stride, "padding": padding}
    layer, plain = (LocalConv2d(weight, KrotovHopfield(), 3, **settings, patch_norm=q) for q in (p, None))
    rows, raw = layer.rows(x), plain.rows(x)
    zero = (raw == 0).all(1)
    assert 0 < int(zero.sum()) < len(zero)
    for row, v in zip(rows.tolist(), raw.tolist()):
        length = math.fsum(abs(value) ** p for value in v) ** (1 / p)
        assert row == pytest.approx([value / length if length else 0.0 for value in v], rel=1e-12, abs=0)
    maps = layer(x)
    by_rows = (rows @ layer.synapses().T).reshape(2, *maps.shape[2:], 4).movedim(-1, 1)
    torch.testing.assert_close(maps, by_rows, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer(5 * x), maps)
    assert f"patch_norm={p:g}" in repr(layer)
    assert "patch_norm" not in repr(plain)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_derivatives_of_patches_of_unit_norm(p: float) -> None:
    layer = LocalConv2d(torch.randn(3, 18, dtype=torch.float64), KrotovHopfield(), 3, padding=1, patch_norm=p)
    whole = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.autograd.gradcheck(layer, whole.requires_grad_())
    x = patches_with_zeros().requires_grad_()
    (slope,) = torch.autograd.grad(layer(x).sum(), x)
    assert bool(torch.isfinite(slope).all())
    assert float(slope[:, :, :2, :2].abs().max()) == 0  # every patch around is zero
    assert float(slope[:, :, 5:, 5:].abs().min()) > 0


def test_a_convolution_learns_from_patches_of_unit_norm() -> None:
    rule, x = KrotovHopfield(), patches_with_zeros().float()
    layer = LocalConv2d(torch.randn(4, 18), rule, 3, patch_norm=3.0)
    rows = UnitNorm(3.0)(LocalConv2d(layer.weight, rule, 3).rows(x))
    found, wanted = layer.change(rule, x, rule.operand(layer.weight)), rule.rows(rows, layer.weight)
    torch.testing.assert_close(found.values, wanted.values)


def test_a_local_convolution_is_no_layer_of_the_closed_forms() -> None:
    conv = LocalConv2d(torch.randn(2, 9), KrotovHopfield(), 3)
    assert chain([conv]) is None
    assert chain([nn.Flatten(), hopfield(torch.randn(2, 9)), RePU(2.0)]) is not None


@pytest.mark.usefixtures("unchecked")
def test_weights_kernels_and_maps_that_do_not_fit_are_refused() -> None:
    for inputs, settings in ((10, {"kernel": 3}), (9, {"kernel": 0}), (9, {"kernel": 3, "stride": 0})):
        with pytest.raises(InputError, match="weights and kernel do not fit"):
            LocalConv2d(torch.randn(2, inputs), KrotovHopfield(), **settings)
    for p in (0.5, math.inf, math.nan):
        with pytest.raises(InputError, match="patch_norm is out of range"):
            LocalConv2d(torch.randn(2, 9), KrotovHopfield(), 3, patch_norm=p)
    with pytest.raises(InputError, match="padding -1"):
        LocalConv2d(torch.randn(2, 9), KrotovHopfield(), 3, padding=-1)
    layer = LocalConv2d(torch.randn(2, 18), KrotovHopfield(), 3)
    for x in (torch.rand(4, 1, 8, 8), torch.rand(2, 8, 8), torch.rand(4, 128)):
        for run in (layer, layer.rows):
            with pytest.raises(InputError, match=r"does not fit(?s:.*)\(N, 2, height, width\)"):
                run(x)


@pytest.mark.parametrize("share", [0.5, 0.25, 0.3, 255 / 256])
def test_dropout_of_a_read_out_keeps_the_mean_and_drops_numbers_independently(share: float) -> None:
    torch.manual_seed(0)
    layer, z = Readout(24, 3, share), torch.ones(20_000, 24)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3, 24))
        layer.bias.fill_(0.25)
        seen = layer(z) - layer.bias  # 0 or 1 / (1 - share), of three neighbouring inputs
    kept = (seen > 0).double()
    torch.testing.assert_close(seen[seen > 0], torch.full_like(seen[seen > 0], 1 / (1 - share)), rtol=1e-5, atol=0)
    error = 4.5 * (share * (1 - share) / len(z)) ** 0.5
    torch.testing.assert_close(kept.mean(0), torch.full((3,), 1 - share).double(), rtol=0, atol=error)
    both = (kept[:, 0] * kept[:, 1]).mean()
    assert float(both) == pytest.approx((1 - share) ** 2, abs=2 * error)
    torch.testing.assert_close(layer.eval()(z), z @ layer.weight.T + layer.bias)


def test_every_input_of_a_read_out_is_dropped_alike_and_with_its_gradient() -> None:
    torch.manual_seed(1)
    layer, z = Readout(19, 2, 0.5), torch.rand(4000, 19, requires_grad=True)
    layer(z)[:, 0].sum().backward()
    dropped = (z.grad == 0).double()
    torch.testing.assert_close(dropped.mean(0), torch.full((19,), 0.5).double(), rtol=0, atol=0.035)
    twice = 2 * layer.weight[0].detach().expand(4000, -1)
    torch.testing.assert_close(z.grad, twice * (1 - dropped).float())


@pytest.mark.parametrize("power", [0.5, 0.7, 1.0, 2.0])
def test_a_rectified_power_has_no_slope_below_zero_and_keeps_nan(power: float) -> None:
    h = torch.tensor([-2.0, 0.0, 1e-30, 0.25, math.inf, math.nan], requires_grad=True)
    out = RePU(power)(h)
    out[:4].sum().backward()
    assert h.grad is not None
    torch.testing.assert_close(out[:5], h.detach()[:5].clamp(min=0).pow(power), rtol=0, atol=0)
    assert out[5].isnan()
    assert h.grad[:2].eq(0).all()
    assert h.grad[2:4].gt(0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 17, 9, 7), (5, 1, 8, 8), (4, 64, 6, 6)])
def test_the_fast_pool_is_that_of_torch_to_the_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Ties too, of which rectified maps have many: the gradient goes to the first of the largest."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator).clamp_min(0).mul(4).round().to(dtype)
    x[0, 0, 0, 0] = math.nan
    found = []
    for layer in (nn.MaxPool2d(4, 2, 1), MaxPool2d(4, 2, 1)):
        seen = x.clone().requires_grad_()
        z = layer(seen)
        assert z.is_contiguous()
        z.backward(torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).to(dtype))
        found.append((z.detach(), seen.grad))
    torch.testing.assert_close(*found, rtol=0, atol=0, equal_nan=True)
    assert found[0][1].is_contiguous() == found[1][1].is_contiguous()
