"""Fetching a model from the hub: only the files that sdcli reads, safetensors preferred."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from sdcli.errors import ModelError
from sdcli.notices import silent

from .roles import ROLES

_ROLE = f"({'|'.join(ROLES)})"
_ALWAYS = re.compile(
    r"model_index\.json|(scheduler|tokenizer(_\d)?)/[^/]+\.(json|txt)"
    rf"|{_ROLE}/config\.json"
)
_WEIGHTS = re.compile(rf"{_ROLE}/[^/.]+(\.fp16)?(-\d+-of-\d+)?\.(safetensors|bin)")
_INDEX = re.compile(rf"{_ROLE}/[^/]+\.safetensors\.index[^/]*\.json")


def choose_files(names: Iterable[str]) -> list[str]:
    """Return the files of a repository that sdcli needs.

    One set of weights for each component: safetensors before .bin, full precision before fp16.
    """
    names = sorted(names)
    chosen = [name for name in names if _ALWAYS.fullmatch(name)]
    weights: dict[str, dict[tuple[bool, bool], list[str]]] = {}
    for name in names:
        if match := _WEIGHTS.fullmatch(name):
            rank = (match[4] == "bin", match[2] is not None)
            weights.setdefault(match[1], {}).setdefault(rank, []).append(name)
    for sets in weights.values():
        chosen += sets[min(sets)]
    return chosen + [name for name in names if _INDEX.fullmatch(name)]


def cached(model: str) -> Path | None:
    """Return the hub model's folder in the cache, complete or not, or None. No network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except LocalEntryNotFoundError as error:
        # It may lack the files that we never fetch: newer versions tell so, older give the folder.
        incomplete = getattr(error, "snapshot_path", None)
        return Path(incomplete) if incomplete else None


def fetch(model: str, *, say: Callable[[str], None] = silent) -> Path:
    """Download hub model `model` ("owner/name"), as far as it is not here yet; its local folder.

    `say` is told once before the download; the hub's own bars show its progress on a terminal.
    Raises ModelError: no such model, no access, no network.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        # One request, where listing the files would try an absent network for half a minute.
        there = HfApi().model_info(model, timeout=20)
        files = choose_files(item.rfilename for item in there.siblings or ())
        if "model_index.json" not in files:
            raise ModelError(
                f"--model: {model} on the hub has no model_index.json",
                "sdcli reads models in the diffusers folder layout",
            )
        say(f"fetching {model} from the hub: {len(files)} files, except those in the cache")
        return Path(snapshot_download(model, allow_patterns=files))
    except GatedRepoError as error:
        raise ModelError(
            f"--model: {model} is gated", "accept its terms on the hub, then set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"--model: there is no folder {model} here and no such model on the hub",
            "check the name; a private model needs HF_TOKEN",
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"--model: {model} on the hub does not have the requested revision", "try again"
        ) from error
    except _network_errors() as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise ModelError(
                f"--model: there is no room on the disk for {model}",
                f"make room, or move the cache with HF_HOME (now {HF_HUB_CACHE})",
            ) from error
        raise ModelError(
            f"--model: there is no folder {model} here and the hub cannot be reached: {error}",
            "check the name and the network",
        ) from error


def _network_errors() -> tuple[type[BaseException], ...]:
    """Return the errors that the hub's client raises where the network fails."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*HfHubHTTPError.__bases__, OSError)


TOKENIZER = "openai/clip-vit-large-patch14"
_TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")


def tokenizer(*, offline: bool = False, say: Callable[[str], None] = silent) -> Path:
    """Return the folder of CLIP's tokenizer: from the hub's cache, or once from the hub.

    Raises ModelError where it is in neither.
    """
    from huggingface_hub import snapshot_download

    folder = cached(TOKENIZER)
    if folder and all((folder / name).is_file() for name in _TOKENIZER_FILES):
        return folder
    lacking = "a single file needs CLIP's tokenizer, which is not in the hub's cache"
    if offline:
        raise ModelError(f"--model: {lacking}", _PULL)
    say(f"fetching CLIP's tokenizer from the hub, once: {TOKENIZER}")
    try:
        return Path(snapshot_download(TOKENIZER, allow_patterns=list(_TOKENIZER_FILES)))
    except _network_errors() as error:
        raise ModelError(
            f"--model: {lacking}, and the hub cannot be reached: {error}", _PULL
        ) from error


_PULL = "run `sdcli models pull tokenizers` once, with a network"
