"""Studies: what to run (config), in which pieces (step, plan), where results live (store), who runs them (executor)."""

from eigencode.study.config import Study
from eigencode.study.executor import Outcome, execute
from eigencode.study.part import part
from eigencode.study.plan import Cell, plan
from eigencode.study.read import read_study
from eigencode.study.results import Row, Summary, rows, summarise
from eigencode.study.step import Source, Step
from eigencode.study.store import Store

__all__ = [
    "Cell",
    "Outcome",
    "Row",
    "Source",
    "Step",
    "Store",
    "Study",
    "Summary",
    "execute",
    "part",
    "plan",
    "read_study",
    "rows",
    "summarise",
]
