"""The seven rungs: what may import what, in one place.

A file imports what stands on lower rungs, and its own package; rooms of one rung do not know each
other. ARCHITECTURE.md shows the same table, which a test compares.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import sdcli

PACKAGE = Path(sdcli.__file__).parent

LADDER: tuple[tuple[str, ...], ...] = (
    ("errors", "files", "notices", "startup", "version"),
    ("sampling", "prompts", "images"),
    ("models",),
    ("request",),
    ("engine", "sources"),
    ("runs",),
    ("cli", "server", "api"),
)
FOUNDATION = LADDER[0]
"""Small enough to know each other, as long as they go in no circle."""

HEAVY = frozenset({"torch", "diffusers", "transformers", "accelerate"})


@dataclass(frozen=True, slots=True)
class Import:
    """A module that a file names, at module level or inside a function, and where."""

    module: str
    line: int
    at_module_level: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the package, parsed once."""

    path: Path
    tree: ast.Module
    lines: int

    @property
    def name(self) -> str:
        """Its path within the package."""
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def room(self) -> str:
        """The top-level module or package that it belongs to; "" for the package's own files."""
        first = self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        return "" if first.startswith("__") else first

    def imports(self) -> list[Import]:
        """All of them, names that are modules themselves included."""
        top = set(map(id, self.tree.body))
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            else:
                continue
            found += [Import(name, node.lineno, id(node) in top) for name in names]
        return found

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return str(node.module)
        package = ["sdcli", *self.path.relative_to(PACKAGE).parts[:-1]]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def sources() -> list[Source]:
    """Every file of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path, ast.parse(text), len(text.splitlines())))
    return found


def rung(room: str) -> int:
    """From 1. Raises KeyError for a room that stands on none."""
    return {name: number for number, row in enumerate(LADDER, start=1) for name in row}[room]


def may_import(room: str, other: str) -> bool:
    """Whether a file of one room may name something of the other."""
    if room == other or (room in FOUNDATION and other in FOUNDATION):
        return True
    return rung(other) < rung(room)
