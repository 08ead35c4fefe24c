"""Owns turning a checked model folder into weights on a device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from sdcli.errors import ModelError, OutOfMemory
from sdcli.models import ModelFolder

from .conditioning import TextEncoder
from .device import Placement


@dataclass(frozen=True, slots=True)
class Components:
    """The three networks of a Stable Diffusion model, ready to run."""

    unet: Any
    vae: Any
    text_encoder: TextEncoder


def load(folder: ModelFolder, placement: Placement) -> Components:
    """Load every component in the placement's number format.

    Raises ModelError for weights that do not fit their configuration, OutOfMemory.
    """
    with _quiet_libraries(), memory_errors(f"loading {folder.name}"):
        unet = _component(UNet2DConditionModel, folder, "unet", placement.dtype)
        vae = _component(AutoencoderKL, folder, "vae", placement.dtype)
        text = _component(CLIPTextModel, folder, "text_encoder", placement.dtype)
        for network in (unet, vae, text):
            network.to(placement.device).eval().requires_grad_(False)
        tokenizer = _tokenizer(folder.path / "tokenizer")
    return Components(unet, vae, TextEncoder(tokenizer, text, device=placement.device))


def _component(kind: Any, folder: ModelFolder, name: str, dtype: torch.dtype) -> Any:
    path = folder.path / name
    plain = [file for file in path.glob("*.safetensors") if ".fp16." not in file.name]
    variant = "fp16" if not plain and list(path.glob("*.fp16*.safetensors")) else None
    key = "dtype" if kind is CLIPTextModel else "torch_dtype"
    try:
        network, info = kind.from_pretrained(
            path, **{key: dtype}, variant=variant, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0].split(". If you want")[0]
        raise ModelError(f"--model: cannot load {path}: {reason}") from error
    for problem in ("missing_keys", "mismatched_keys"):
        if info[problem]:
            first = sorted(map(str, info[problem]))[0]
            raise ModelError(
                f"--model: {path} does not fit its config.json: "
                f"{len(info[problem])} {problem.replace('_', ' ')}, first {first}",
                "the weights and the configuration are of different models",
            )
    return network


def _tokenizer(path: Path) -> Any:
    try:
        tokenizer = CLIPTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"--model: cannot load the tokenizer in {path}: {error}") from error
    if "a</w>" not in tokenizer.get_vocab():
        # Transformers 5 builds an empty vocabulary, without a word, from files that it misreads.
        raise ModelError(f"--model: the tokenizer in {path} has no vocabulary")
    return tokenizer


@contextmanager
def memory_errors(doing: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors into ours."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"out of memory while {doing}", _LESS) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory(f"out of memory while {doing}", _LESS) from error


_LESS = "try a smaller --batch-size or size"


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and notices off a terminal that is ours."""
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
