"""Writing a model in another layout or number format: a single file, or a diffusers folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTokenizerFast

from sdcli.models import Model
from sdcli.models.key_mapping import VAE, Place
from sdcli.models.single_file import METADATA, original_places
from sdcli.models.tokenizers.clip import tokenizer_of
from sdcli.prompts.chunks import CHUNK

from .components import empty, quiet_libraries, sources
from .fill import fill

CLIP_VOCABULARY = 49_408


def to_single_file(model: Model, target: Path, *, dtype: torch.dtype | None = None) -> None:
    """Write the model as one .safetensors file in the original layout; `dtype` None keeps its own.

    What no tensor tells (heads, groups of a norm, a vocabulary that is not CLIP's) goes into the
    file's metadata. Raises ModelError for a model that cannot be read whole.
    """
    tensors: dict[str, Tensor] = {}
    thirds: dict[str, dict[int, Tensor]] = {}
    places = original_places(model)
    for part, source in sources(model).items():
        for name in empty(model, part).state_dict():
            stored = source(name)
            assert stored is not None, name
            tensor = stored if dtype is None else stored.to(dtype)
            place = places[part](name)
            if place.third is not None:
                thirds.setdefault(place.name, {})[place.third] = tensor
            else:
                tensors[place.name] = _as_stored(tensor, place)
    for name, parts in thirds.items():
        tensors[name] = torch.cat([parts[third] for third in range(3)])
    tensors |= {sign: torch.zeros(0) for sign in _signs(model)}
    target.touch()
    mode = target.stat().st_mode  # as the user's umask has it, which save_file ignores
    save_file(tensors, target, {METADATA: json.dumps(_not_in_tensors(model)), "format": "pt"})
    target.chmod(mode)


def _signs(model: Model) -> list[str]:
    """Name empty tensors by which A1111 and ComfyUI know an SDXL for v, and zero terminal SNR."""
    if model.family.name != "sdxl-v":
        return []
    return ["v_pred", *(["ztsnr"] if model.scheduler.get("rescale_betas_zero_snr") else [])]


def _as_stored(tensor: Tensor, place: Place) -> Tensor:
    if place.transposed:
        return tensor.T.contiguous()
    # The VAE's attention was made of 1×1 convolutions.
    inside = place.name.removeprefix(VAE)
    if ".mid.attn_1." in inside and tensor.ndim == 2:
        return tensor[:, :, None, None].contiguous()
    return tensor.contiguous()


def _not_in_tensors(model: Model) -> dict[str, Any]:
    files: dict[str, Any] = {
        "family": model.family.name,
        "configs": {part: dict(config) for part, config in model.configs.items()},
        "scheduler": dict(model.scheduler),
    }
    if model.configs["text_encoder"]["vocab_size"] != CLIP_VOCABULARY:
        files["tokenizer"] = tokenizer_of(model).backend.to_str()
    return files


def to_folder(model: Model, target: Path, *, dtype: torch.dtype | None = None) -> None:
    """Write the model as a diffusers folder, which any of its pipelines loads."""
    with quiet_libraries():
        _write_parts(model, target, dtype)
    for number, _ in enumerate(model.family.encoders):
        name = ("tokenizer", "tokenizer_2")[number]
        tokenizer = tokenizer_of(model, number)
        pad = tokenizer.backend.id_to_token(tokenizer.pad)
        whole = CLIPTokenizerFast(
            tokenizer_object=tokenizer.backend,
            pad_token=pad,
            model_max_length=CHUNK + 2,  # to which a pipeline cuts and fills up
        )
        whole.save_pretrained(target / name)
    scheduler = {"_class_name": "PNDMScheduler", **model.scheduler}
    _write(target / "scheduler" / "scheduler_config.json", scheduler)
    _write(target / "model_index.json", _index(model))


def _write_parts(model: Model, target: Path, dtype: torch.dtype | None) -> None:
    for part, source in sources(model).items():
        network: Any = empty(model, part)
        first = source(next(iter(network.state_dict())))
        assert first is not None, part
        stored_as = first.dtype if dtype is None else dtype
        fill(network, source, dtype=stored_as, where=str(model.path))
        network.save_pretrained(target / part)


def _index(model: Model) -> dict[str, Any]:
    second = {
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
    }
    none = {"safety_checker": [None, None], "requires_safety_checker": False}
    return {
        "_class_name": model.family.pipeline,
        "scheduler": ["diffusers", model.scheduler.get("_class_name", "PNDMScheduler")],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "feature_extractor": [None, None],
        **(second if "text_encoder_2" in model.configs else none),
    }


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
