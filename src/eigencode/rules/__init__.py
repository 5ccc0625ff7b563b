"""Local learning rules.  A new rule is one file, one line here, one row in tests/conformance."""

from eigencode.rules.convergence import Convergence, towards_radius
from eigencode.rules.krotov_hopfield import KrotovHopfield, KrotovHopfieldSequential
from eigencode.rules.protocol import Rows, Rule

__all__ = ["Convergence", "KrotovHopfield", "KrotovHopfieldSequential", "Rows", "Rule", "towards_radius"]
