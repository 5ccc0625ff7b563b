"""Which products are made in bfloat16."""

from collections.abc import Iterator

import pytest
import torch

from eigencode.base import precision as module
from eigencode.base.precision import multiplies_bfloat16, product_dtype


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    multiplies_bfloat16.cache_clear()
    yield
    multiplies_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("able", "wanted"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"architecture": "arm64", "bf16": True}, True),
        ({"architecture": "arm64", "bf16": False, "neon": True}, False),
        ({}, False),
    ],
)
def test_the_processor_decides(able: dict[str, object], wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert multiplies_bfloat16("cpu") is wanted
    assert product_dtype("bfloat16") == (torch.bfloat16 if wanted else torch.float32)
    assert product_dtype("float32") == torch.float32


def test_without_onednn_there_is_nothing_to_multiply_it_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert multiplies_bfloat16("cpu") is False


def test_an_older_torch_is_asked_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    for amx in (False, True):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        assert module._cpu_has_bfloat16() is amx
