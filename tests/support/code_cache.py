"""Forget the sources that fingerprints have read, for tests that change them."""

from eigencode.study import _fingerprint as fingerprint


def forget() -> None:
    """What is asked next is read from the files again."""
    for cached in (fingerprint.fingerprint, fingerprint._read, fingerprint._path, fingerprint._top_level):
        cached.cache_clear()
