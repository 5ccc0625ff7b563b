"""Networks, images, labels and responses as people have them: measured as an independent sum says, or refused.

Nothing of the caller's is changed: parameters, buffers, gradients, modes, images, and the global random generators.
"""

import collections
import copy
import functools
import random
import typing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
import torch.nn.functional as F
import xarray
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import eigencode as ec
from eigencode.base.errors import BatchWarning, EigencodeWarning, InputError
from eigencode.robustness import FGSM, PGD, critical_size

pytestmark = pytest.mark.usefixtures("unchecked")


def images(n: int = 12) -> Tensor:
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(n))


class Net(nn.Module):
    """Statistics of BatchNorm that are not those of the images, and Dropout."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.flat, self.a, self.norm = nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8)
        self.drop, self.b = nn.Dropout(0.5), nn.Linear(8, classes)
        drawn = torch.Generator().manual_seed(1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=drawn) / 2
        self.norm.running_mean = self.a.bias.detach() + self.a.weight.detach().sum(1) / 2
        self.b.bias.data.zero_()

    def features(self, x: Tensor) -> Tensor:
        return self.drop(torch.tanh(self.norm(self.a(self.flat(x)))))

    def forward(self, x: Tensor) -> Any:
        return self.b(self.features(x))


@dataclass
class Scaled:
    """A function as a dataclass."""

    inner: dict[str, list[nn.Module]]
    by: float = 2.0

    def __call__(self, x: Tensor) -> Tensor:
        return self.by * self.inner["nets"][0](x)


class Output(collections.OrderedDict):
    """A mapping with attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Pair(typing.NamedTuple):
    logits: Tensor
    hidden: Tensor


@dataclass
class Result:
    logits: Tensor


