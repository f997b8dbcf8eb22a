"""`python -m repoloom` is the command `repoloom`."""

from repoloom.cli import main

main()
