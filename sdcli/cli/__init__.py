"""The command line: one file a command. This file is its door and its one error boundary."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from sdcli.errors import Interrupted

from .console import Console


def main() -> NoReturn:
    """Run the command line and exit with a code that tells the truth."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line with `arguments`; returns the exit code.

    0 all made, 1 some or none made, 2 usage or input error, 130 interrupted.
    """
    from .app import invoke

    try:
        code = invoke(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        Console().show_error(Interrupted("interrupted"))
        return Interrupted.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
