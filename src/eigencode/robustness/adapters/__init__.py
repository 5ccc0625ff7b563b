"""Adapters for attacks of other libraries, which are imported on first use."""

from eigencode.robustness.adapters.autoattack import AutoAttack
from eigencode.robustness.adapters.foolbox import Foolbox

__all__ = ["AutoAttack", "Foolbox"]
