"""Local learning rules: x, W -> ΔW, pure.  A new rule is one file, one line here, one row in tests/conformance."""

from eigencode.rules.krotov_hopfield import KrotovHopfield, KrotovHopfieldSequential
from eigencode.rules.protocol import Rows, Rule

__all__ = ["KrotovHopfield", "KrotovHopfieldSequential", "Rows", "Rule"]
