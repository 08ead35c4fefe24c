"""Models on disk and on the hub: found by name and checked, without loading a weight."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from sdcli.errors import ModelError
from sdcli.files import is_file, is_folder, path_of
from sdcli.notices import silent

from . import folder, single_file
from .folder import weight_files
from .header import ENDINGS
from .hub import cached, fetch
from .kinds import kind_by_start
from .library import Folders, library, named, nearest, of_hash
from .model import Model

__all__ = ["BUILTIN", "Model", "find", "inspect", "is_hub_id", "locate", "weight_files"]

BUILTIN = "builtin"

# By the hub's own rules; its library raises errors of its own for anything else.
_HUB_ID = re.compile(
    r"(?!.*(?:--|\.\.|\.git$)) \w(?:[\w.-]{0,94}\w)? / \w(?:[\w.-]{0,94}\w)?",
    re.VERBOSE | re.ASCII,
)


def is_hub_id(model: str) -> bool:
    """Return whether `model` is to be looked up on the hub: owner/name, and no such folder here."""
    here = Path(model)
    return bool(_HUB_ID.fullmatch(model)) and not (is_file(here) or is_folder(here))


def locate(
    model: str, folders: Folders = (), *, digest: str = "", say: Callable[[str], None] = silent
) -> Path | None:
    """Return what `model` names on this disk; None for a hub id. Raises ModelError.

    Where a `digest` is known, of the file that is meant, that decides: names change, and files of
    one name differ.
    """
    if model == BUILTIN:
        return Path(str(files("sdcli"))) / "builtin"
    path = path_of(model)
    if is_folder(path) or (is_file(path) and path.suffix.lower() in ENDINGS):
        return path
    if is_file(path):
        if kind := kind_by_start(path):
            raise ModelError(f"--model: {model} is {kind.title}", kind.advice)
        raise ModelError(
            f"--model: {model} does not have the ending of a checkpoint",
            f"known endings: {', '.join(ENDINGS)}",
        )
    known = library(folders, "checkpoint")
    match = named(model, known)
    if digest and not (match and of_hash(digest, [match])):
        if other := of_hash(digest, known):
            say(f"model {model} is called {other.title} here: its hash is {digest}")
            return other.path
        if match:
            say(f"{match.title} is not the same model {model}: its hash is not {digest}")
    if match:
        return match.path
    if is_hub_id(model):
        return None
    raise ModelError(
        f"--model: there is no file or folder {model}"
        + (", and nothing of that name in the models folders" if folders else ""),
        nearest(model, known)
        or f"give a checkpoint, a diffusers folder, a hub id such as owner/name, or {BUILTIN}",
    )


def find(
    model: str,
    *,
    folders: Folders = (),
    offline: bool = False,
    digest: str = "",
    say: Callable[[str], None] = silent,
) -> Model:
    """Return the model of that name, or of the file's `digest` if there is one, checked.

    A path; else a name or hash of what is in the models `folders`; else a hub id, which is fetched
    only if the cache does not hold it. Raises ModelError.
    """
    path = locate(model, folders, digest=digest, say=say)
    if path is not None:
        return inspect(path, model, offline=offline, say=say)
    if here := cached(model):
        try:
            return folder.inspect(here, model)
        except ModelError:
            if offline:
                raise
    elif offline:
        raise ModelError(
            f"--model: {model} is not in the cache and sdcli is offline",
            "run once without --offline, or name a local folder",
        )
    return folder.inspect(fetch(model, say=say), model)


def inspect(
    path: Path, name: str, *, offline: bool = False, say: Callable[[str], None] = silent
) -> Model:
    """Check the model at that path. Raises ModelError if it is damaged or not supported."""
    if path.is_dir():
        return folder.inspect(path, name)
    return single_file.inspect(path, name, offline=offline, say=say)
