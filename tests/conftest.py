"""What every test shares: a home of its own, the fake engine, and the models of real ones."""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeEngine, Result
from hypothesis import HealthCheck, settings
from repository import ROOT

from sdcli.startup import fast_torch_import

if TYPE_CHECKING:
    from sdcli.engine import Engine

# The same sums in the same order, however many cores there are; other tests have the rest.
os.environ["OMP_NUM_THREADS"] = "1"

# A shell starts what it runs in the background with Ctrl+C ignored, and every child inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.append(str(ROOT))  # where the repository's own tools and benchmarks are


# How long an example takes says how busy the machine is.
settings.register_profile("sdcli", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sdcli")

HEAVY = frozenset({"torch", "diffusers", "transformers", "accelerate"})
"""What the engine is built on."""
MAKERS = frozenset({"benchmarks", "devices", "families", "mixture", "networks", "tiny"})
"""What makes models or pictures with it."""
MODELS = frozenset({"tiny_folder", "tiny", "builtin"})
"""The fixtures that do."""


def _needs_torch(path: Path) -> bool:
    """Whether a file of tests uses what is heavy, the engine, or support that does."""
    used = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            used |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = {f"{node.module}.{alias.name}." for alias in node.names}
            used.add(node.module.partition(".")[0])
            used |= {
                "torch" for name in named if name.startswith(("sdcli.engine.", "sdcli.Engine."))
            }
        elif isinstance(node, ast.arg):
            used.add(node.arg)
    return bool(used & (HEAVY | MAKERS | MODELS))


# Where torch is missing, whatever does without it is tested all the same.
if importlib.util.find_spec("torch") is None:
    _files = Path(__file__).parent.rglob("test_*.py")
    collect_ignore = ["devices", "engine", *(str(path) for path in _files if _needs_torch(path))]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import torch and what is around it as `gen` does, in about half the time."""
    with fast_torch_import():
        return (yield)


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


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The fake engine, which every command of this process gets."""
    fake = FakeEngine()
    monkeypatch.setattr("sdcli.runs.engines.load_engine", lambda *_: fake)
    monkeypatch.setattr("sdcli.models.find", lambda model, **_: replace(fake.model, name=model))
    monkeypatch.setattr("sdcli.runs.catalogue.with_vae", lambda model, choice, **_: model)
    return fake


@pytest.fixture
def sdcli(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in this process."""
    from sdcli.cli import run

    def call(*arguments: str) -> Result:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint, ε-prediction."""
    from tiny import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Engine:
    """An engine on the tiny checkpoint."""
    from sdcli.engine import Engine

    return Engine.load(str(tiny_folder), device="cpu")


@pytest.fixture(scope="session")
def builtin() -> Engine:
    """An engine on the shipped model."""
    from sdcli.engine import Engine

    return Engine.load(device="cpu")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """The file of a picture of 64 by 64 pixels in soft colours."""
    import numpy as np
    from PIL import Image

    levels = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    return tmp_path / "a.png"
