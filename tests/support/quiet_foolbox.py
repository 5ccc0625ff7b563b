"""Import foolbox without its DeprecationWarning about SciPy, which the strict test run would turn into an error."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import foolbox

__all__ = ["foolbox"]
