"""Run one step, here and now, and say how it ended."""

import time
import traceback
import warnings
from dataclasses import dataclass

from eigencode.base.errors import EigencodeError, EigencodeWarning
from eigencode.base.flush import flushing
from eigencode.study._provenance import elsewhere, provenance
from eigencode.study.step import Inputs, Step
from eigencode.study.store import Store

DIED = "its process died; if the system stopped it for lack of memory, use fewer workers or a smaller study"


@dataclass(frozen=True)
class Ended:
    """How an attempt to run a step ended.

    Attributes:
        error: why it failed; None if it is finished.
        taken: its worker took the claim on the step over, or another run did.
        elsewhere: another run computes the step.
        died: the process that ran it died.
    """

    error: str | None = None
    seconds: float = 0.0
    taken: bool = False
    elsewhere: bool = False
    died: bool = False


def attempt(step: Step, store: Store) -> Ended:
    """Run one step, unless it is finished already."""
    began = time.monotonic()
    if store.has(step):
        return Ended()
    meta = {
        "name": step.name,
        "version": step.version,
        "label": step.describe(),
        "settings": step.settings(),
        "code": step.code,
        "inputs": {s.key: store.content(s) for s in step.inputs()},
    }
    try:
        folders = {s.key: store.checked(s.key) for s in step.inputs()}
        with store.writing(step, meta) as folder, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EigencodeWarning)
            if earlier := elsewhere(store.begun(step, here := provenance()), here):
                meta["resumed_from"] = earlier
            with flushing():  # before the thread pool of torch starts: its threads inherit the setting
                step.run(folder, Inputs(folders, store.scratch(step)))
            seconds = time.monotonic() - began
            said = sorted({str(w.message) for w in caught if issubclass(w.category, EigencodeWarning)})
            meta |= {"seconds": seconds, "warnings": said, "provenance": here}
    except (Exception, SystemExit) as error:  # a module of somebody's own may call sys.exit
        if store.has(step):  # another process has finished the same step meanwhile and removed its scratch folder
            return Ended(None, time.monotonic() - began)
        if isinstance(error, EigencodeError):
            return Ended(str(error), time.monotonic() - began)
        # any other error is a defect of the step: the other steps go on, and the report shows the traceback
        return Ended(traceback.format_exc(limit=-6), time.monotonic() - began)
    return Ended(None, seconds)
