"""Three ways to a Jacobian norm agree with each other and with a plain loop of `torch.func.jacrev`."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from eigencode.base.errors import EigencodeWarning, InputError
from eigencode.geometry import (
    JacobianNorm,
    _plan as plans,
    _products as products,
    jacobian_norm,
    landscape,
    spectral_norm,
)
from eigencode.geometry._cost import cost
from eigencode.measures import JacobianMeasure
from eigencode.representation.at import at
from eigencode.representation.layers import chain_to
from eigencode.robustness import FGSM


class PNorm(nn.Module):
    p = 3.0

    def forward(self, x: Tensor) -> Tensor:
        return x / torch.linalg.vector_norm(x.flatten(1), self.p, dim=1).reshape(-1, 1, 1, 1)


class Power(nn.Module):
    n = 2.5

    def forward(self, h: Tensor) -> Tensor:
        return h.relu() ** self.n


def small_net(activation: nn.Module, batch_norm: bool = False, bias: bool = True, width: int = 7) -> nn.Sequential:
    """norm → flatten → encoder → activation (→ batch_norm) → readout, in float64, with a used BatchNorm."""
    layers = OrderedDict(norm=PNorm(), flat=nn.Flatten(), encoder=nn.Linear(12, width, bias=bias), latent=activation)
    if batch_norm:
        layers["batch_norm"] = nn.BatchNorm1d(width)
    net = nn.Sequential(OrderedDict(**layers, readout=nn.Linear(width, 3))).double()
    if batch_norm:
        net(torch.rand(200, 3, 2, 2, dtype=torch.float64))  # running statistics unlike the batch's
        with torch.no_grad():
            net.batch_norm.weight.uniform_(0.5, 2)
    return net


def by_loop(code: nn.Module, x: Tensor) -> Tensor:
    """The outside witness: one image at a time, the whole Jacobian."""
    return torch.stack([torch.func.jacrev(lambda p: code(p[None])[0])(p).square().sum().sqrt() for p in x])


NETS = {
    "relu": lambda: small_net(nn.ReLU()),
    "no bias": lambda: small_net(Power(), bias=False),
    "power": lambda: small_net(Power()),
    "batch norm": lambda: small_net(nn.ReLU(), batch_norm=True),
    "wide": lambda: small_net(Power(), batch_norm=True, width=30),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("space", ["pixel", "unit"])
@pytest.mark.parametrize("place", ["encoder", "latent", "batch_norm"])
@pytest.mark.parametrize("images", [1, 20])
def test_closed_exact_and_estimate_agree_with_a_loop(name: str, space: str, place: str, images: int) -> None:
    net = NETS[name]()
    if place == "batch_norm" and not hasattr(net, "batch_norm"):
        place = "encoder"
    net.train()  # measured in evaluation mode all the same
    code = at(net, place, space)
    x = torch.rand(images, 3, 2, 2, dtype=torch.float64)
    closed, exact = jacobian_norm(code, x), jacobian_norm(code, x, "exact")
    assert (closed.method, closed.place, closed.space, closed.inputs) == ("closed", place, space, 12)
    torch.testing.assert_close(closed.value, by_loop(code, code.points(x)))
    torch.testing.assert_close(exact.value, closed.value)
    torch.testing.assert_close(exact.standard_error, torch.zeros(images, dtype=torch.float64))
    estimate = jacobian_norm(code, x, "hutchinson", projections=60)
    z = (estimate.value - exact.value) / estimate.standard_error
    assert float(z.abs().max()) < 4.5
    assert float(estimate.standard_error.max() / exact.value.max()) < 0.2


def test_the_standard_error_has_the_right_size() -> None:
    code, x = at(small_net(nn.ReLU()), "readout"), torch.rand(2000, 3, 2, 2, dtype=torch.float64)
    estimate = jacobian_norm(code, x, "hutchinson", projections=60)
    z = (estimate.value - jacobian_norm(code, x, "exact").value) / estimate.standard_error
    assert abs(float(z.std()) - 1) < 0.1
    assert abs(float(z.mean())) < 0.3


@pytest.mark.parametrize("projections", [1, 3, 10])
def test_the_square_of_the_estimate_is_unbiased(projections: int) -> None:
    code, x = at(small_net(nn.ReLU()), "logits"), torch.rand(1, 3, 2, 2, dtype=torch.float64).expand(20000, -1, -1, -1)
    squares = jacobian_norm(code, x, "hutchinson", projections=projections).value ** 2
    exact = float(jacobian_norm(code, x[:1], "exact").value) ** 2
    error = float(squares.std()) / len(squares) ** 0.5
    assert abs(float(squares.mean()) - exact) < 4 * error
    assert error < 0.02 * exact


def test_a_function_with_a_known_jacobian() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    result = jacobian_norm(lambda p: torch.stack([p[:, 0] * p[:, 1], p[:, 0] ** 2, 5 * p[:, 1]], 1), x)
    known = torch.tensor([4 + 1 + 4 + 25, 16 + 9 + 36 + 25], dtype=torch.float64).sqrt()
    torch.testing.assert_close(result.value, known)
    assert (result.method, result.units, result.place) == ("exact", 3, "")


@pytest.mark.parametrize("budget", [1, 40, 10**6])
@pytest.mark.parametrize("width", [5, 40])  # fewer and more outputs than inputs: both directions of differentiation
def test_the_size_of_a_chunk_changes_nothing(budget: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    code, x = at(small_net(nn.ReLU(), width=width), "latent"), torch.rand(4, 3, 2, 2, dtype=torch.float64)
    whole = jacobian_norm(code, x).value
    monkeypatch.setattr(products, "BUDGET", budget)
    torch.testing.assert_close(jacobian_norm(code, x, "exact").value, whole)
    torch.testing.assert_close(jacobian_norm(code, x, "exact", batch_size=3).value, whole)


def test_auto_takes_the_cheapest_trustworthy_way(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = small_net(nn.ReLU()), torch.rand(4, 3, 2, 2, dtype=torch.float64)
    assert jacobian_norm(at(net, "latent"), x).method == "closed"
    assert jacobian_norm(at(net, "readout"), x).method == "exact"
    assert jacobian_norm(net, x).place == "logits"
    for limit in ("CHEAP", "OPERATIONS"):
        with monkeypatch.context() as patch:
            patch.setattr(f"eigencode.geometry._plan.{limit}", 4 * 3 - 1)
            estimate = jacobian_norm(at(net, "readout"), x, projections=1)
            assert (estimate.method, estimate.projections) == ("hutchinson", 1)
            assert "cost too much" in estimate.reason
            assert jacobian_norm(at(net, "readout"), x).method == "exact"  # three derivatives, cheaper than 100


def test_a_convolution_and_a_linear_layer_on_rows_have_no_closed_form() -> None:
    x = torch.rand(2, 1, 4, 4)
    for net in (nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Sequential(nn.Linear(4, 4), nn.ReLU())):
        code = at(net, "0")
        assert jacobian_norm(code, x).method == "exact"
        torch.testing.assert_close(jacobian_norm(code, x).value, by_loop(code, x).double(), rtol=1e-5, atol=0)
        with pytest.raises(InputError, match="no closed form"):
            jacobian_norm(code, x, "closed")


def test_a_dead_code_has_norm_zero_and_no_nan() -> None:
    net = small_net(nn.ReLU())
    nn.init.constant_(net.encoder.bias, -100.0)
    for method in ("closed", "exact", "hutchinson"):
        with pytest.warns(EigencodeWarning, match="zero for 3 of 3 images"):
            result = jacobian_norm(at(net, "latent"), torch.rand(3, 3, 2, 2, dtype=torch.float64), method)
        torch.testing.assert_close(result.value, torch.zeros(3, dtype=torch.float64))
        torch.testing.assert_close(result.standard_error, torch.zeros(3, dtype=torch.float64))


def test_images_of_a_unit_space_code_are_scaled_first_and_points_are_not() -> None:
    code, x = at(small_net(Power()), "latent", "unit"), torch.rand(5, 3, 2, 2, dtype=torch.float64)
    on_sphere = jacobian_norm(code, x)
    torch.testing.assert_close(jacobian_norm(code, code.points(x), points=True).value, on_sphere.value)
    assert float((jacobian_norm(code, 3 * code.points(x), points=True).value / on_sphere.value).min()) > 1.1


def test_it_behaves_like_its_array() -> None:
    result = jacobian_norm(small_net(nn.ReLU()), torch.rand(30, 3, 2, 2, dtype=torch.float64))
    assert len(result) == 30
    assert list(result) == result.value.tolist()
    assert result[3] == result.value[3]
    np.testing.assert_array_equal(np.asarray(result), result.value.numpy())
    assert np.asarray(result, dtype=np.float32).dtype == np.float32
    assert float(result.mean) == pytest.approx(float(result.value.mean()))
    assert float(result.median) == pytest.approx(float(np.median(result.value)))
    low, high = result.median.interval
    assert low < float(result.median) < high
    assert set(result.to_dataset().dims) == {"image"}


def test_intervals_cover_the_truth() -> None:
    from eigencode.geometry._intervals import mean_estimate, median_estimate

    draws = torch.empty(2000, 15, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(1)).log()
    medians = [median_estimate(row) for row in draws]
    truth = float(np.log(np.log(2)))
    assert 0.94 < np.mean([e.low <= truth <= e.high for e in medians]) < 0.98  # binomial: 0.965 for n = 15
    means = [mean_estimate(row) for row in torch.randn(2000, 5, dtype=torch.float64)]
    assert 0.93 < np.mean([e.low <= 0 <= e.high for e in means]) < 0.97
    assert np.isnan(median_estimate(draws[0, :5]).low)


@pytest.mark.parametrize("method", ["closed", "exact", "hutchinson"])
def test_nothing_of_the_caller_changes(method: str, leaves_no_trace) -> None:
    net = small_net(nn.ReLU(), batch_norm=True).train()
    x = torch.rand(4, 3, 2, 2, dtype=torch.float64)
    leaves_no_trace(net, x, lambda: jacobian_norm(at(net, "latent"), x, method))


def test_the_same_seed_gives_the_same_estimate() -> None:
    net, x = small_net(nn.ReLU()), torch.rand(4, 3, 2, 2, dtype=torch.float64)
    a, b, c = (jacobian_norm(net, x, "hutchinson", projections=5, seed=seed).value for seed in (0, 0, 1))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert float((a - c).abs().min()) > 0


def test_wrong_input_is_explained(unchecked: None) -> None:
    net, x = small_net(nn.ReLU()), torch.rand(4, 3, 2, 2, dtype=torch.float64)
    for bad, message in [
        (lambda: jacobian_norm(net, x, "magic"), "unknown method"),
        (lambda: jacobian_norm(net, x, "hutchinson", projections=0), "random vectors"),
        (lambda: jacobian_norm(net, x[:0]), "no images"),
        (lambda: jacobian_norm(lambda p: p.sum(), x), "not a representation"),
    ]:
        with pytest.raises(InputError, match=message):
            bad()


def test_a_module_may_offer_its_own_layers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.latent, self.readout = nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)

        def as_layers(self, place: str):
            return chain_to(self, place)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(self.latent(self.encoder(x.flatten(1))))

    code, x = at(Net().double(), "latent"), torch.rand(6, 3, 2, 2, dtype=torch.float64)
    result = jacobian_norm(code, x, "closed")
    torch.testing.assert_close(result.value, by_loop(code, x))


class Recurrent(nn.Module):
    """A recurrent network over the rows of an image, with a loop of its own as the witness."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.cells, self.out = kind(4, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cells(x.flatten(1, -2))[0][:, -1])


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.block, self.out, self.reentrant = (
            nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh()),
            nn.Linear(6, 3),
            reentrant,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.out(checkpoint(self.block, x, use_reentrant=self.reentrant))


