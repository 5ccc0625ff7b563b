"""Strict test run: shapes and types checked at run time, one thread, the global random generator fixed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import jaxtyping
import pytest
import strict_types
from coarse import draw_coarsely

strict_types.install()

import torch  # noqa: E402

SEED = 20240500679
hypothesis.settings.register_profile("fast", max_examples=40)  # `make slow` draws the usual hundred
hypothesis.settings.load_profile("fast")


@contextmanager
def _seeded() -> Iterator[None]:
    """Seed the generator of the processor, and restore it afterwards.  `torch.manual_seed` and `fork_rng` deal with
    accelerators too, which takes longer than most tests."""
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(SEED)
    try:
        yield
    finally:
        generator.set_state(before)


@pytest.fixture(autouse=True)
def _one_thread_and_fixed_rng() -> Iterator[None]:
    """One thread per test process; tests that build somebody's `nn.Linear` always get the same weights."""
    torch.set_num_threads(1)
    strict_types.next_test()
    with _seeded():
        yield


@pytest.fixture(autouse=True)
def _no_module_of_a_test_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module that a test wrote into a temporary folder and imported is forgotten: another test may use its name."""
    before, folder = set(sys.modules), str(tmp_path_factory.getbasetemp())
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
    """The same for fixtures of a module or session: they are made before the fixture above seeds anything, and what
    the process drew until then depends on which tests it was given."""
    if fixturedef.scope == "function":
        return (yield)
    with _seeded():
        return (yield)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Shape and type checks off for one test, so that our own message for a wrong input is seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are quick to draw, for tests that do not look at them."""
    draw_coarsely(monkeypatch)


@pytest.fixture
def only_figure(coarse: None) -> Iterator[Callable[..., None]]:
    """`only_figure(NAME, …)`: reports have these figures alone; drawing all takes longer than the rest of a test."""
    from eigencode.report.figures import FIGURES

    everything = dict(FIGURES)

    def put(figures: dict[str, Any]) -> None:
        FIGURES.clear()  # and filled again: their order is that of the page
        FIGURES.update(figures)

    yield lambda *names: put({name: everything[name] for name in names})
    put(everything)


@pytest.fixture
def one_figure(only_figure: Callable[..., None]) -> None:
    """The same for tests that look at no figure."""
    only_figure("spectra")


@pytest.fixture
def multiplies_bfloat16(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """`multiplies_bfloat16(True)`: the processor multiplies bfloat16, whatever it is; slowly, where it does not."""

    def pretend(able: bool) -> None:
        monkeypatch.setattr("eigencode.base.precision.multiplies_bfloat16", lambda kind: able)

    return pretend


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def leaves_no_trace() -> Callable[..., None]:
    """`leaves_no_trace(net, x, action)`: run `action` and require the network (weights, buffers, modes, gradient
    flags, gradients, hooks), the tensor `x` and the global random generator to be what they were."""

    def check(net: torch.nn.Module, x: torch.Tensor, action: Callable[[], object]) -> None:
        def state() -> tuple[object, ...]:
            return (
                {k: v.clone() for k, v in net.state_dict().items()},
                x.detach().clone(),
                torch.random.get_rng_state(),
                [m.training for m in net.modules()],
                [(p.requires_grad, p.grad is None) for p in net.parameters()],
                [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()],
                (x.requires_grad, x.grad is None),
            )

        before = state()
        action()
        torch.testing.assert_close(state(), before, rtol=0, atol=0, equal_nan=True)

    return check
