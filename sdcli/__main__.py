"""`python -m sdcli` is the command line."""

from .cli import main

main()
