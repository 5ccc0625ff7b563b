"""A long stream of wide responses needs the memory of one batch and of the covariance, however long it is."""

import os
import subprocess
import sys

import pytest

if not os.path.exists("/proc/self/status"):
    pytest.skip("the peak of the memory is read from /proc", allow_module_level=True)

SCRIPT = """
import sys, torch
from eigencode.spectra import spectrum
def batches(count, units):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        yield torch.randn(5000, units, generator=generator)
found = spectrum(batches(*map(int, sys.argv[1:])))
with open("/proc/self/status") as status:  # ru_maxrss would start at that of the process of the tests
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**20
print(found.n_samples, len(found.eigenvalues), bool(found.influence.isfinite().all()), peak)
"""


def measured(batches: int, units: int = 2000, threads: int = 2) -> tuple[int, int, bool, float]:
    """(samples, eigenvalues, influences finite, peak resident memory in GiB) of a process of its own."""
    words = [sys.executable, "-c", SCRIPT, str(batches), str(units)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(words, capture_output=True, text=True, timeout=3000, env=environment, check=True)
    samples, count, finite, peak = done.stdout.split()
    return int(samples), int(count), finite == "True", float(peak)


def test_a_stream_is_not_kept() -> None:
    """Four hundred megabytes of responses, in the float64 of the moments, in the memory of a few batches."""
    samples, count, finite, peak = measured(40, 250, threads=1)  # two wait for each other on a busy machine
    assert (samples, count, finite) == (200_000, 250, True)
    assert peak < 0.47  # 0.36; 0.58 if batches are kept as they come, in float32


@pytest.mark.slow
def test_memory_does_not_grow_with_the_stream() -> None:
    """With EIGENCODE_LONG=200 the million samples of the requirement: a minute and a half on two cores."""
    short, long = measured(6), measured(int(os.environ.get("EIGENCODE_LONG", "24")))
    assert long[1:3] == (2000, True)
    assert long[3] < 1.5
    assert long[3] < short[3] + 0.2
