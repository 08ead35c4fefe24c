"""The house rules that a machine can check: who imports whom, and how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

from ladder import FOUNDATION, HEAVY, LADDER, may_import, sources
from repository import ROOT

SOURCES = sources()
LONGEST, LONG = 400, 300  # lines: more are refused; more than these want a second look


def told(problems: list[str]) -> str:
    return "\n".join(["", *problems])


def test_every_room_stands_on_the_ladder() -> None:
    rooms = {name for row in LADDER for name in row}
    assert {source.room for source in SOURCES} - {""} <= rooms


def test_imports_lead_down_the_ladder() -> None:
    problems = [
        f"{source.name}:{each.line} imports {each.module}"
        for source in SOURCES
        if source.room
        for each in source.imports()
        if each.module.startswith("sdcli.")
        and not may_import(source.room, each.module.split(".")[1])
    ]
    assert not problems, told(problems)


def test_only_the_engine_imports_torch_at_module_level() -> None:
    problems = [
        f"{source.name}:{each.line} imports {each.module}"
        for source in SOURCES
        if source.room != "engine"
        for each in source.imports()
        if each.at_module_level and each.module.partition(".")[0] in HEAVY
    ]
    assert not problems, told(problems)


def test_the_engine_is_imported_inside_functions_only() -> None:
    """Above the wall: whoever needs it crosses the wall then, and not when it is imported."""
    problems = [
        f"{source.name}:{each.line}"
        for source in SOURCES
        if source.room != "engine"
        for each in source.imports()
        if each.at_module_level and each.module.startswith("sdcli.engine")
    ]
    assert not problems, told(problems)


def test_the_application_needs_no_terminal_and_no_torch() -> None:
    modules = [
        "sdcli." + source.name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for source in SOURCES
        if source.room == "runs"
    ]
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert not {*HEAVY, "typer", "click", "rich", "sdcli.cli"} & set(out.split())


def test_no_file_is_too_long() -> None:
    lengths = {source.name: source.lines for source in SOURCES}
    assert not {name: count for name, count in lengths.items() if count > LONGEST}
    long = [name for name, count in lengths.items() if count > LONG]
    assert len(long) <= 6, f"many files have more than {LONG} lines: {', '.join(long)}"


def test_every_module_says_what_it_is() -> None:
    silent = [source.name for source in SOURCES if not ast.get_docstring(source.tree)]
    assert not silent, told(silent)


def test_architecture_shows_the_ladder() -> None:
    """Top down; what stands apart does not know its neighbours, the foundation does."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(7 .*?)```", text, flags=re.DOTALL)
    assert block is not None
    shown = [
        f"{number}  {('  ' if row == FOUNDATION else ' | ').join(row)}"
        for number, row in reversed(list(enumerate(LADDER, start=1)))
    ]
    assert block[1].splitlines() == shown
