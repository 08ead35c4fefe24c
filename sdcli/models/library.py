"""The model folders: what weight files are in them, and how a name finds one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias, get_args

from sdcli.errors import ModelError, did_you_mean
from sdcli.files import is_file, path_of

from . import hashes
from .embedding_names import in_texts
from .header import ENDINGS
from .model import Model

Kind = Literal["checkpoint", "vae", "lora", "embedding"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Only:
    """A folder all of whose files are of one kind; `option` is what named it."""

    path: Path
    kind: Kind
    option: str


Folders: TypeAlias = Sequence[Path | Only]
"""A bare path is a models folder, with a place for each kind."""

# Under a models folder: A1111's names, ComfyUI's, and what both have under their own roots.
FOLDERS: dict[Kind, tuple[str, ...]] = {
    "checkpoint": ("Stable-diffusion", "checkpoints"),
    "vae": ("VAE", "vae"),
    "lora": ("Lora", "LyCORIS", "loras"),
    "embedding": ("embeddings",),
}
_ROOTS = ("", "models", "data")
_HASH = re.compile(r"(?:(.+) )?\[?([0-9a-f]{8}|[0-9a-f]{10}|[0-9a-f]{12}|[0-9a-f]{64})\]?")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of weights, or a diffusers folder. `title` is its path within the models folder."""

    kind: Kind
    path: Path
    title: str

    @property
    def name(self) -> str:
        """The title's last part, without its ending."""
        last = self.title.rpartition("/")[2]
        return last if self.path.is_dir() else last.rpartition(".")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that A1111 takes for it, hashes apart; the plainest first."""
        whole = self.title if self.path.is_dir() else self.title.rpartition(".")[0]
        return (self.name, self.title, whole, whole.replace("/", "_"))


class Library(tuple[Path | Only, ...]):
    """Models folders that are walked once for each kind: for whoever looks many names up."""

    def __new__(cls, folders: Folders) -> Self:
        """Take the folders; nothing is read yet."""
        library = super().__new__(cls, folders)
        library._walked = {}
        return library

    _walked: dict[Kind, list[ModelFile]]

    def of(self, kind: Kind) -> list[ModelFile]:
        """Return all of that kind. Raises ModelError as `library` does."""
        if kind not in self._walked:
            self._walked[kind] = _walk(self, kind)
        return self._walked[kind]


def library(folders: Folders, kind: Kind) -> list[ModelFile]:
    """List all of that kind in these folders, sorted by folder and title.

    A models folder may be A1111's or ComfyUI's own, its models folder, or a plain folder of
    checkpoints. Raises ModelError for a folder that is not there.
    """
    return folders.of(kind) if isinstance(folders, Library) else _walk(folders, kind)


def _walk(folders: Folders, kind: Kind) -> list[ModelFile]:
    files: dict[Path, ModelFile] = {}
    for folder in folders:
        for root in shelves(folder, kind):
            for path in sorted(_weights(root), key=lambda path: path.as_posix().casefold()):
                title = path.relative_to(root).as_posix()
                if _is_a(kind, path):
                    files.setdefault(path.resolve(), ModelFile(kind, path, title))
    return list(files.values())


def shelves(folder: Path | Only, kind: Kind) -> list[Path]:
    """Return where in a folder files of that kind are looked for; only folders that are there.

    Raises ModelError for a folder that is not there itself.
    """
    if isinstance(folder, Only):
        if not folder.path.is_dir():
            raise ModelError(f"{folder.option}: there is no folder {folder.path}")
        return [folder.path] if kind == folder.kind else []
    if not folder.is_dir():
        raise ModelError(f"--models-dir: there is no folder {folder}")
    known = {
        kind: [path for root in _ROOTS for name in names if (path := folder / root / name).is_dir()]
        for kind, names in FOLDERS.items()
    }
    if kind == "checkpoint" and not any(known.values()):
        return [folder]
    return known[kind]


def _weights(root: Path) -> Iterator[Path]:
    """Yield weight files and diffusers folders below `root`, following links, no folder twice."""
    visited: set[Path] = set()
    for place, folders, files in os.walk(root, followlinks=True):
        folder = Path(place)
        if folder.resolve() in visited or (folder / "model_index.json").is_file():
            folders.clear()
            if folder.resolve() not in visited and folder != root:
                yield folder
        else:
            yield from (folder / name for name in files if name.lower().endswith(ENDINGS))
        visited.add(folder.resolve())


def _is_a(kind: Kind, path: Path) -> bool:
    """Return whether a file is of that kind: A1111 keeps VAEs beside checkpoints as NAME.vae.*."""
    return kind != "checkpoint" or not path.stem.lower().endswith(".vae")


def named(name: str, files: Sequence[ModelFile]) -> ModelFile | None:
    """Return the one of that name: stem, title, path with / or _, hash, or "name [hash]".

    None for a name that none has. Raises ModelError where several have it.
    """
    fitting = [item for item in files if name in item.names]
    fitting = fitting or [
        item for item in files if name.casefold() in (known.casefold() for known in item.names)
    ]
    if not fitting and (match := _HASH.fullmatch(name)):
        stem, digest = match[1], match[2]
        among = [item for item in files if stem is None or stem in item.names]
        fitting = [item for item in among if item.path.is_file() and _has_hash(item.path, digest)]
    if len(fitting) > 1:
        raise ModelError(
            f"several files are called {name}: {', '.join(str(item.path) for item in fitting)}",
            f"say which, such as {fitting[0].title!r}",
        )
    return fitting[0] if fitting else None


def of_hash(digest: str, candidates: Iterable[ModelFile]) -> ModelFile | None:
    """Return the first file of that hash, A1111's or its legacy one; copies are alike."""
    files = (item for item in candidates if item.path.is_file())
    return next((item for item in files if _has_hash(item.path, digest)), None)


def _has_hash(path: Path, digest: str) -> bool:
    if len(digest) == 8:
        return hashes.legacy(path) == digest
    return hashes.sha256(path).startswith(digest)


def nearest(name: str, files: Sequence[ModelFile]) -> str:
    """Return a hint at the names nearest to an unknown one; empty where none is near."""
    return did_you_mean(name, [item.name for item in files])


def find_lora(name: str, folders: Folders) -> Path:
    """Return the file of a LoRA: a path, or a name in the models folders. Raises ModelError."""
    path = path_of(name)
    if is_file(path):
        return path
    known = library(folders, "lora")
    if file := named(name, known):
        return file.path
    where = "in the models folders" if folders else "here, and no models folder is set"
    raise ModelError(
        f"there is no LoRA {name} {where}",
        nearest(name, known) or "give its path, or set --models-dir",
    )


def hash_files(
    model: Model, folders: Folders, *, texts: Iterable[str], loras: Iterable[str]
) -> hashes.HashJob:
    """Begin to hash the files that make pictures of a model, of these prompts and LoRAs.

    Raises ModelError for a LoRA that is not there.
    """
    known = {item.name: item.path for item in library(folders, "embedding")}
    return hashes.HashJob(
        model=None if model.header is None else model.path,
        vae=model.vae.path if model.vae else None,
        loras={name: find_lora(name, folders) for name in sorted(loras)},
        embeddings={name: known[name] for name in in_texts(known, texts)},
    )
