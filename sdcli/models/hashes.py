"""The hashes by which people tell weight files apart, remembered by size and time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from platformdirs import user_cache_path

from sdcli.errors import ModelError
from sdcli.files import write_atomically

from .embedding_names import in_texts
from .folder import weight_files
from .header import layout_of, read_header
from .model import Model

_LEGACY_FROM, _LEGACY_LENGTH = 0x100000, 0x10000


def sha256(path: Path, *, weights_only: bool = False) -> str:
    """Return a whole file's SHA-256, 64 hexadecimal digits; the first 10 are A1111's model hash.

    With `weights_only` that of what follows a safetensors header.

    Read once: the result is kept for as long as the file's size and time stay. Raises ModelError
    for a file that cannot be read.
    """
    known = _Known.read()
    try:
        key, state = str(path.resolve()) + ("#weights" if weights_only else ""), _state(path)
        if remembered := known.of(key, state):
            return remembered
        with path.open("rb") as file:
            if weights_only:
                file.seek(8 + int.from_bytes(file.read(8), "little"))
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    known.keep(key, state, digest)
    return digest


def digest_of(model: Model) -> str:
    """Return one SHA-256 for all files that a model's pictures depend on. Raises ModelError."""
    files = [model.path] if model.header is not None else []
    if model.header is None:
        files = [file for part in model.configs for file in weight_files(model.path / part)]
    if model.vae:
        files.append(model.vae.path)
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()


def remembered(path: Path) -> str | None:
    """Return the SHA-256 of an unchanged file if it is known; reads nothing else."""
    try:
        return _Known.read().of(str(path.resolve()), _state(path))
    except OSError:
        return None


def legacy(path: Path) -> str:
    """Return the eight digits that A1111 gave before 1.0: of 64 KiB from the first MiB on."""
    try:
        with path.open("rb") as file:
            file.seek(_LEGACY_FROM)
            return hashlib.sha256(file.read(_LEGACY_LENGTH)).hexdigest()[:8]
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def of_weights(path: Path) -> str:
    """Return the hash by which LoRAs are told apart, twelve digits: without the file's header.

    As A1111 and kohya have it: what the file's own metadata says, or SHA-256 of what follows a
    safetensors header; of other files the whole. Raises ModelError.
    """
    if layout_of(path) != "safetensors":
        return sha256(path)[:12]
    digest = read_header(path).metadata.get("sshs_model_hash")
    return (digest or sha256(path, weights_only=True))[:12]


class HashJob:
    """The hashes that go into a picture's text, worked out by a thread while the picture is made.

    Under A1111's keys: of the model's single file and of the VAE in its place, ten digits each; of
    LoRAs and embeddings by name, twelve.
    """

    def __init__(
        self,
        *,
        model: Path | None = None,
        vae: Path | None = None,
        loras: Mapping[str, Path] | None = None,
        embeddings: Mapping[str, Path] | None = None,
    ) -> None:
        self._single = {"Model hash": model, "VAE hash": vae}
        self._named = {"Lora hashes": loras or {}, "TI hashes": embeddings or {}}
        self.embeddings = tuple(embeddings or ())
        self._hashes: Future[tuple[dict[str, str], dict[str, dict[str, str]]]] = Future()
        Thread(target=self._fill, name="hashes", daemon=True).start()  # an end does not wait for it

    def text(self, loras: Collection[str], texts: Collection[str]) -> dict[str, str]:
        """Return by key what a picture with these LoRAs and prompts has; waits for the rest.

        Raises ModelError for a file that cannot be read.
        """
        single, by_name = self._hashes.result()
        names = {*loras, *in_texts(self.embeddings, texts)}
        used = {
            key: ", ".join(f"{name}: {digest}" for name, digest in digests.items() if name in names)
            for key, digests in by_name.items()
        }
        return single | {key: text for key, text in used.items() if text}

    def _fill(self) -> None:
        try:
            self._hashes.set_result(self._work_out())
        except BaseException as error:  # for whoever asks; a thread has nobody to tell
            self._hashes.set_exception(error)

    def _work_out(self) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        single = {key: sha256(path)[:10] for key, path in self._single.items() if path}
        by_name = {}
        for key, files in self._named.items():
            one = of_weights if key == "Lora hashes" else lambda path: sha256(path)[:12]
            by_name[key] = {name: one(path) for name, path in files.items()}
        return single, by_name


class _Known:
    """The file of remembered hashes. It may be lost at any time."""

    def __init__(self, entries: dict[str, list[object]]) -> None:
        self._entries = entries

    @staticmethod
    def _path() -> Path:
        return user_cache_path("sdcli", appauthor=False) / "hashes.json"

    @classmethod
    def read(cls) -> _Known:
        try:
            entries = json.loads(cls._path().read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none yet, or cut short by a crash: made anew
            entries = {}
        return cls(entries if isinstance(entries, dict) else {})

    def of(self, key: str, state: list[int]) -> str | None:
        *known, digest = self._entries.get(key) or [None]
        return str(digest) if known == state else None

    def keep(self, key: str, state: list[int], digest: str) -> None:
        self._entries[key] = [*state, digest]
        try:
            self._path().parent.mkdir(parents=True, exist_ok=True)
            write_atomically(
                self._path(), json.dumps(self._entries, indent=0).encode(), overwrite=True
            )
        except OSError:  # a cache that cannot be written only costs time
            return
