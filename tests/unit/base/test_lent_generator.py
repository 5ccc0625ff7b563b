"""The global generator, lent and put back."""

import pytest
import torch
from torch import nn

from eigencode.base.seeding import lent, stream


def dropped() -> torch.Tensor:
    return nn.Dropout()(torch.ones(50))


@pytest.mark.parametrize("fail", [False, True])
def test_the_global_generator_is_put_back(fail: bool) -> None:
    before = torch.random.get_rng_state()
    try:
        with lent() as seed:
            seed(stream(0, "layers"))
            dropped()
            if fail:
                raise KeyError
    except KeyError:
        pass
    torch.testing.assert_close(torch.random.get_rng_state(), before, rtol=0, atol=0)


def test_layers_follow_the_stream() -> None:
    seen = []
    for names in (("a", 0), ("a", 1), ("a", 0)):
        dropped()
        with lent("cpu") as seed:
            seed(stream(3, *names))
            seen.append(dropped())
    torch.testing.assert_close(seen[0], seen[2], rtol=0, atol=0)
    assert not torch.equal(seen[0], seen[1])
