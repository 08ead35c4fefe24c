"""Fetching a model from the hub: only the files that sdcli reads, safetensors preferred."""

from __future__ import annotations

import errno
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from sdcli.errors import ModelError
from sdcli.notices import silent

from .families import check_pipeline
from .header import ENDINGS
from .roles import ROLES
from .weight_names import choose

INDEX = "model_index.json"
_ROLE = f"({'|'.join(ROLES)})"
_ALWAYS = re.compile(
    r"model_index\.json|(scheduler|tokenizer(_\d)?)/[^/]+\.(json|txt)"
    rf"|{_ROLE}/config\.json"
)
_INDEX = re.compile(rf"{_ROLE}/[^/]+\.safetensors\.index[^/]*\.json")


def choose_files(names: Iterable[str]) -> list[str]:
    """Return the files of a repository that sdcli needs: one set of weights for each component."""
    names = sorted(names)
    inside: dict[str, list[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        inside.setdefault(folder, []).append(file)
    weights = [f"{role}/{file}" for role in ROLES for file in choose(inside.get(role, ()))]
    others = [name for name in names if _ALWAYS.fullmatch(name) or _INDEX.fullmatch(name)]
    return others + weights


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
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
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
        names = [item.rfilename for item in there.siblings or ()]
        if INDEX not in names:
            raise _no_folder(model, names)
        _check_index(Path(hf_hub_download(model, INDEX)))
        files = choose_files(names)
        say(f"fetching {model} from the hub: {len(files)} files, except those in the cache")
        return Path(snapshot_download(model, allow_patterns=files))
    except ModelError as error:
        raise ModelError(f"--model: {model} on the hub: {error.message}", error.hint) from error
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


def _check_index(path: Path) -> None:
    """Raise ModelError if it is damaged, or of a pipeline that sdcli does not run."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        check_pipeline(index)
    except (ValueError, AttributeError) as error:
        raise ModelError(f"its {INDEX} is damaged: {error}") from error


def _no_folder(model: str, names: Iterable[str]) -> ModelError:
    """Return what to say of a repository that is no diffusers folder."""
    files = [name for name in names if "/" not in name and name.endswith(ENDINGS)]
    if not files:
        return ModelError(f"it has no {INDEX}", "sdcli reads diffusers folders and single files")
    return ModelError(
        f"it is no diffusers folder, but holds {', '.join(files[:3])}{' …' * (len(files) > 3)}",
        f"download one, as with `hf download {model} {files[0]}`, and give its path",
    )


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
