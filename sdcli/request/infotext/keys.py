"""The rows of a picture's text: A1111's keys, and the request's fields that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sdcli.models.header import ENDINGS
from sdcli.request.schema.guidance import MOST_MERGED


def _number(value: float) -> str:
    """Format 7.0 as 7, like A1111; else with every digit needed to read the same number back."""
    return str(int(value)) if value == int(value) else repr(value)


def _words(option: str) -> str:
    """Format no-norm as "No norm"."""
    return option.replace("-", " ").capitalize()


def _option(words: str) -> str:
    return words.replace(" ", "-").lower()


def _merged(ratio: str) -> float:
    """Cap the ratio: A1111 lets one ask for 0.9, and merges what there is."""
    return min(float(ratio), MOST_MERGED)


def _list(values: Sequence[float]) -> str:
    return ", ".join(map(_number, values))


_INVERTED = "Inpaint not masked"
_CONTENTS = {
    "fill": "fill",
    "original": "original",
    "noise": "latent noise",
    "nothing": "latent nothing",
}
_AREAS = {"whole": "Whole picture", "masked": "Only masked"}


def _named(words: str, known: Mapping[str, str]) -> str:
    """Find the option that A1111 calls so; leave unknown words for the schema to refuse."""
    return next((option for option, name in known.items() if name == words), words)


def file_name(model: str) -> str:
    """Name a model as A1111 does: of a path the last part, of a file without its ending."""
    name = PurePath(model).name
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: A1111's key, the request's field, and how its value is written and read."""

    key: str
    field: str
    write: Callable[[Any], str] = _number
    read: Callable[[str], Any] = float


BEFORE_MODEL = (
    Row("Steps", "steps", str, int),
    Row("Sampler", "sampler", str, str),
    Row("Schedule type", "scheduler", str, str),
    Row("CFG scale", "cfg_scale"),
    Row("Seed", "seed", str, int),
)
AFTER_MODEL = (
    Row("VAE", "vae", lambda vae: PurePath(vae).name, str),
    Row("Variation seed", "variation_seed", str, int),
    Row("Variation seed strength", "variation_strength"),
    Row("Seed resize from", "seed_resize", str, str),
    Row("Denoising strength", "strength"),
    Row("Clip skip", "clip_skip", str, int),
    Row("Emphasis", "emphasis", _words, _option),
    Row("Old prompt editing timelines", "old_timelines", str, "True".__eq__),
    Row("ENSD", "ensd", str, int),
    Row("Token merging ratio", "token_merging_ratio", read=_merged),
    Row("Token merging ratio hr", "token_merging_ratio_hr", read=_merged),
    Row("RNG", "rng", str.upper, str.lower),
    Row("Tiling", "tiling", str, "True".__eq__),
    Row("Eta", "eta"),
    Row("Eta DDIM", "eta"),
    Row("Sigma churn", "s_churn"),
    Row("Sigma tmin", "s_tmin"),
    Row("Sigma tmax", "s_tmax"),
    Row("Sigma noise", "s_noise"),
    Row("Schedule min sigma", "sigma_min"),
    Row("Schedule max sigma", "sigma_max"),
    Row("Schedule rho", "rho"),
    Row("Relative tolerance", "rtol"),
    Row("Absolute tolerance", "atol"),
    Row("Max evaluations", "max_evals", str, int),
    Row("Sigmas", "sigmas", _list, str),
    Row("Timesteps", "timesteps", _list, str),
    Row("CFG rescale", "cfg_rescale"),
    Row("Mimic scale", "mimic_scale"),
    Row("Threshold percentile", "threshold_percentile"),
    Row("Skip Early CFG", "skip_early_cfg"),
    Row("NGMS", "ngms"),
    Row("NGMS all steps", "ngms_all", str, "True".__eq__),
    Row("PAG scale", "pag_scale"),
    Row("DeepCache interval", "deep_cache", str, int),
    Row("Hires upscale", "hires_scale"),
    Row("Hires resize", "hires_size", str, str),
    Row("Hires upscaler", "hires_upscaler", str, str),
    Row("Hires steps", "hires_steps", str, int),
    Row("Hires sampler", "hires_sampler", str, str),
    Row("Hires schedule type", "hires_scheduler", str, str),
    Row("Hires prompt", "hires_prompt", str, str),
    Row("Hires negative prompt", "hires_negative_prompt", str, str),
    Row("Init image", "init_img", str, str),
    Row("SD upscale by", "upscale"),
    Row("SD upscale upscaler", "upscaler", str, str),
    Row("SD upscale overlap", "tile_overlap", str, int),
    Row("Full steps", "full_steps", str, "True".__eq__),
    Row("Resize mode", "resize_mode", str, str),
    Row("Noise multiplier", "noise_multiplier"),
    Row("Extra noise", "extra_noise"),
    Row("Mask", "mask", str, str),
    Row("Mask rectangles", "mask_rect", lambda found: "; ".join(map(str, found)), str),
    Row("Outpaint", "outpaint", str, str),
    Row("Mask blur", "mask_blur", str, int),
    Row("Mask mode", "invert_mask", lambda _: _INVERTED, _INVERTED.__eq__),
    Row("Soft mask", "soft_mask", str, "True".__eq__),
    Row(
        "Masked content",
        "inpaint_fill",
        _CONTENTS.__getitem__,
        lambda words: _named(words, _CONTENTS),
    ),
    Row("Inpaint area", "inpaint_area", _AREAS.__getitem__, lambda words: _named(words, _AREAS)),
    Row("Masked area padding", "padding", str, int),
    Row("Inpaint method", "inpaint_method", str, str),
    Row("RePaint jump", "repaint_jump", str, int),
    Row("RePaint times", "repaint_times", str, int),
    Row("Invert", "invert", str, "True".__eq__),
    Row("Invert prompt", "invert_prompt", str, str),
)
OUR_PROMPTS = {"sdcli prompt": "prompt", "sdcli negative prompt": "negative_prompt"}
OUTCOMES = ("Evaluations", "Accepted steps", "Rejected steps")  # of a run, not asked for
TEMPLATES = {  # what the prompts' choices were made in
    "prompt": "Template",
    "negative_prompt": "Negative template",
    "hires_prompt": "Hires template",
    "hires_negative_prompt": "Hires negative template",
}
NUMBER_FORMAT = "Number format"  # of what a picture was made in, where that is COARSE
COARSE = "bf16"
HASHES = ("Model hash", "VAE hash", "Lora hashes", "TI hashes")
NOT_SETTINGS = {
    *("Size", "Model", "Model id", "Version", "User"),
    *HASHES,
    *OUR_PROMPTS,
    *OUTCOMES,
    NUMBER_FORMAT,
    *TEMPLATES.values(),
}
