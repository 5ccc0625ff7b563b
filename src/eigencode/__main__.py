"""`python -m eigencode`."""

from eigencode.cli import main

main()
