"""Owns how the desk is tested: the command line in this process, on a fake engine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEngine, Result

from sdcli.cli import run
from sdcli.runs import engines as loaded

sys.path.append(str(Path(__file__).parents[2]))  # where the repository's own tools are


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that `gen` gets."""
    fake = FakeEngine()
    monkeypatch.setattr(loaded, "load_engine", lambda *_: fake)
    monkeypatch.setattr("sdcli.models.find", lambda model, **_: replace(fake.folder, name=model))
    monkeypatch.setattr("sdcli.runs.catalogue.with_vae", lambda model, choice, **_: model)
    return fake


@pytest.fixture
def sdcli(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in this process."""

    def call(*arguments: str) -> Result:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