class Fused(nn.Module):
    """Attention over the rows of an image, by the fused kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.out = nn.Linear(4, 24), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.mix(x.flatten(1, -2)).chunk(3, -1)
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v).mean(1))


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):  # type: ignore[no-untyped-def]
        return 2 * z

    @staticmethod
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        return 2 * slope


def old_function() -> nn.Module:
    class Old(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return Doubled.apply(self.inner(x.flatten(1)))  # type: ignore[no-any-return]

    return Old()


UNBATCHED = {
    "LSTM": lambda: Recurrent(nn.LSTM),
    "GRU": lambda: Recurrent(nn.GRU),
    "checkpoint": lambda: Checkpointed(False),
    "reentrant checkpoint": lambda: Checkpointed(True),
    "fused attention": Fused,
    "function of the older kind": old_function,
    "encoder layer": lambda: nn.Sequential(
        nn.Flatten(1, 2), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), nn.Flatten()
    ),
}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("name", UNBATCHED)
def test_networks_without_batched_derivatives_are_measured_row_by_row(name: str) -> None:
    net, x = UNBATCHED[name]().eval(), torch.rand(6, 1, 4, 4)
    loop = []
    for image in x:
        point = image[None].requires_grad_()
        z = net(point).flatten()
        rows = []
        for unit in range(len(z)):
            point.grad = None
            net(point).flatten()[unit].backward()
            assert point.grad is not None
            rows.append(point.grad.flatten().clone())
        loop.append(torch.stack(rows).square().sum().sqrt())
    for method in ("auto", "exact"):
        found = jacobian_norm(net, x, method)
        assert found.method == "exact"
        torch.testing.assert_close(found.value, torch.stack(loop).double(), rtol=1e-4, atol=1e-6)
    estimate = jacobian_norm(net, x, "hutchinson", projections=50)
    z_score = (estimate.value - found.value) / estimate.standard_error.clamp_min(1e-9)
    assert float(z_score.abs().max()) < 6
    attacked = FGSM()(net, x, net(x).argmax(1) % 3, 0.01)
    assert bool((attacked.distance > 0.009).all())


def test_auto_counts_operations_and_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = (
        nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 8, 3), nn.Flatten()).eval(),
        torch.rand(20, 1, 8, 8),
    )
    price = cost(at(net, "logits"), x[:1])
    assert price.operations == 2 * 9 * 64 * (64 + 8 * 36)  # products of both convolutions
    assert price.widest == 64 * 64
    assert price.numbers >= 2 * 64 * 64 + 8 * 36
    exact = jacobian_norm(net, x, "exact").value
    sizes: list[int] = []
    real = products.Derivative.__call__
    monkeypatch.setattr(products.Derivative, "__call__", lambda self, a, b: sizes.append(b - a) or real(self, a, b))
    monkeypatch.setattr(products, "BUDGET", 20 * 64 * 64 * 3)
    torch.testing.assert_close(jacobian_norm(net, x, "exact").value, exact)
    assert max(sizes) == 3
    monkeypatch.setattr("eigencode.geometry._plan.HELD", 5 * price.numbers)
    batches: list[int] = []
    squares = plans.Plan.squares
    monkeypatch.setattr(
        plans.Plan, "squares", lambda self, p, first=0: batches.append(len(p)) or squares(self, p, first)
    )
    torch.testing.assert_close(jacobian_norm(net, x, "exact").value, exact)
    assert batches == [5, 5, 5, 5]


def test_the_reason_of_the_method_is_kept(tmp_path: Path) -> None:
    net, x = small_net(nn.ReLU()), torch.rand(4, 3, 2, 2, dtype=torch.float64)
    assert jacobian_norm(at(net, "latent"), x).reason == "one layer with a closed form"
    found = jacobian_norm(at(net, "readout"), x)
    assert found.reason.startswith("3 derivatives per point")
    found.save(tmp_path)
    assert JacobianNorm.load(tmp_path).reason == found.reason
    assert jacobian_norm(net, x, "hutchinson").reason == "asked for"


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_an_estimate_does_not_depend_on_the_batch(batch_size: int) -> None:
    net, x = small_net(nn.ReLU()), torch.rand(30, 3, 2, 2, dtype=torch.float64)
    whole = jacobian_norm(net, x, "hutchinson", projections=3)
    part = jacobian_norm(net, x, "hutchinson", projections=3, batch_size=batch_size)
    torch.testing.assert_close(part.value, whole.value, rtol=1e-12, atol=0)


@pytest.mark.parametrize("projections", [3, 10, 30])
def test_the_interval_of_few_projections_covers_the_norm(projections: int) -> None:
    code, x = at(small_net(nn.ReLU(), width=30), "latent"), torch.rand(2000, 3, 2, 2, dtype=torch.float64)
    exact = jacobian_norm(code, x, "exact").value
    found = jacobian_norm(code, x, "hutchinson", projections=projections)
    low, high = found.interval
    assert float(((low <= exact) & (exact <= high)).double().mean()) > 0.9
    normal = (found.value - exact).abs() <= 1.96 * found.standard_error
    assert projections > 3 or float(normal.double().mean()) < 0.85  # a normal quantile would not do
    assert torch.equal(jacobian_norm(code, x).interval[0], jacobian_norm(code, x).value)


def test_derivatives_that_are_not_finite_are_told(unchecked: None) -> None:
    x = torch.rand(3, 4, dtype=torch.float64) + 0.1
    for measure in (jacobian_norm, spectral_norm):
        with pytest.raises(InputError, match=r"no norm of a derivative is finite\s+got:    3 NaN or Inf"):
            measure(lambda x: 1e200 * x, x)
    x[1, 0] = 0
    with pytest.warns(EigencodeWarning, match="NaN or Inf for 1 of 3"):
        found = jacobian_norm(lambda x: x.sqrt(), x)
    assert torch.isfinite(found.value).tolist() == [True, False, True]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_images_that_are_no_numbers_are_refused(bad: float) -> None:
    net, x = small_net(nn.ReLU()).float(), torch.rand(4, 3, 2, 2)
    x[2, 1] = bad
    for code in (net, at(net, "latent"), lambda p: net(p)):
        for measure in (jacobian_norm, spectral_norm):
            with pytest.raises(InputError, match=r"1 images hold NaN or Inf(.|\n)*\[2\]"):
                measure(code, x)
    with pytest.raises(InputError, match="NaN or Inf"):
        landscape(net, x[2], points=3)


def broken(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.Tanh(), nn.Linear(30, 5))
    return lambda x: net(change(x))


BROKEN = {
    "rounded": lambda x: (x * 255).round() / 255,
    "sign": lambda x: (x - 0.5).sign(),
    "threshold": lambda x: (x > 0.5).float() + 0 * x,
    "partly detached": lambda x: 0.2 * x + 0.8 * x.detach(),
    "quantised": lambda x: torch.fake_quantize_per_tensor_affine(x, 0.02, 0, 0, 10),
    "scaled backwards": lambda x: 10 * x - 9 * x.detach(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_derivative_that_is_not_that_of_the_function_is_told(name: str) -> None:
    x = torch.rand(10, 1, 4, 4)
    for method in ("exact", "hutchinson"):
        with pytest.warns(EigencodeWarning, match="times that of finite differences|Jacobian is zero"):
            found = jacobian_norm(broken(BROKEN[name]), x, method)
    said = [w for r in JacobianMeasure().readings(found) for w in r.warnings]
    assert set(found.doubts) <= set(said)
    assert said


@pytest.mark.parametrize("change", [lambda x: x.detach(), lambda x: torch.from_numpy(x.detach().numpy())])
def test_a_function_without_a_gradient_is_refused(change: Callable[[Tensor], Tensor]) -> None:
    for code in (broken(change), torch.no_grad()(broken(lambda x: x))):
        for measure in (jacobian_norm, spectral_norm):
            with pytest.raises(InputError, match="no derivative with respect to the images"):
                measure(code, torch.rand(4, 1, 4, 4))


@pytest.mark.filterwarnings("error")
def test_a_right_derivative_is_not_doubted() -> None:
    steep = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), Power(), nn.Linear(30, 5))
    for net in (
        steep,
        nn.Sequential(steep, nn.Tanh(), nn.Linear(5, 40)),
        nn.Sequential(nn.Conv2d(1, 8, 3), nn.GELU(), nn.MaxPool2d(2)),
    ):
        for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
            for scale in (1e-3, 0.1, 1.0) if kind != torch.float16 else (1.0,):
                assert jacobian_norm(net.to(kind), scale * torch.rand(5, 1, 4, 4), "exact").doubts == ()


@pytest.mark.filterwarnings("ignore:the derivative is 0 times")
@pytest.mark.parametrize("change", [lambda z: z.detach() + 0 * z, lambda z: z.round()])
def test_a_landscape_of_zeros_is_told(change: Callable[[Tensor], Tensor]) -> None:
    class Flat(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return change(z)

    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), Flat(), nn.Linear(30, 3))
    with pytest.warns(EigencodeWarning, match="the Jacobian is zero for 16 of 16"):
        landscape(net, torch.rand(1, 4, 4), "2", "pixel", 1.0, 4)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-4, 1.0])
def test_the_closed_form_of_half_precision_neither_underflows_nor_rounds(kind: torch.dtype, size: float) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 20), nn.ReLU())
    with torch.no_grad():
        net[1].weight.copy_(size * torch.randn(20, 16, generator=torch.Generator().manual_seed(0)))
    net, x = net.to(kind), torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(1)).to(kind).float()
    found = jacobian_norm(at(net, "2"), x, method="closed")
    on = net[:2].double()(x.double()) > 0
    known = (on * net[1].weight.square().sum(1)).sum(1).sqrt()
    torch.testing.assert_close(found.value, known, rtol=1e-5, atol=0)
