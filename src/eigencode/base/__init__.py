"""Level 0: errors, types, records, seeds, files and streaming moments.  Imports nothing else of eigencode."""
