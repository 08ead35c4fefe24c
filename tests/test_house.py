"""The house rules that a machine can check: who imports whom, and how long a file may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sdcli

PACKAGE = Path(sdcli.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"torch", "diffusers", "transformers", "accelerate"}
LONGEST = 250

# A module may import what stands before it in this list, and its own package.
ORDER = [
    *("errors", "files", "file_names"),
    *("sampling", "prompts", "families", "hub", "model_folders", "models"),
    *(
        "fields",
        "choices",
        "sampling_fields",
        "prompt_fields",
        "model_fields",
        "picture_fields",
        "guidance_fields",
        "approximate_fields",
        "variation_fields",
        "resizing",
        "inpainting",
        "upscalers",
        "tiles",
        "hires_fields",
        "init_fields",
        "mask_fields",
        "tile_fields",
        "request",
        "settings",
        "toml_text",
    ),
    *(
        "layers",
        "naming",
        "output",
        "config",
        "presets",
        "jobs",
        "text_rows",
        "old_texts",
        "metadata",
        "png",
        "picture_files",
        "comfyui",
        "invokeai",
        "recipes",
        "likeness",
        "batch_files",
        "speeds",
        "journal",
        "sweeps",
        "init_image",
        "mask_image",
        "outlook",
    ),
    *("engine", "cli"),
]


def part(path: Path) -> str:
    """The top-level module or package of a file: "sampling" for sdcli/sampling/ode.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def absolute(path: Path, node: ast.ImportFrom) -> str:
    """The full name of the module that `from … import` names."""
    if node.level == 0:
        return str(node.module)
    package = ["sdcli", *path.relative_to(PACKAGE).parts[:-1]]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imports(path: Path, *, everywhere: bool) -> set[str]:
    """Modules that a file imports: at module level, or everywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = absolute(path, node)
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_heavy_import_above_the_wall(path: Path) -> None:
    """Only sdcli/engine may import torch and the like at module level."""
    if part(path) != "engine":
        found = {name.partition(".")[0] for name in imports(path, everywhere=False)}
        assert not found & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = part(path)
    if own in {"__init__", "__main__"}:
        return
    lower = set(ORDER[: ORDER.index(own) + 1]) | {"__version__"}
    ours = {name for name in imports(path, everywhere=True) if name.startswith("sdcli.")}
    assert {name.split(".")[1] for name in ours} <= lower


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_engine_is_imported_inside_functions_only(path: Path) -> None:
    """Above the wall: the command line crosses it when it must, not when it starts."""
    if part(path) != "engine":
        assert not {n for n in imports(path, everywhere=False) if n.startswith("sdcli.engine")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
