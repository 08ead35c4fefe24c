"""Reading InvokeAI's pictures, of version 2 and of those since, as fields of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sdcli.errors import UsageError

_FIELDS = {
    "positive_prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "steps": "steps",
    "cfg_scale": "cfg_scale",
    "cfg_rescale_multiplier": "cfg_rescale",
    "strength": "strength",
}
# What says nothing of the picture, or is read in another way.
_OTHERS = (
    *("generation_mode", "app_version", "rand_device", "model", "scheduler", "loras", "clip_skip"),
    *("vae", "init_image", "model_hash", "app_id", "seamless_x", "seamless_y"),
)
_KARRAS = "_k"  # ends the names of those samplers that run on Karras' schedule

Values = dict[str, Any]


def invokeai_values(text: str) -> tuple[Values, dict[str, str]]:
    """Read the request's keys that an "invokeai_metadata" chunk sets, and what cannot be honored.

    Raises UsageError for a text that is no such thing.
    """
    settings = _object(text)
    values = {ours: settings[key] for key, ours in _FIELDS.items() if settings.get(key) is not None}
    values |= _sampler(str(settings.get("scheduler", "euler")))
    if name := _name(settings.get("model")):
        values["model"] = name
    if name := _name(settings.get("vae")):
        values["vae"] = name
    if isinstance(skip := settings.get("clip_skip"), int) and skip:
        values["clip_skip"] = skip + 1  # theirs counts the layers that are left out
    if isinstance(image := settings.get("init_image"), str):
        values["init_img"] = image
    else:
        values.pop("strength", None)
    if settings.get("rand_device", "cpu") == "cpu":
        values["rng"] = "cpu"
    loras = settings.get("loras")
    tags = [
        f"<lora:{name}:{lora.get('weight', 1)}>"
        for lora in (loras if isinstance(loras, list) else [])
        if isinstance(lora, dict) and (name := _name(lora.get("model") or lora.get("lora")))
    ]
    if tags:
        values["prompt"] = " ".join([str(values.get("prompt", "")), *tags])
    known = {*_FIELDS, *_OTHERS}
    rest = {
        k: json.dumps(v)[:60] for k, v in settings.items() if k not in known and v not in _NOTHING
    }
    return values, rest


def old_invokeai_values(text: str) -> tuple[Values, dict[str, str]]:
    """Return the same of a "sd-metadata" chunk, as InvokeAI 2 wrote it."""
    settings = _object(text)
    image = settings.get("image")
    if not isinstance(image, dict):
        raise UsageError("the picture's settings are not InvokeAI's")
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        prompt = " AND ".join(
            str(part.get("prompt", "")) for part in prompt if isinstance(part, dict)
        )
    keys = ("width", "height", "seed", "steps", "cfg_scale")
    values = {key: image[key] for key in keys if image.get(key) is not None}
    values |= {"prompt": str(prompt or ""), **_sampler(str(image.get("sampler", "k_lms")))}
    if isinstance(name := settings.get("model_weights"), str):
        values["model"] = name
    known = {*keys, "prompt", "sampler", "type", "postprocessing", "variations"}
    rest = {k: str(v)[:60] for k, v in image.items() if k not in known and v not in _NOTHING}
    return values | {"rng": "cpu"}, rest


_NOTHING: tuple[Any, ...] = (None, "", [], {}, False, 0)


def _object(text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the picture's settings are not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise UsageError("the picture's settings are not InvokeAI's")
    return content


def _sampler(name: str) -> Values:
    if name.endswith(_KARRAS):
        return {"sampler": name.removesuffix(_KARRAS), "scheduler": "Karras"}
    return {"sampler": name}


def _name(model: Any) -> str:
    """Return a model's name, as the versions since 3 have written it."""
    if not isinstance(model, dict):
        return model if isinstance(model, str) else ""
    return str(model.get("name") or model.get("model_name") or "")
