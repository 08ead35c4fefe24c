"""Packages whose `__init__` waits: nobody can tell, but by what has not run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sdcli.startup.lazy_packages import Package, postpone, waiting

NAME = "postponed_zoo"
SHADOW = "import sys, types\nsys.modules[__name__] = types.SimpleNamespace(lion='roars')\n"
ANY = "def __getattr__(name):\n    if name == 'no': raise AttributeError('none')\n    return name\n"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of two modules, whose `__init__` imports both."""
    package = tmp_path / NAME
    package.mkdir()
    (package / "__init__.py").write_text("from . import ape, bear\nlion = 'roars'\n")
    (package / "ape.py").write_text("name = 'ape'\n")
    (package / "bear.py").write_text(f"from {NAME} import ape\nname = 'bear'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def imported() -> set[str]:
    """Which of its modules are there."""
    return {name.rpartition(".")[2] for name in sys.modules if name.startswith(f"{NAME}.")}


def test_a_module_is_had_without_its_package(zoo: Path) -> None:
    postpone({NAME: Package()})
    assert import_module(f"{NAME}.ape").name == "ape"
    assert imported() == {"ape"}
    assert NAME in waiting()


def test_a_name_brings_all_of_it(zoo: Path) -> None:
    postpone({NAME: Package()})
    package = import_module(NAME)
    assert not imported()
    assert package.lion == "roars"
    assert imported() == {"ape", "bear"}
    assert NAME not in waiting()
    with pytest.raises(AttributeError, match="no attribute 'tiger'"):
        package.tiger  # noqa: B018  # asking is the test


def test_a_module_that_is_asked_for_as_a_name_does_too(zoo: Path) -> None:
    postpone({NAME: Package()})
    found: dict[str, Any] = {}
    exec(f"from {NAME} import bear", found)
    assert found["bear"].name == "bear"
    assert NAME not in waiting()


def test_what_is_given_is_had_until_it_runs(zoo: Path) -> None:
    postpone({NAME: Package({"lion": "sleeps"})})
    package = import_module(NAME)
    assert package.lion == "sleeps"
    assert NAME in waiting()
    assert package.ape.name == "ape"
    assert package.lion == "roars"


def test_a_module_that_is_not_to_be_alone_brings_the_package_first(zoo: Path) -> None:
    postpone({NAME: Package(modules={f"{NAME}.ape"})})
    import_module(f"{NAME}.ape")
    assert NAME in waiting()
    import_module(f"{NAME}.bear")
    assert NAME not in waiting()


@pytest.mark.parametrize(("text", "there"), [(SHADOW, "lion"), (ANY, "anything")])
def test_packages_that_answer_for_themselves(zoo: Path, text: str, there: str) -> None:
    (zoo / "__init__.py").write_text(text)
    postpone({NAME: Package()})
    package = import_module(NAME)
    assert getattr(package, there)
    with pytest.raises(AttributeError):
        package.no  # noqa: B018


def test_a_fault_in_it_is_told_as_often_as_it_is_asked(zoo: Path) -> None:
    (zoo / "__init__.py").write_text("1 / 0")
    postpone({NAME: Package()})
    package = import_module(NAME)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            package.lion  # noqa: B018


def test_what_is_there_already_stays(zoo: Path) -> None:
    before = import_module(NAME)
    postpone({NAME: Package()})
    assert import_module(NAME) is before
    assert NAME not in waiting()


def test_postponing_twice_is_once(zoo: Path) -> None:
    before = len(sys.meta_path)
    for _ in range(2):
        postpone({NAME: Package()})
    assert len(sys.meta_path) == before + 1


def test_a_package_that_is_nowhere_is_missed_as_ever() -> None:
    program = (
        "from sdcli.startup.lazy_packages import Package, postpone\n"
        "postpone({'no_such_zoo': Package()})\nimport no_such_zoo"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ModuleNotFoundError: No module named 'no_such_zoo'" in done.stderr
