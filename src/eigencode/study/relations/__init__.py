"""Relations between quantities over all networks of a study: censored regression with intervals over groups."""

from eigencode.study.relations.censored import Fits as Fits, fits as fits
from eigencode.study.relations.effects import Analysis as Analysis, Effect as Effect, Table as Table, analyse as analyse
