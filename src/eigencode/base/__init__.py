"""Level 0: errors, types, seeds and streaming moments.  Imports nothing else of eigencode."""
