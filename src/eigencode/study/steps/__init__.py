"""The steps of a study, one file per kind of work."""
