"""Clear the caches of the code hash, for tests that change source files."""

from eigencode.study import _fingerprint as fingerprint


def forget() -> None:
    """Clear the caches, so that fingerprints read the source files again."""
    for cached in (fingerprint.fingerprint, fingerprint._read, fingerprint._path, fingerprint._top_level):
        cached.cache_clear()
