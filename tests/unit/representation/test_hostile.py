"""Networks that write into one memory, put images second, have odd attributes, or are defined for images alone."""

import pytest
import torch
from torch import Tensor, nn

import eigencode as ec
from eigencode.base.errors import InputError
from eigencode.representation.layers import layers_of

X = torch.rand(32, 1, 4, 4, generator=torch.Generator().manual_seed(0))


class Buffered(nn.Module):
    """Writes every output into the same memory, as a captured graph of a GPU does."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(16, 5)
        self.memory = torch.zeros(1000, 5)

    def forward(self, x: Tensor) -> Tensor:
        z = self.a(x.flatten(1))
        return self.memory[: len(x)].copy_(z.detach())


@pytest.mark.parametrize(
    "measure",
    [
        lambda net: ec.spectrum(ec.at(net, "logits"), X),
        lambda net: ec.spectrum(lambda x: net(x), X),
        lambda net: ec.spectra.spectra_at(net, X, ["logits"]),
        lambda net: ec.robustness.critical_size(net, (X, torch.zeros(32, dtype=torch.int64)), ec.robustness.Gaussian()),
    ],
)
def test_outputs_in_one_memory_are_refused(measure: object) -> None:
    with pytest.raises(InputError, match=r"same memory[\s\S]*return z\.clone\(\)"):
        measure(Buffered())


class Sequence(nn.Module):
    """Tokens x images x channels at `mixer`, as in the attention of torch by default."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Linear(1, 6)
        self.mixer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0)
        self.top = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.mixer(self.tokens(x.flatten(1)[..., None]).transpose(0, 1))
        return self.top(z.mean(0))


@pytest.mark.parametrize("images", [16, 20])
def test_images_on_the_second_axis_are_refused_even_where_the_numbers_agree(images: int) -> None:
    with pytest.raises(InputError, match="not the first axis at 'mixer'"):
        ec.spectrum(ec.at(Sequence(), "mixer"), X[:images])
    assert ec.spectrum(ec.at(Sequence(), "logits"), X[:images]).n_units == 3


class Lines(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv1d(4, 8, 3), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x[:, 0])).flatten(1)


@pytest.mark.parametrize("how", ["mean", "max", "positions", "token:0"])
def test_maps_of_lines_are_not_taken_for_tokens(how: str) -> None:
    with pytest.raises(InputError, match=r"N C L or tokens[\s\S]*z\.mean\(2\)"):
        ec.at(Lines(), "act", reduce=how)(X)
    with pytest.raises(InputError, match="N C L or tokens"):
        ec.profile(Lines(), X)
    rows = ec.profile(Lines(), X, reduce=lambda z: z if z.ndim == 2 else z.mean(2)).to_frame()
    assert list(rows["units"]) == [8, 8, 16]
    net = Lines()
    found = ec.at(net, "act", reduce=lambda z: z.mean(2))(X)
    torch.testing.assert_close(found, net.act(net.conv(X[:, 0])).mean(2))
    assert ec.at(net, "act")(X).shape == (32, 16)


class Maxout(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1, self.n).amax(2)


class Matrix(nn.Module):
    def matrix(self, t: float) -> Tensor:
        return torch.eye(16) * t

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.matrix(2.0)


class Held(nn.Linear):
    holding = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.Flatten(), nn.Linear(16, 6), Maxout(2)), nn.Sequential(Matrix(), nn.ReLU()), Held(16, 6)]
)
def test_attributes_that_mean_something_else_are_left_alone(net: nn.Module) -> None:
    assert layers_of(net, "logits") is None
    torch.testing.assert_close(ec.jacobian_norm(net, X).value, ec.jacobian_norm(lambda x: net(x), X).value)


def test_a_network_made_in_inference_mode_gets_its_modes_back() -> None:
    with torch.inference_mode():
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Dropout())
    found = ec.spectrum(ec.at(net, "2"), X, interval=False)
    torch.testing.assert_close(found.eigenvalues, ec.spectrum(net[:2].eval()(X), interval=False).eigenvalues)
    assert net.training
    assert net[2].training
    assert all(p.requires_grad for p in net.parameters())


class Root(nn.Module):
    """Defined where pixels are not negative."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.a((x.flatten(1) + 1e-3).sqrt())


def test_masking_checks_stay_where_the_network_is_defined() -> None:
    net, x = Root(), torch.where(X < 0.3, 0.0, X)
    y = net(x).argmax(1)
    found = ec.robustness.critical_size(net, ec.Images(x, y, ["a", "b", "c"]), ec.robustness.PGD(steps=5))
    assert found.masking is not None
    assert found.masking.finite_difference < 0.2


def test_a_norm_of_images_without_derivative_leaves_them_out() -> None:
    x = torch.cat([X[:7] + 0.1, torch.zeros(2, 1, 4, 4)])

    def roots(x: Tensor) -> Tensor:  # 0 · ∞ at zero
        return (x.flatten(1).square() * 2).sqrt()

    for measure in (ec.jacobian_norm, ec.geometry.spectral_norm):
        with pytest.warns(ec.EigencodeWarning, match="NaN or Inf for 2 of 9"):
            found = measure(roots, x)
        known = measure(roots, x[:7])
        assert found.median.n == 7
        assert found.median.interval == pytest.approx(known.median.interval, rel=1e-6)
        assert found.median.value == pytest.approx(known.median.value, rel=1e-6)
        assert "nan" not in str(found).lower()


def test_a_zero_image_has_the_derivative_zero_of_the_unit_norm_by_all_methods() -> None:
    net = ec.models.krotov_hopfield(ec.Images(X, torch.arange(32) % 3), units=5)
    x = torch.cat([torch.zeros(2, 1, 4, 4), X[:7]])
    closed, exact = (ec.jacobian_norm(ec.at(net, "latent"), x, method) for method in ("closed", "exact"))
    assert closed.value[:2].tolist() == [0.0, 0.0]
    torch.testing.assert_close(closed.value, exact.value, rtol=1e-4, atol=1e-9)
