"""Level 1: arrays in the files of other programs, listed and read within bounds of memory and time.

A new format is one file with a reader and one entry in the table of `_child.py`.
"""

from eigencode.formats.arrays import arrays_in as arrays_in, digest as digest
from eigencode.formats.stored import Stored as Stored
