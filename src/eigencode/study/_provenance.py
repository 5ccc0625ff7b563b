"""Provenance of a result: versions, machine, commit and time."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

PACKAGES = ("eigencode", "torch", "numpy", "scipy", "scikit-learn")


def provenance() -> dict[str, Any]:
    """Versions, platform, hardware, bfloat16 support, threads, commit and time (UTC), for `step.json`."""
    import torch

    return {
        **_fixed(),
        "threads": torch.get_num_threads(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
