"""The paper arXiv 2405.00679: its networks as recipes, and the departures of its published code (D1 to D17).

Everything in here plugs into `study` from above, see `study.extensions`; nothing outside this folder knows of it.
"""

from eigencode.paper.extension import EXTENSION as EXTENSION
