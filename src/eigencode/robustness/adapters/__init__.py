"""Attacks of other libraries behind the protocol of this package; each library is imported when first used."""

from eigencode.robustness.adapters.autoattack import AutoAttack
from eigencode.robustness.adapters.foolbox import Foolbox

__all__ = ["AutoAttack", "Foolbox"]
