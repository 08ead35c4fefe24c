"""Single-file checkpoints: what model is in one, and where its networks' tensors stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sdcli.errors import ModelError
from sdcli.notices import silent
from sdcli.sampling.paths import Prediction

from .families import STABLE_DIFFUSION, Family, family_named, of_shapes
from .header import Header, read_header
from .hub import tokenizer
from .infer_config import clip_config, open_clip_config, unet_config, vae_config
from .key_mapping import VAE, Place, clip_place, open_clip_place, unet_place, vae_place
from .model import Model, model_of
from .prediction import Predicts, edm_latents, edm_scheduler, of_scheduler, of_single_file
from .roles import TEXT_ENCODERS

METADATA = "sdcli"
"""The key under which `models convert` keeps, as JSON, what no tensor tells."""


def inspect(
    path: Path, name: str, *, offline: bool = False, say: Callable[[str], None] = silent
) -> Model:
    """Read the file's header, and from it the family and the shapes of the networks.

    CLIP's tokenizer, which no file holds, comes from the hub's cache, or once from the hub. Raises
    ModelError for a damaged file, a family that sdcli does not run, and where the tokenizer is
    not to be had.
    """
    try:
        header = read_checkpoint(path)
    except ModelError as error:
        raise ModelError(f"--model: {error.message}", error.hint) from error
    try:
        metadata, family = _own_metadata(header), family_of(header)
        configs = metadata.get("configs") or derived(header.shapes, family)
        predicts = predicts_of(path, header, family)
        scheduler = metadata.get("scheduler") or _scheduler(path, header, predicts.prediction)
        if not metadata and "vae" in configs:
            configs["vae"] |= edm_latents(path, header)
    except ModelError as error:
        raise ModelError(f"--model: {path}: {error.message}", error.hint) from error
    except KeyError as error:
        raise ModelError(
            f"--model: {path} looks like {family.title}, but has no {error.args[0]}",
            "it may be pruned too far; download it again",
        ) from error
    return model_of(
        name,
        path,
        family,
        configs,
        scheduler,
        predicts=predicts,
        tokenizers=_tokenizers(metadata, family, offline=offline, say=say),
        header=header,
    )


# What trainers put before all names: torch's DataParallel, and wrappers of their own.
_ROOTS = ("module.", "model.", "diffusion_model.", "state_dict.")


def read_checkpoint(path: Path) -> Header:
    """Read a file's header; what stands before all of its names is left out, if that tells a model.

    Raises ModelError.
    """
    header = read_header(path)
    for root in _ROOTS:
        if all(name.startswith(root) for name in header.shapes):
            try:
                below = header.below(root)
                of_shapes(below.shapes)
                return below
            except ModelError:
                continue  # they are its own
    return header


def family_of(header: Header) -> Family:
    """Return the family of a file, by what `models convert` wrote into it, or by its tensors.

    Raises ModelError for one that sdcli does not run, or another kind of file, by its name.
    """
    metadata = _own_metadata(header)
    return family_named(metadata["family"]) if metadata else of_shapes(header.shapes)


def predicts_of(path: Path, header: Header, family: Family) -> Predicts:
    """Return what a file's output stands for, by what `models convert` wrote, or as found.

    Raises ModelError.
    """
    if scheduler := _own_metadata(header).get("scheduler"):
        return of_scheduler(scheduler, family.prediction)
    return of_single_file(path, header, family.prediction)


def _own_metadata(header: Header) -> dict[str, Any]:
    try:
        metadata: dict[str, Any] = json.loads(header.metadata.get(METADATA, "{}"))
        if metadata:
            family_named(metadata["family"])
    except (ValueError, TypeError, LookupError) as error:
        raise ModelError(
            f"its metadata {METADATA!r} was not written by sdcli", "convert the model again"
        ) from error
    return metadata


def derived(shapes: Mapping[str, tuple[int, ...]], family: Family) -> dict[str, dict[str, Any]]:
    """Derive the networks' configurations from the tensors' shapes; a VAE's if the file has one.

    Raises KeyError with the name of a tensor that is not there.
    """
    texts = {
        part: clip_config(shapes, encoder.prefix)
        if encoder.kind == "clip"
        else open_clip_config(shapes, encoder.prefix, most=encoder.layers)
        for part, encoder in zip(TEXT_ENCODERS, family.encoders, strict=False)
    }
    summary = texts[list(texts)[-1]]["projection_dim"]
    unet = unet_config(shapes, heads=family.heads, summary=summary)
    if not any(name.startswith(VAE) for name in shapes):
        return {"unet": unet, **texts}
    return {"unet": unet, "vae": vae_config(shapes, space=family.latents), **texts}


def _scheduler(path: Path, header: Header, prediction: Prediction) -> dict[str, Any]:
    if prediction in ("edm", "edm_v"):
        return edm_scheduler(path, header, prediction)
    return {
        **STABLE_DIFFUSION,
        "prediction_type": prediction,
        "rescale_betas_zero_snr": "ztsnr" in header.shapes,
    }


def _tokenizers(
    metadata: Mapping[str, Any], family: Family, *, offline: bool, say: Callable[[str], None]
) -> tuple[Path, ...]:
    if "tokenizer" in metadata:
        return ()
    return (tokenizer(offline=offline, say=say),) * len(family.encoders)


def original_places(model: Model) -> dict[str, Callable[[str], Place]]:
    """Return for each component where its tensors are in the original layout."""
    unet = model.configs["unet"]
    ups = enumerate(unet["up_block_types"])
    attending = frozenset(number for number, kind in ups if kind.startswith("CrossAttn"))
    texts = {
        part: partial(
            clip_place if encoder.kind == "clip" else open_clip_place, prefix=encoder.prefix
        )
        for part, encoder in zip(TEXT_ENCODERS, model.family.encoders, strict=False)
    }
    vae = model.configs.get("vae", {"block_out_channels": ()})
    return {
        "unet": partial(unet_place, layers=unet["layers_per_block"], attending=attending),
        "vae": partial(vae_place, blocks=len(vae["block_out_channels"])),
        **texts,
    }
