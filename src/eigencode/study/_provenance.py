"""Provenance of a result: versions, machine, precision, commit and time; and that of many results."""

import importlib.metadata
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from eigencode import __version__

PACKAGES = ("eigencode", "torch", "numpy", "scipy", "scikit-learn")


def provenance() -> dict[str, Any]:
    """Versions, platform, hardware, bfloat16 support, threads, commit and time (UTC), for `step.json`."""
    import torch

    return {
        **_fixed(),
        "threads": torch.get_num_threads(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


MATTERS = ("torch", "numpy", "scipy", "scikit-learn", "processor", "accelerator", "bfloat16")
"""What changes the bits of a result; of another commit only the code of the step does, which is part of its key."""


def combined(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One provenance of the steps of a result: where they differ, all values with the number of their steps.

    >>> combined([{"python": "3.11", "time": "10:30"}, {"python": "3.12", "time": "10:45"}])
    {'python': '3.11 (1 step), 3.12 (1 step)', 'time': '10:30 to 10:45'}
    """
    result: dict[str, Any] = {}
    for name in dict.fromkeys(key for one in found for key in one):
        values = [one[name] for one in found if name in one]
        if isinstance(values[0], dict):
            result[name] = combined(values)
        elif name == "time" and min(values) < max(values):
            result[name] = f"{min(values)} to {max(values)}"
        else:
            result[name] = values[0] if len(set(values)) == 1 else _counted(values)
    return result


def mixed(found: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence if steps of one result were computed by other libraries or processors; else none."""
    flat = [{**one, **one.get("versions", {})} for one in found]
    values = {name: [str(one.get(name, "unknown")) for one in flat] for name in MATTERS}
    told = "; ".join(f"{name} {_counted(those)}" for name, those in values.items() if len(set(those)) > 1)
    said = (
        f"the steps of this result were not all computed alike: {told}. That changes rounding, and a trained network "
        "as another seed would; to compare models, run all of them alike in a new store"
    )
    return [said] if told else []


def elsewhere(earlier: Sequence[dict[str, Any]], here: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the provenances that differ from this one in more than time."""
    return [one for one in earlier if {**one, "time": ""} != {**here, "time": ""}]


def _counted(values: Sequence[object]) -> str:
    """All values, the most frequent first, with their numbers."""
    return ", ".join(f"{value} ({n} step{'s' * (n > 1)})" for value, n in Counter(values).most_common())


@cache
def _fixed() -> dict[str, Any]:
    import torch

    from eigencode.base.precision import multiplies_bfloat16

    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "bfloat16": "native" if multiplies_bfloat16("cpu") else "products in float32",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "commit": _commit(),
    }


def _version(name: str) -> str:
    if name == "eigencode":
        return __version__  # the metadata of an editable installation may be older than the code
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _commit() -> str:
    """Commit of the checkout this package runs from, followed by "+" if files differ; "" outside a checkout.

    A package installed inside the checkout of another project has none: that commit does not describe this code.
    """
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", str(Path(__file__).resolve()))
        commit = git("rev-parse", "--short=12", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(here.parents[1]))
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit + ("+" if changed else "")
