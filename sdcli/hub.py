"""Owns fetching a model from the hub: only the files that sdcli reads, safetensors preferred."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import ModelError

_ALWAYS = re.compile(
    r"model_index\.json|(scheduler|tokenizer)/[^/]+\.(json|txt)"
    r"|(unet|vae|text_encoder)/config\.json"
)
_WEIGHTS = re.compile(r"(unet|vae|text_encoder)/[^/.]+(\.fp16)?(-\d+-of-\d+)?\.(safetensors|bin)")
_INDEX = re.compile(r"(unet|vae|text_encoder)/[^/]+\.safetensors\.index[^/]*\.json")


def silent(message: str) -> None:
    """Say nothing."""


def choose_files(names: Iterable[str]) -> list[str]:
    """Of a repository's files, those that sdcli needs.

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


def fetch(model: str, *, offline: bool, say: Callable[[str], None] = silent) -> Path:
    """The local folder of hub model `model` ("owner/name"), downloaded if it must be.

    `say` is told once before a download starts; the hub's own bars show its progress on a
    terminal. Raises ModelError: no such model, no access, no network, or offline and not here.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        if offline:
            return Path(snapshot_download(model, local_files_only=True))
        files = choose_files(HfApi().list_repo_files(model))
        if "model_index.json" not in files:
            raise ModelError(
                f"--model: {model} on the hub has no model_index.json",
                "sdcli reads models in the diffusers folder layout",
            )
        say(f"fetching {model} from the hub ({len(files)} files, those that are not here yet)")
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
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"--model: {model} is not in the cache and sdcli is offline",
            "run once without --offline, or name a local folder",
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"--model: there is no folder {model} here and the hub cannot be reached",
            str(error).splitlines()[0] if str(error) else "",
        ) from error
