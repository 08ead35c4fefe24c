"""README and docs/ are true: their commands run, their tables are the program's own."""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeEngine
from pages import FIRST, PAGES, README, blocks, commands, files, inline, table
from repository import ROOT
from safetensors.numpy import save_file
from typer.main import get_command

import sdcli.runs.output
from sdcli.cli.app import app
from sdcli.errors import UsageError
from sdcli.sampling import SAMPLERS, SCHEDULES
from sdcli.sources.presets import presets
from sdcli.sources.prompt_lines import values_of

EVERYTHING = "\n".join(PAGES.values())
HOUSE = {name: (ROOT / name).read_text() for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")}
LONGEST = 150  # lines of README: what a newcomer reads in two minutes
OF_BENCHMARKS = {"--work"}  # not sdcli's own
PAINTERS = ("gen", "batch")  # make pictures from seeds; `again` and --from read a picture's own

pages = pytest.mark.parametrize("name", PAGES)


def flags(*path: str) -> set[str]:
    """The flags of that command; without one, of all commands together."""
    command: Any = get_command(app)
    for word in path:
        command = command.get_command(None, word)
        assert command is not None, f"there is no command {' '.join(path)}"
    if not hasattr(command, "list_commands"):
        own = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        return own | {"-h", "--help", "--help-all"}
    own = {"-h", "--help", "--version", "--install-completion", "--show-completion"}
    return own.union(*(flags(*path, word) for word in command.list_commands(None)))


def path_of(words: list[str]) -> list[str]:
    """The command that an argument list begins with: ["models", "list"]."""
    command: Any = get_command(app)
    path = []
    for word in words:
        if not hasattr(command, "list_commands") or word.startswith("-"):
            break
        command = command.get_command(None, word)
        assert command is not None, f"there is no command {word}"
        path.append(word)
    return path


def test_the_two_commands_come_first() -> None:
    first, second = blocks(PAGES[README], "sh")[:2]
    assert first == (
        'pip install -c constraints.txt . && sdcli gen "a red house in the snow at night"\n'
    )
    assert second == "pip install -c constraints.txt '.[test]' && pytest\n"


def test_readme_is_short() -> None:
    assert len(PAGES[README].splitlines()) <= LONGEST


@pages
def test_a_page_begins_with_what_it_is_for(name: str) -> None:
    title, first, *_ = PAGES[name].split("\n\n")
    assert re.fullmatch(r"# .+", title)
    assert re.fullmatch(r".+[.]", first)
    assert name == README or ". " not in first, "one sentence"


@pages
def test_every_command_works(
    name: str, sdcli: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the page's order, so that what one writes another reads. `doctor` needs torch."""
    engine.model = replace(engine.model, native_size=128)  # as the shipped model
    lora = Path.home() / "stable-diffusion-webui/models/Lora/ink.safetensors"
    lora.parent.mkdir(parents=True)
    save_file({"x": np.zeros(1)}, lora)
    for file, content in files(PAGES[name]).items():
        Path(file).write_text(content)
    for arguments in commands(PAGES[name]):
        if arguments[0] == "doctor":
            continue
        monkeypatch.setattr("sys.stdin", io.StringIO("from the pipe"))
        result = sdcli(*arguments)
        assert result.code == 0, (arguments, result.err)


def test_there_are_commands_on_nearly_all_pages() -> None:
    assert len([name for name, text in PAGES.items() if commands(text)]) >= len(PAGES) - 1
    assert sum(len(commands(text)) for text in PAGES.values()) >= 40


@pages
def test_every_command_that_makes_pictures_names_its_seed(name: str) -> None:
    for arguments in commands(PAGES[name]):
        if (name, *arguments) == FIRST:
            continue
        if arguments[0] in PAINTERS or {"upscale", "--tile"} <= set(arguments):
            named = {"-s", "--seed", "--interpolate-seeds", "--from"} & set(arguments)
            assert named, arguments


@pages
def test_every_flag_exists(name: str) -> None:
    """sdcli's, or with underscores A1111's, whose names a prompt file may use."""
    known = flags() | OF_BENCHMARKS
    code = [*inline(PAGES[name]), *blocks(PAGES[name], "sh"), *blocks(PAGES[name], "text")]
    for flag in sorted(set(re.findall(r"(?<![\w-])--[a-z][\w-]*", "\n".join(code))) - known):
        assert "_" in flag, f"nothing has {flag}"
        values_of(f"{flag} 1")


def test_a_flag_that_does_not_exist_is_found_out() -> None:
    assert {"--steps", "--dtype", "-o", "--tolerance"} <= flags()
    assert "--step" not in flags()
    with pytest.raises(UsageError):
        values_of("--sampler_nam 1")


@pages
def test_every_command_in_a_sentence_exists(name: str) -> None:
    """`sdcli models hash FILE`: the command, and its flags."""
    for code in inline(PAGES[name]):
        for part in re.split(r"&&|(?<= )\|(?= )", code):
            if part.strip().startswith("sdcli "):
                words = shlex.split(part)[1:]
                path = path_of(words)
                written = {word for word in words if re.fullmatch(r"--?[a-zA-Z][\w-]*", word)}
                assert written <= flags(*path), code


@pytest.mark.parametrize("name", [*PAGES, *HOUSE])
def test_every_link_leads_somewhere(name: str) -> None:
    text = {**PAGES, **HOUSE}[name]
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.M)
            slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in slugs, link


@pytest.mark.parametrize("name", [*PAGES, *HOUSE])
def test_every_file_of_the_repository_that_is_named_exists(name: str) -> None:
    """In ARCHITECTURE.md `engine/run.py` is short for `sdcli/engine/run.py`."""
    roots = (ROOT, ROOT / "sdcli") if name in HOUSE else (ROOT,)
    folders = {path.name for root in roots for path in root.iterdir() if path.is_dir()}
    for code in inline({**PAGES, **HOUSE}[name]):
        first, slash, _ = code.partition("/")
        if slash and first in folders and re.fullmatch(r"[\w/.]+(?:\*\.py)?", code):
            assert any(list(root.glob(code.rstrip("/"))) for root in roots), code


@pages
def test_python_compiles(name: str) -> None:
    for block in blocks(PAGES[name], "python"):
        compile(block, name, "exec")


def test_the_sampler_table_is_the_catalog() -> None:
    rows = table("| sampler | order | model calls a step | noise | settles | schedule |")
    assert rows == [
        [
            row.name,
            str(row.order or "–"),
            str(row.evaluations),
            "each step" if row.stochastic else "start",
            row.settles,
            row.default_schedule,
        ]
        for row in SAMPLERS
    ]


def test_every_schedule_is_named() -> None:
    assert all(row.name in PAGES["docs/samplers.md"] for row in SCHEDULES)


def test_the_preset_table_is_what_ships() -> None:
    shipped = [[preset.name, preset.description] for preset in presets()]
    assert table("| preset | for |") == shipped


def test_every_template_field_is_named() -> None:
    named = re.search(r"Fields for `--output`: `(.*?)`", EVERYTHING)
    assert named is not None
    assert set(re.findall(r"{(\w+)}", named[1])) == set(sdcli.runs.output.FIELDS)


REFUSED = {
    "unknown sampler": ["gen", "a", "--sampler", "Eulr"],
    "an option the sampler does not have": ["gen", "a", "--sampler", "DDIM", "--rtol", "0.1"],
    "a schedule for a sampler that has its own": [
        "gen",
        "a",
        "-S",
        "PLMS",
        "--scheduler",
        "Karras",
    ],
    "a LoRA that does not exist": ["gen", "a <lora:inc:1>", "--models-dir", "m"],
    "a name that several models share": ["gen", "a <lora:ink:1>", "--models-dir", "m"],
    "DDIM or PLMS with 1 step": ["gen", "a", "--sampler", "DDIM", "--steps", "1"],
    "token merging ratio above 0.75": ["gen", "a", "--token-merging-ratio", "0.8"],
    "an unknown option in a prompt file": ["batch", "prompts.txt"],
}
"""What A1111 lets pass, each as a command."""


def test_what_the_table_of_differences_calls_an_error_is_one(
    sdcli: Any, engine: FakeEngine
) -> None:
    rows = {cells[0]: cells[2] for cells in table("| | A1111 | sdcli |")}
    assert [name for name, ours in rows.items() if "an error" in ours] == list(REFUSED)
    for folder in ("m/models/Lora/a", "m/models/Lora/b"):
        Path(folder).mkdir(parents=True)
        save_file({"x": np.zeros(1)}, f"{folder}/ink.safetensors")
    Path("prompts.txt").write_text("a --sampler_nam Euler\n")
    for name, arguments in REFUSED.items():
        result = sdcli(*arguments)
        assert result.code == 2, (name, result.err)
        if "suggests" in rows[name]:
            assert "did you mean" in result.err, (name, result.err)
    everything = sdcli(*REFUSED["a name that several models share"]).err
    assert "a/ink" in everything
    assert "b/ink" in everything
