"""Studies: configuration (config), division into steps (step, plan), result storage (store), execution (executor)."""

from eigencode.study.config import Study as Study
from eigencode.study.executor import Outcome as Outcome, execute as execute
from eigencode.study.part import part as part
from eigencode.study.plan import Cell as Cell, plan as plan
from eigencode.study.read import read_study as read_study
from eigencode.study.results import Row as Row, Summary as Summary, rows as rows, summarise as summarise
from eigencode.study.step import Source as Source, Step as Step
from eigencode.study.store import Store as Store
