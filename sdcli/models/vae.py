"""The choice of a VAE in the place of a model's own, by A1111's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sdcli.errors import ModelError
from sdcli.files import is_file, path_of
from sdcli.notices import silent

from .header import ENDINGS, read_header
from .infer_config import vae_config
from .key_mapping import VAE, Place, vae_place
from .kinds import VAE_FILE, kind_of
from .library import Folders, library, named, nearest
from .model import Model, Vae

AUTOMATIC, OWN = "automatic", "own"
_AS_ALL = {"latent_channels": 4, "block_out_channels": (128, 256, 512, 512)}
"""What every Stable Diffusion's VAE has."""


def with_vae(
    model: Model,
    choice: str,
    *,
    folders: Folders = (),
    say: Callable[[str], None] = silent,
) -> Model:
    """Return the model with the VAE of `choice`: a path, a name in the models folders, or a rule.

    `own` is the one that the model came with. `automatic` is NAME.vae.safetensors beside
    NAME.safetensors, else the first in the VAE folders whose name begins with NAME, else its own.
    Raises ModelError for a VAE that is not there, or of another build, and for a model that has
    none of its own where none is given.
    """
    path = None
    if choice.casefold() == AUTOMATIC:
        path = _beside(model, folders)
    elif choice.casefold() != OWN:
        path = _chosen(choice, folders)
    if path is None:
        if "vae" not in model.configs:
            raise ModelError(f"--model: {model.path} has no VAE", "give it one with --vae")
        return model
    if choice.casefold() == AUTOMATIC:
        say(f"using the VAE {path.name}, which is named after the model")
    vae = _inspect(path, model)
    return replace(model, vae=vae, configs={"vae": vae.config, **model.configs})


def _beside(model: Model, folders: Folders) -> Path | None:
    if model.header is None:
        return None
    stem = model.path.stem
    beside = (model.path.with_name(f"{stem}.vae{ending}") for ending in ENDINGS)
    named_after = (item.path for item in library(folders, "vae") if item.name.startswith(stem))
    return next((path for path in (*beside, *named_after) if path.is_file()), None)


def _chosen(choice: str, folders: Folders) -> Path:
    path = path_of(choice)
    if is_file(path):
        return path
    known = library(folders, "vae")
    file = named(choice, known)
    if file is None:
        raise ModelError(
            f"--vae: there is no file {choice}"
            + (", and nothing of that name in the models folders" if folders else ""),
            nearest(choice, known) or f"a path, a name, {AUTOMATIC} or {OWN}",
        )
    return file.path


def _inspect(path: Path, model: Model) -> Vae:
    try:
        shapes = read_header(path).shapes
    except ModelError as error:
        raise ModelError(f"--vae: {error.message}", error.hint) from error
    prefix = VAE if any(name.startswith(VAE) for name in shapes) else ""
    diffusers = "encoder.conv_norm_out.weight" in shapes
    own = model.configs.get("vae", _AS_ALL)
    blocks = len(own["block_out_channels"])
    if diffusers:
        original = {vae_place(name, blocks=blocks).name: shape for name, shape in shapes.items()}
    else:
        original = {VAE + name.removeprefix(prefix): shape for name, shape in shapes.items()}
    try:
        config = vae_config(original, space=model.latents)
    except KeyError as error:
        kind = kind_of(shapes)
        if kind is VAE_FILE:
            raise ModelError(f"--vae: {path} is incomplete: it has no {error.args[0]}") from error
        raise ModelError(f"--vae: {path} is {kind.title}", kind.advice) from error
    if config["latent_channels"] != own["latent_channels"]:
        raise ModelError(
            f"--vae: {path} is for latents of {config['latent_channels']} channels, "
            f"the model's have {own['latent_channels']}",
            "it belongs to another family",
        )
    return Vae(path, {**own, **config}, None if diffusers else prefix)


def place_in(vae: Vae) -> Callable[[str], Place]:
    """Return where the tensors of a VAE in the original layout stand in its file."""
    blocks = len(vae.config["block_out_channels"])
    prefix = vae.prefix or ""

    def place(name: str) -> Place:
        own = vae_place(name, blocks=blocks)
        return replace(own, name=prefix + own.name.removeprefix(VAE))

    return place
