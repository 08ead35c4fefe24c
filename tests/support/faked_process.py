"""Sdcli as a process of its own with the fake engine: all of it but the weights."""

from __future__ import annotations

import sys
from pathlib import Path

# A step takes as long as one of a small model.
_SCRIPT = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
import fakes
from sdcli.cli import main
from sdcli.runs import engines
steps = fakes.FakeRun.__iter__
def slowly(self):
    for step in steps(self):
        time.sleep(0.005)
        yield step
fakes.FakeRun.__iter__ = slowly
engines.load_engine = lambda *_: fakes.FakeEngine()
main()
"""
FAKED = (sys.executable, "-c", _SCRIPT, str(Path(__file__).parent))
"""The command line up to sdcli's own arguments."""
