"""README and the pages of docs/: their text, code blocks, commands and tables."""

from __future__ import annotations

import re
import shlex

from repository import DOCS, ROOT

README = "README.md"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / README, *sorted(DOCS.glob("*.md")))
}
FIRST = (README, "gen", "a red house in the snow at night")
"""The one command that makes a picture without naming a seed: the first that anybody types."""


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks in that language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The arguments of every sdcli command in the sh blocks, in order."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"&&|(?<= )\|(?= )", line)]
    return [shlex.split(part)[1:] for part in parts if part.startswith("sdcli ")]


def inline(text: str) -> list[str]:
    """What stands between single backquotes, without the code blocks."""
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [code.replace(r"\|", "|") for code in re.findall(r"`([^`\n]+)`", rest)]


def files(text: str) -> dict[str, str]:
    """The files that a page shows: a text block behind a line that ends in the file's name."""
    return dict(re.findall(r"`([\w.]+)`:\n\n```text\n(.*?)```", text, flags=re.DOTALL))


def table(header: str) -> list[list[str]]:
    """The rows of the one table, on any page, with that header line."""
    rests = [text.partition(f"{header}\n")[2] for text in PAGES.values() if f"{header}\n" in text]
    assert len(rests) == 1, f"{len(rests)} tables have the header {header}"
    rows = rests[0].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
