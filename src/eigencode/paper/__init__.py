"""The paper arXiv 2405.00679: settings of its networks, and the deviations of its published code from its text.

The deviations ("departures") have the ids D1 to D17, see `paper.published`.  `study` loads this package as an extension
(`study._extensions`); no other package imports it.
"""

from eigencode.paper.extension import EXTENSION as EXTENSION
