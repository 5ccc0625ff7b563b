"""foolbox 3.3 imports a name that SciPy has deprecated; the strict test run would stop at its import."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import foolbox

__all__ = ["foolbox"]