class Says(Net):
    """Returns something around its logits."""

    def __init__(self, around: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.around = around

    def forward(self, x: Tensor) -> Any:
        return self.around(super().forward(x))


class Instance(nn.Module):
    """Statistics of a single image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(1, 3, 3), nn.InstanceNorm2d(3), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.conv(x)).flatten(1))


class Subtracting(Net):
    """Normalises its input in place."""

    def forward(self, x: Tensor) -> Tensor:
        x -= 0.5
        return super().forward(x.div_(0.25))


class Counting(Net):
    """A buffer that counts images in place."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return super().forward(x)


class Remembering(Net):
    """A state between calls in a buffer that is made and replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("state", None)

    def forward(self, x: Tensor) -> Tensor:
        z = self.features(x)
        before, self.state = self.state, z.detach().mean(0)
        return self.b(z if before is None else z + before)


class Switching(Net):
    """Leaves evaluation mode by itself."""

    def forward(self, x: Tensor) -> Tensor:
        self.train()
        return super().forward(x)


def hooked() -> nn.Module:
    net = Net()
    net.a.register_forward_hook(lambda module, given, out: out.mul_(2))
    net.flat.register_forward_pre_hook(lambda module, given: (given[0].mul_(0.5),))
    return net


def changed(change: Callable[[Net], Any]) -> nn.Module:
    net = Net()
    change(net)
    return net


def old_spectral_norm(net: Net) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.nn.utils.spectral_norm(net.b)


def scripted() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(net)  # type: ignore[no-any-return]


def averaged() -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(Net())


Brought = tuple[Callable[[], nn.Module], Callable[[Any], Any], Callable[[Any, Tensor], Tensor]]

SAME: Callable[[Any], Any] = lambda net: net  # noqa: E731
CALL: Callable[[Any, Tensor], Tensor] = lambda net, x: net(x)  # noqa: E731

NETWORKS: dict[str, Brought] = {
    "partial of a partial": (
        Net,
        lambda net: functools.partial(functools.partial(lambda a, m, x: a * m(x), 2.0), net),
        lambda net, x: 2 * net(x),
    ),
    "list in a dict in a dataclass": (Net, lambda net: Scaled({"nets": [net]}), lambda net, x: 2 * net(x)),
    "closure of a dict": (Net, lambda net: (lambda d: lambda x: d["a"][0](x))({"a": [net]}), CALL),
    "compiled": (Net, lambda net: torch.compile(net, backend="eager"), CALL),
    "DataParallel": (lambda: nn.DataParallel(Net()), SAME, CALL),
    "script": (scripted, SAME, CALL),
    "hooks that change in place": (hooked, SAME, lambda net, x: net(x.clone())),
    "x of a mapping": (lambda: Says(lambda z: Output(logits=z)), lambda net: ec.at(net, "logits[logits]"), None),
    "x of a named tuple": (lambda: Says(lambda z: Pair(z, z)), lambda net: ec.at(net, "logits[0]"), None),
    "x of a dataclass": (lambda: Says(Result), lambda net: ec.at(net, "logits[logits]"), None),
    "in place": (Subtracting, SAME, lambda net, x: net(x.clone())),
    "counting": (Counting, SAME, CALL),
    "instance norm": (Instance, SAME, CALL),
    "random rectifier": (lambda: changed(lambda net: setattr(net, "drop", nn.RReLU())), SAME, CALL),
    "spectral norm": (lambda: changed(lambda net: parametrizations.spectral_norm(net.b)), SAME, CALL),
    "old spectral norm": (lambda: changed(old_spectral_norm), SAME, CALL),
    "weight norm": (lambda: changed(lambda net: parametrizations.weight_norm(net.a)), SAME, CALL),
    "averaged weights": (averaged, SAME, CALL),
    "frozen in part": (lambda: changed(lambda net: net.a.requires_grad_(False)), SAME, CALL),
    "functional call": (
        Net,
        lambda net: lambda x: torch.func.functional_call(net, dict(net.named_parameters()), (x,)),
        CALL,
    ),
    "channels last": (lambda: Instance().to(memory_format=torch.channels_last), SAME, CALL),
    "log-probabilities": (lambda: Says(lambda z: z.log_softmax(1)), SAME, CALL),
}  # type: ignore[assignment]
"""A network, what is passed, and its logits as a function of the network in evaluation mode (None: `.logits`)."""


def state(net: nn.Module) -> dict[str, Any]:
    """Everything of a network that a measurement leaves alone, and the random generators."""
    found: dict[str, Any] = {f"mode {name}": m.training for name, m in net.named_modules()}
    for name, p in net.named_parameters():
        found |= {name: p.detach().clone(), f"flag {name}": p.requires_grad}
        found |= {f"grad {name}": None if p.grad is None else p.grad.clone()}
    for prefix, module in net.named_modules():
        if not isinstance(module, torch.jit.ScriptModule):
            found |= {f"{prefix}.{k}": None if b is None else b.clone() for k, b in module._buffers.items()}
    found |= {"torch": torch.get_rng_state(), "numpy": str(np.random.get_state())}  # noqa: NPY002
    return found | {"python": random.getstate()}


def same(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    """What differs."""
    equal = lambda a, b: torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b or a == b  # noqa: E731
    return [name for name in {**one, **two} if not equal(one.get(name), two.get(name))]


def slopes(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∂z/∂x‖_F of each image, output by output."""
    x = x.clone().requires_grad_()
    z = function(x)
    rows = [torch.autograd.grad(z[:, k].sum(), x, retain_graph=True)[0].flatten(1) for k in range(z.shape[1])]
    return torch.stack(rows, 1).square().sum((1, 2)).sqrt().detach()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_networks_are_measured_and_left_alone(name: str) -> None:
    make, passed, reference = NETWORKS[name]
    torch.manual_seed(0)
    net, x = make().train(), images()
    reference = reference or (lambda net, x: copy.copy(net(x))["logits"] if isinstance(net(x), dict) else net(x).logits)
    judge = copy.deepcopy(net).eval()
    logits = lambda x: reference(judge, x.clone())  # noqa: E731
    with torch.no_grad():
        z = logits(x)
    test = ec.Images(x.clone(), z.argmax(1), "0123")
    thing = passed(net)
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    before, kept = state(net), x.clone()

    spectrum = ec.spectrum(thing, x, interval=False).eigenvalues
    jacobian = ec.jacobian_norm(thing, x)
    found = critical_size(thing, test, FGSM(), check=False, tolerance=1e-3)

    assert same(before, state(net)) == []
    assert torch.equal(x, kept)
    assert x.grad is None
    torch.testing.assert_close(spectrum, torch.linalg.eigvalsh(torch.cov(z.double().T)).flip(0), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(jacobian.value.float(), slopes(logits, x), rtol=1e-3, atol=1e-5)
    assert found.n_correct == len(x)
    assert int((~found.censored).sum()) > 0, "the networks are such that FGSM breaks images"
    point = x.clone().requires_grad_()
    loss = F.cross_entropy(logits(point), test.y, reduction="sum")
    way = torch.autograd.grad(loss, point)[0].sign()
    for factor, broken in ((1.003, True), (0.99, False)):
        moved = (x + factor * found.eps.float()[:, None, None, None] * way).clamp(0, 1)
        with torch.no_grad():
            hit = logits(moved).argmax(1) != test.y
        assert (hit == broken)[~found.censored].double().mean() > 0.9


@pytest.mark.parametrize(
    ("around", "advice"),
    [
        (lambda z: Output(logits=z), "logits[logits]"),
        (lambda z: Pair(z, z), "logits[0]"),
        (Result, "logits[logits]"),
        (lambda z: [z], "logits[0]"),
    ],
)
def test_outputs_that_are_no_tensor_are_named(around: Any, advice: str) -> None:
    net, x = Says(around).eval(), images()
    for call in (ec.spectrum, ec.jacobian_norm):
        with pytest.raises(InputError, match="name an element") as caught:
            call(net, x)
        assert advice in str(caught.value)
        code = eval(str(caught.value).rpartition("element: ")[2], {"ec": ec, "net": net})
        assert call(code, x) is not None


@pytest.mark.parametrize("call", ["spectrum", "jacobian_norm", "places", "a function", "critical_size"])
def test_a_network_without_its_weights_is_refused_and_stays_so(call: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(4))
    x, y = images(), torch.arange(12) % 4
    calls: dict[str, Callable[[], Any]] = {
        "spectrum": lambda: ec.spectrum(net, x),
        "jacobian_norm": lambda: ec.jacobian_norm(net, x),
        "places": lambda: ec.places(net, x),
        "a function": lambda: ec.spectrum(lambda x: net(x), x),
        "critical_size": lambda: critical_size(net, ec.Images(x, y), FGSM()),
    }
    with pytest.raises(InputError, match="without its weights"):
        calls[call]()
    assert isinstance(net[1], nn.LazyLinear)
    net(x[:2])  # as the advice says
    assert calls[call]() is not None


@pytest.mark.parametrize("make", [Remembering, lambda: Says(lambda z: F.dropout(z, 0.5, training=True)), Switching])
def test_networks_that_answer_otherwise_the_second_time_are_noticed(make: Callable[[], nn.Module]) -> None:
    net, x = make().eval(), images()
    buffers = {name: copy.deepcopy(b) for name, b in net._buffers.items()}
    with pytest.warns(BatchWarning, match="second time"):
        ec.spectrum(net, x, interval=False)
    assert {name: b is None for name, b in net._buffers.items()} == {name: b is None for name, b in buffers.items()}


def test_batch_norm_without_statistics_is_noticed() -> None:
    net, x = changed(lambda net: setattr(net, "norm", nn.BatchNorm1d(8, track_running_stats=False))).eval(), images()
    with pytest.warns(BatchWarning, match="mixes the images"):
        ec.spectrum(net, x, interval=False)
    with pytest.raises(InputError, match="no derivative of its own"):
        ec.jacobian_norm(net, x)


@pytest.mark.parametrize("attack", [FGSM(), PGD(norm="l2", steps=3)])
def test_probabilities_are_told(attack: Any) -> None:
    net = Says(lambda z: (30 * z).softmax(1)).eval()
    test = ec.Images(images(), net(images()).argmax(1), "0123")
    with pytest.warns(EigencodeWarning, match="returns probabilities, not logits"):
        critical_size(net, test, attack, check=False)
    plain = Net().eval()
    critical_size(plain, test, attack, check=False)  # no warning


class Protocol:
    """An array of a library nobody knows."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values if dtype is None else self.values.astype(dtype)


def responses() -> np.ndarray:
    return torch.randn(30, 5, generator=torch.Generator().manual_seed(0)).numpy()


def table(**more: Any) -> pd.DataFrame:
    frame = pd.DataFrame(responses(), columns=list("abcde"), index=[f"image {n}" for n in range(30)])
    return frame.assign(**more)


RESPONSES: dict[str, Callable[[], Any]] = {
    "a table with names of images": table,
    "a table of objects": lambda: table().astype(object),
    "a table with its own missing values": lambda: table().convert_dtypes(),
    "a table with truth values": lambda: table(a=responses()[:, 0] > 0),
    "a table the other way": lambda: table().T.rename_axis(index="unit", columns="stimulus"),
    "named axes": lambda: xarray.DataArray(responses().T, dims=("neuroid", "presentation")),
    "axes without names": lambda: xarray.DataArray(responses()),
    "array protocol": lambda: Protocol(responses()),
    "big-endian": lambda: responses().astype(">f8"),
    "backwards": lambda: responses()[::-1],
    "Fortran": lambda: np.asfortranarray(responses()),
    "no mask": lambda: np.ma.array(responses()),
    "generator": lambda: (part for part in np.array_split(responses(), 4)),
    "a parameter": lambda: nn.Parameter(torch.from_numpy(responses())),
}
NO_RESPONSES: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: table(label="x"), "columns that are not numbers"),
    "categories": (lambda: table(c=pd.Categorical(["u"] * 30)), "columns that are not numbers"),
    "dates": (lambda: table(t=pd.date_range("2020", periods=30)), "columns that are not numbers"),
    "records": (lambda: table().to_records(index=False), r"np.array\(x.tolist"),
    "a mask": (lambda: np.ma.masked_greater(responses(), 2), "masked"),
    "sparse": (lambda: scipy.sparse.coo_array(responses()), "sparse"),
    "sparse tensor": (lambda: torch.from_numpy(responses()).to_sparse(), "sparse"),
    "digits": (lambda: responses().astype(str), "not real numbers"),
    "a dictionary": (lambda: {"a": responses()}, "no points"),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_responses(name: str) -> None:
    z = responses().astype("f8")
    z = np.column_stack([z[:, 0] > 0, z[:, 1:]]) if "truth" in name else z
    found = ec.spectrum(RESPONSES[name](), interval=False).eigenvalues
    np.testing.assert_allclose(found, np.linalg.svd(z - z.mean(0), compute_uv=False) ** 2 / 29, rtol=1e-5)


@pytest.mark.parametrize("name", NO_RESPONSES)
def test_what_holds_no_responses_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=NO_RESPONSES[name][1]):
        ec.spectrum(NO_RESPONSES[name][0]())


def labels() -> Tensor:
    return torch.arange(12) % 4


class Dicts(Dataset):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, n: int) -> Any:
        return {"image": images()[n], "label": int(labels()[n])}


class Pictures(Dicts):
    def __getitem__(self, n: int) -> Any:
        return Image.fromarray((255 * images()[n, 0].numpy()).astype("uint8")), int(labels()[n])


class Streamed(IterableDataset):
    def __iter__(self) -> Iterator[Any]:
        yield from ({"pixel_values": x, "labels": int(y)} for x, y in zip(images(), labels()))


def pairs() -> TensorDataset:
    return TensorDataset(images(), labels())


LABELLED: dict[str, Callable[[], Any]] = {
    "dictionaries": Dicts,
    "batches of dictionaries": lambda: DataLoader(Dicts(), 5),
    "shuffled": lambda: DataLoader(pairs(), 5, shuffle=True),
    "a stream": lambda: DataLoader(Streamed(), 5),
    "single images": lambda: DataLoader(pairs(), batch_size=None),
    "parts": lambda: ConcatDataset([Subset(pairs(), range(6)), Subset(pairs(), range(6, 12))]),
    "with an index": lambda: TensorDataset(images(), labels(), torch.arange(12)),
    "batches": lambda: zip(images().split(5), labels().split(5)),
    "float64, big-endian": lambda: (images().numpy().astype(">f8"), labels()),
    "a column of a table": lambda: (images(), pd.Series(labels().tolist(), index=range(5, 17), dtype=object)),
    "rounded beyond one": lambda: (images() + 0 * images() - 2e-8, labels()),
    "axes in another order": lambda: (
        xarray.DataArray(images().permute(0, 2, 3, 1).numpy(), dims=("sample", "y", "x", "c")),
        labels(),
    ),
}
UNLABELLED: dict[str, tuple[Callable[[], Any], str]] = {
    "pictures": (Pictures, "transform to tensors"),
    "no labels": (lambda: TensorDataset(images()), "without labels"),
    "0..255 as floats": (lambda: (255 * images(), labels()), "x / 255"),
    "16 bits": (lambda: ((65535 * images()).numpy().astype("u2"), labels()), "x / 65535"),
    "-1..1": (lambda: (2 * images() - 1, labels()), "undo the normalisation"),
    "no channels": (lambda: (images()[:, 0], labels()), r"x\[:, None\]"),
    "one-hot": (lambda: (images(), F.one_hot(labels())), r"y.argmax\(1\)"),
    "text": (lambda: (images(), list("abcd" * 3)), "labels are text"),
    "negative": (lambda: (images(), labels() - 1), "out of range"),
    "missing": (lambda: (images(), torch.tensor([torch.nan, *[1.0] * 11])), "drop images without one"),
    "halves": (lambda: (images(), labels() / 2), "return_inverse"),
    "the wrong way": (lambda: (labels(), images()), "wrong shape"),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labelled_images(name: str) -> None:
    before = torch.get_rng_state()
    found = ec.Images.of(LABELLED[name]())
    assert torch.equal(before, torch.get_rng_state())
    order = found.x[:, 0, 0, 0].argsort()
    torch.testing.assert_close(found.x[order], images()[images()[:, 0, 0, 0].argsort()])
    assert torch.equal(found.y[order], labels()[images()[:, 0, 0, 0].argsort()])


@pytest.mark.parametrize("name", UNLABELLED)
def test_what_holds_no_labelled_images_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=UNLABELLED[name][1]):
        ec.Images.of(UNLABELLED[name][0]())


def test_pixels_that_leave_the_box_by_rounding_are_clipped() -> None:
    x = images() / images().max()
    assert float(ec.Images(x * (1 + 2e-7), labels()).x.max()) == 1
    with pytest.raises(InputError, match=r"1\.00001"):
        ec.Images(x * 1.00001, labels())
