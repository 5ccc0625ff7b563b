"""Arrays of every library reach the functions as the same numbers; what is no array is refused in our words."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas
import pytest
import scipy.sparse
import torch
import xarray
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import eigencode as ec
from eigencode.base.arrays import tensor
from eigencode.base.errors import EigencodeWarning, InputError

pytestmark = pytest.mark.usefixtures("unchecked")

X = np.random.default_rng(0).normal(size=(40, 6))
PIXELS = np.random.default_rng(1).uniform(0.05, 1, size=(12, 3, 6, 7)).astype(np.float32)
LABELS = np.arange(12) % 3


class Protocol:
    """Somebody's array: nothing but `__array__`."""

    def __init__(self, values: np.ndarray) -> None:
        self.values_ = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.values_.astype(dtype or self.values_.dtype)


def readonly(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


SAME: dict[str, Callable[[np.ndarray], Any]] = {
    "torch": torch.from_numpy,
    "big-endian": lambda x: x.astype(">f8"),
    "read-only": readonly,
    "reversed twice": lambda x: x[::-1].copy()[::-1],
    "Fortran order": np.asfortranarray,
    "lists": lambda x: x.tolist(),
    "tuples": lambda x: tuple(map(tuple, x.tolist())),
    "a list of rows": lambda x: list(x),
    "a list of tensors": lambda x: list(torch.from_numpy(x)),
    "DataFrame": pandas.DataFrame,
    "nullable DataFrame": lambda x: pandas.DataFrame(x).convert_dtypes(),
    "DataArray": lambda x: xarray.DataArray(x, dims=("stimulus", "neuroid")),
    "DataArray, transposed": lambda x: xarray.DataArray(x.T.copy(), dims=("neuron", "time")),
    "DataFrame with named axes": lambda x: pandas.DataFrame(x).rename_axis("frames").rename_axis("cells", axis=1).T,
    "mask without effect": np.ma.masked_array,
    "matrix": np.asmatrix,
    "array protocol": Protocol,
    "memory view": memoryview,
    "objects": lambda x: x.astype(object),
    "long double": lambda x: x.astype(np.longdouble),
    "batches": lambda x: (x[i : i + 9] for i in range(0, 40, 9)),
    "batches of tensors with labels": lambda x: [(torch.from_numpy(x[:25]), 1), (torch.from_numpy(x[25:]), 2)],
    "DataLoader": lambda x: DataLoader(TensorDataset(torch.from_numpy(x)), batch_size=7),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("how", list(SAME))
def test_responses_in_any_container_give_the_same_spectrum(how: str) -> None:
    got = ec.spectrum(SAME[how](X), interval=False)
    torch.testing.assert_close(got.eigenvalues, torch.linalg.eigvalsh(torch.cov(torch.from_numpy(X).T)).flip(0))
    assert got.n_samples == 40


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("how", [name for name in SAME if "batches" not in name and name != "DataLoader"])
def test_repeats_in_any_container(how: str) -> None:
    other = X + np.random.default_rng(2).normal(size=X.shape)
    expected = ec.cvpca(torch.from_numpy(X), torch.from_numpy(other)).eigenvalues
    torch.testing.assert_close(ec.cvpca(SAME[how](X), SAME[how](other)).eigenvalues, expected)
    control = ec.spectra.shuffled_control(SAME[how](X), SAME[how](other)).eigenvalues
    torch.testing.assert_close(
        control, ec.spectra.shuffled_control(torch.from_numpy(X), torch.from_numpy(other)).eigenvalues
    )


WRONG: dict[str, tuple[Any, str]] = {
    "mask": (np.ma.masked_array(X, mask=X > 1), "is masked"),
    "list of masked": (np.ma.masked_greater(X, 0), "is masked"),
    "complex": (X + 1j, "complex"),
    "complex tensor": (torch.from_numpy(X) + 1j, "complex"),
    "text": (np.array([["a", "b"], ["c", "d"]]), "not real numbers"),
    "dates": (np.zeros((3, 2), "datetime64[s]"), "dates"),
    "objects": (np.array([[1, None], [2, 3]], dtype=object), "not real numbers"),
    "text columns": (pandas.DataFrame({"unit": [1.0, 2.0], "area": ["V1", "V2"]}), "columns that are not numbers"),
    "Dataset": (xarray.Dataset({"rate": ("time", [1.0, 2.0])}), r"several arrays[\s\S]*data\['rate'\]"),
    "contradicting names": (xarray.DataArray(X, dims=("neuron", "channel")), "do not say what they are"),
    "sparse": (scipy.sparse.csr_matrix(X), r"is sparse[\s\S]*toarray"),
    "sparse array": (scipy.sparse.coo_array(X), "is sparse"),
    "sparse tensor": (torch.from_numpy(X).to_sparse(), r"sparse[\s\S]*to_dense"),
    "meta": (torch.ones(5, 3, device="meta"), "no numbers"),
    "ragged": ([[1.0, 2.0], [3.0]], "not an array"),
    "ragged tensors": ([torch.ones(2), torch.ones(3)], "different shapes"),
    "empty": (np.zeros((0, 4)), "too few samples"),
    "no units": (torch.zeros(4, 0), "no numbers"),
    "a number": (3.0, "no points|wrong shape|not an array"),
    "None": (None, "no points"),
    "a string": ("responses.npy", "no points"),
    "a dictionary": ({"x": X}, "no points"),
    "a function": (abs, "no points"),
    "a network": (nn.Linear(2, 2), "no points"),
    "no batches": (iter([]), "too few samples"),
    "batches of text": (iter(["abc"]), "not an array"),
    "a recording": (ec.data.Recording(torch.from_numpy(X)[None]), "no points|not an array"),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_what_is_no_array_of_responses_is_refused(what: str) -> None:
    given, says = WRONG[what]
    with pytest.raises(InputError, match=says):
        ec.spectrum(given)


@pytest.mark.parametrize(
    "what", ["mask", "complex", "complex tensor", "sparse", "text columns", "ragged", "None", "empty"]
)
def test_repeats_and_eigenvalues_are_checked_too(what: str) -> None:
    given = WRONG[what][0]
    for use in (
        lambda: ec.cvpca(given, given),
        lambda: ec.spectra.participation_ratio(given),
        lambda: ec.spectra.lidar(given),
    ):
        with pytest.raises(InputError):
            use()


class Photographs(Dataset[tuple[torch.Tensor, int]]):
    """A data set of the usual kind: items (image, label)."""

    classes = ("a", "b", "c")

    def __len__(self) -> int:
        return len(PIXELS)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        if i >= len(self):
            raise IndexError(i)
        return torch.from_numpy(PIXELS[i]), int(LABELS[i])


IMAGES: dict[str, Callable[[], Any]] = {
    "Images": lambda: ec.Images(PIXELS, LABELS),
    "numpy": lambda: PIXELS,
    "float64": lambda: PIXELS.astype(np.float64),
    "lists": lambda: PIXELS.tolist(),
    "a list of images": lambda: list(torch.from_numpy(PIXELS)),
    "channels named": lambda: xarray.DataArray(PIXELS.transpose(0, 2, 3, 1), dims=("image", "y", "x", "rgb")),
    "Dataset": Photographs,
    "DataLoader": lambda: DataLoader(Photographs(), batch_size=5),
    "dictionaries": lambda: iter([{"pixel_values": torch.from_numpy(PIXELS), "labels": torch.from_numpy(LABELS)}]),
}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(126, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("how", list(IMAGES))
def test_images_in_any_container(how: str) -> None:
    made, x = net(), torch.from_numpy(PIXELS)
    code = ec.at(made, "2")
    torch.testing.assert_close(ec.spectrum(code, IMAGES[how]()).eigenvalues, ec.spectrum(code, x).eigenvalues)
    torch.testing.assert_close(ec.jacobian_norm(code, IMAGES[how]()).value, ec.jacobian_norm(code, x).value)
    found = ec.spectra.spectra_at(made, IMAGES[how](), ["2"])["2"].eigenvalues
    torch.testing.assert_close(found, ec.spectrum(code, x).eigenvalues)
    assert ec.places(made, IMAGES[how]()).names == ec.places(made, x).names
    torch.testing.assert_close(ec.trace(made, IMAGES[how](), ["2"])["2"], code(x))
    torch.testing.assert_close(
        ec.geometry.spectral_norm(code, IMAGES[how]()).value, ec.geometry.spectral_norm(code, x).value
    )


LABELLED: dict[str, Callable[[], Any]] = {
    "a pair": lambda: (PIXELS, LABELS),
    "a pair in a list": lambda: [torch.from_numpy(PIXELS), LABELS.tolist()],
    **{name: IMAGES[name] for name in ("Images", "Dataset", "DataLoader", "dictionaries")},
}


@pytest.mark.parametrize("how", list(LABELLED))
def test_labelled_images_in_any_container(how: str) -> None:
    made = net()
    attack, eps = ec.robustness.FGSM(), [0.0, 0.1, 0.3]
    expected = ec.robustness.curve(made, ec.Images(PIXELS, LABELS), attack, eps, check=False)
    got = ec.robustness.curve(made, LABELLED[how](), attack, eps, check=False)
    torch.testing.assert_close(got.accuracy, expected.accuracy)
    ec.train_supervised(made, LABELLED[how](), epochs=1)
    assert len(ec.models.perceptron(LABELLED[how](), units=4).state_dict()) > 1


def test_images_without_labels_are_refused_where_labels_are_needed() -> None:
    with pytest.raises(InputError, match=r"images without labels[\s\S]*ec\.Images\(x, y\)"):
        ec.robustness.curve(net(), torch.from_numpy(PIXELS), ec.robustness.FGSM(), [0.1])


def test_a_shuffled_loader_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    ec.Images.of(DataLoader(Photographs(), batch_size=5, shuffle=True))
    torch.testing.assert_close(torch.random.get_rng_state(), before)


def test_a_data_set_that_fails_is_told() -> None:
    def broken() -> Iterator[torch.Tensor]:
        yield torch.from_numpy(PIXELS)
        raise KeyError("gone")

    with pytest.raises(InputError, match=r"batches cannot be read[\s\S]*KeyError"):
        ec.jacobian_norm(net(), broken())


@pytest.mark.parametrize("scale", [255.0, -1.0, 1.5])
def test_pixels_of_another_scale_are_told(scale: float) -> None:
    made, x = net(), torch.from_numpy(PIXELS) * scale
    uses: list[Callable[[], object]] = [
        lambda: ec.spectrum(ec.at(made, "2"), x),
        lambda: ec.spectra.spectra_at(made, x, ["2"]),
        lambda: ec.jacobian_norm(made, x),
        lambda: ec.geometry.spectral_norm(made, x),
        lambda: ec.landscape(made, x[0], place="2", space="pixel", points=2, rays=0),
        lambda: ec.spectra.injected_noise_spectrum(ec.at(made, "2"), x, 0.1),
    ]
    for use in uses:
        with pytest.warns(EigencodeWarning, match=r"not in \[0, 1\]"):
            use()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ec.spectrum(ec.at(made, "2"), x, points=True)
        ec.spectrum(lambda z: z.flatten(1), x)
        ec.jacobian_norm(made, x.flatten(1), points=True)


def test_bytes_are_images() -> None:
    made, raw = net(), (PIXELS * 255).astype(np.uint8)
    expected = ec.jacobian_norm(made, torch.from_numpy(raw).float() / 255).value
    torch.testing.assert_close(ec.jacobian_norm(made, raw).value, expected)
    with pytest.raises(InputError, match="wrong type of pixel"):
        ec.jacobian_norm(made, raw.astype(np.int64))


def test_images_that_cannot_be_measured_are_refused() -> None:
    made, spoilt = net(), PIXELS.copy()
    spoilt[3, 0, 0, 0] = np.nan
    for bad, says in (
        (spoilt, r"NaN or Inf[\s\S]*\[3\]"),
        (PIXELS[:0], "no images"),
        (PIXELS.transpose(0, 2, 3, 1), "last axis"),
    ):
        for use in (lambda: ec.jacobian_norm(made, bad), lambda: ec.spectrum(made, bad)):  # noqa: B023
            with pytest.raises(InputError, match=says):
                use()
    with pytest.raises(InputError, match="NaN or Inf"):
        ec.landscape(made, spoilt[3], place="2", space="pixel", points=2)


def test_the_advice_for_what_cannot_be_converted_works() -> None:
    masked = np.ma.masked_array(X, mask=np.eye(40, 6, dtype=bool))
    left = masked[~np.ma.getmaskarray(masked).any(axis=1)]
    assert ec.spectrum(left, interval=False).n_samples == 34
    assert ec.spectrum(scipy.sparse.csr_matrix(X).toarray(), interval=False).n_samples == 40
    frame = pandas.DataFrame({"a": [1.0, 2.0, 4.0], "b": [2.0, 1.0, 0.0], "area": ["V1", "V1", "V2"]})
    assert ec.spectrum(frame.select_dtypes("number"), interval=False).n_units == 2


def test_missing_values_of_a_table_are_not_zeros() -> None:
    table = pandas.DataFrame({"a": [1, None, 3], "b": [2, 1, 0]}, dtype="Int64")
    assert tensor(table).isnan().sum() == 1
    with pytest.raises(InputError, match="NaN or Inf"):
        ec.spectrum(table)


@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.int8, np.bool_, np.float16])
def test_number_types_keep_their_values(kind: type) -> None:
    values = np.array([[0, 1], [1, 0], [1, 1]]).astype(kind)
    assert tensor(values).double().tolist() == values.astype(float).tolist()


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e155, 1e200, 1e308])
def test_numbers_whose_squares_do_not_exist_are_refused(scale: float) -> None:
    x = torch.from_numpy(X) / 4 * scale
    uses: list[Callable[[], object]] = [
        lambda: ec.spectrum(x),
        lambda: ec.spectrum(x.T),
        lambda: ec.cvpca(x, x.flip(1)),
        lambda: ec.cvpca(x.T, x.T.flip(1)),
        lambda: ec.spectra.leading_spectrum(x, top=2),
        lambda: ec.spectra.spectra_by_width(x, widths=[3]),
    ]
    for use in uses:
        with pytest.raises(InputError, match="squares float64 cannot hold"):
            use()


def test_large_and_small_numbers_scale() -> None:
    x = torch.from_numpy(X)
    for scale in (1e-130, 1e150):
        found = ec.spectrum(x * scale, interval=False)
        torch.testing.assert_close(found.participation_ratio, ec.spectrum(x, interval=False).participation_ratio)


def test_printing_a_result_prints_no_array() -> None:
    found = ec.spectrum(torch.from_numpy(np.random.default_rng(0).normal(size=(300, 40))))
    for shown in (
        found,
        ec.Images(PIXELS, LABELS),
        ec.data.Recording(torch.randn(2, 9, 5)),
        ec.data.PlantedCode.of(9, 1.0),
    ):
        assert len(str(shown)) < 600
        assert "tensor(" not in repr(shown)
    assert "eigenvalues=[40: " in repr(found)
