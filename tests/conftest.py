"""Owns what every test shares: a home of its own, so that no test reads or writes the user's."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# A shell starts what it runs in the background with Ctrl+C ignored, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Config and user presets live in tmp, the working folder is empty, no variable leaks in."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    for name in ("MODEL", "DEVICE", "DTYPE", "OUTPUT", "CONFIG", "MODELS_DIR"):
        monkeypatch.delenv(f"SDCLI_{name}", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(work)
