"""Local learning rules.  A new rule is one file, one line here, one row in tests/conformance."""

from eigencode.rules.competitive import Competitive as Competitive
from eigencode.rules.convergence import Convergence as Convergence, towards_radius as towards_radius
from eigencode.rules.hebbian import Hebbian as Hebbian
from eigencode.rules.krotov_hopfield import (
    KrotovHopfield as KrotovHopfield,
    KrotovHopfieldSequential as KrotovHopfieldSequential,
)
from eigencode.rules.oja import Oja as Oja, Sanger as Sanger
from eigencode.rules.protocol import Rows as Rows, Rule as Rule
from eigencode.rules.softhebb import HardWTA as HardWTA, SoftHebb as SoftHebb
