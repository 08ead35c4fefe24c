"""What fuzzing begins from: real files of each kind, small, and the words that matter."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from io import BytesIO, StringIO

from PIL import Image

from sdcli.files.toml import to_toml
from sdcli.images.formats import encode, encode_animation
from sdcli.request import GenerationRequest
from sdcli.request.infotext import write_text
from sdcli.request.infotext.keys import AFTER_MODEL, BEFORE_MODEL, OUR_PROMPTS
from sdcli.sources.layers import REQUEST_KEYS

from .targets import CHUNKS

_ROWS: tuple[dict[str, object], ...] = (
    {"prompt": "a (red:1.2) fox, [day:night:0.5] <lora:ink:0.8>", "seed": "1,5-8", "steps": 30},
    {"prompt": "a", "sampler": "DPM++ 2M Karras", "size": "640x512", "cfg_scale": 4.5},
    {"prompt": "b", "init_img": "a.png", "outpaint": "left=64,top=32", "mask_rect": "0,0,64,64"},
    {"prompt": "c", "sigmas": "14.6, 3, 0.3", "preset": "draft", "count": 2, "style": "film"},
    {"prompt": "d", "timesteps": "sections:10,15,20", "hires_scale": 2, "hires_sampler": "Euler a"},
)
_TEXTS = (
    "a fox\nNegative prompt: rain\nSteps: 28, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size"
    ': 512x768, Model hash: 6ce0161689, Model: v1-5, Lora hashes: "a: 7c6bad76", Version: v1.5.1',
    "a\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 42, Size: 64x64,"
    " Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent, Version: f2.0.1v1.10.1",
    "a\nSteps: 20, CFG scale: 7.000000, Guidance: 3.500000, Eta: 0.000000, Seed: 42, Size: 512x512,"
    " Model: sd15.safetensors, RNG: cuda, Sampler: dpm++2m, Version: stable-diffusion.cpp",
)
_LINES = (
    "# prompts\na fox, (red:1.2)\na fox --steps 30 -s 7 --size 640x512\n",
    "--prompt a 'red' fox --negative_prompt \"no rain\" --n_iter 3 --batch_size 2 --tiling true\n",
    "--seed_resize_from_w 512 --seed_resize_from_h 640 --subseed_strength=0.5 --sd_model ink\n",
)
_NODES: dict[str, tuple[str, dict[str, object]]] = {
    "3": (
        "KSampler",
        {"seed": 42, "steps": 25, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
        | {"denoise": 0.6, "model": ["10", 0], "positive": ["6", 0], "latent_image": ["5", 0]},
    ),
    "4": ("CheckpointLoaderSimple", {"ckpt_name": "sd15/ink.safetensors"}),
    "5": ("EmptyLatentImage", {"width": 512, "height": 768}),
    "6": ("CLIPTextEncode", {"text": ["8", 0], "clip": ["10", 1]}),
    "8": ("PrimitiveString", {"value": "a (red:1.2) fox"}),
    "10": ("LoraLoader", {"lora_name": "ink", "strength_model": 0.8, "model": ["4", 0]}),
    "11": ("VAEEncode", {"pixels": ["12", 0]}),
    "12": ("LoadImage", {"image": "cat.png", "stop_at_clip_layer": -2}),
}
_INVOKEAI = {
    **{"positive_prompt": "a", "negative_prompt": "b", "width": 512, "height": 768, "seed": 42},
    **{"steps": 25, "cfg_scale": 6.5, "scheduler": "dpmpp_2m_k", "clip_skip": 1, "strength": 0.5},
    **{"model": {"name": "ink"}, "loras": [{"model": {"name": "ink"}, "weight": 0.8}]},
    **{"vae": {"model_name": "x"}, "init_image": "a.png", "controlnets": [{}]},
}
_OLD_INVOKEAI = {
    "model_weights": "sd-1.5",
    "image": {"prompt": [{"prompt": "a fox", "weight": 1}], "steps": 30, "sampler": "k_euler_a"},
}


def seeds() -> Mapping[str, list[bytes]]:
    """Examples for each target, all of which it takes."""
    requests = (
        GenerationRequest(seed=1, prompt=" é: a", sampler="Euler a", ensd=31337, eta=0.5),
        GenerationRequest(seed=1, init_img="a.png", mask="b.png", soft_mask=True, width=64),
    )
    found = {
        "text": [*_TEXTS, *map(write_text, requests)],
        "comfyui": [json.dumps(_nodes())],
        "invokeai": [json.dumps(_INVOKEAI)],
        "old-invokeai": [json.dumps(_OLD_INVOKEAI)],
        "txt": [*_LINES],
        "jsonl": ["".join(f"{json.dumps(row)}\n" for row in _ROWS)],
        "csv": list(map(_csv, _ROWS)),
        "toml": ["[defaults]\nclip_skip = 0x2\n" + "".join(map(_toml, _ROWS))],
    }
    texts = {target: [text.encode() for text in all_of] for target, all_of in found.items()}
    return texts | {"picture": list(_pictures()), "chunk": list(_chunks())}


def words() -> list[str]:
    """What the readers look for: keys, names of nodes and inputs, options."""
    keys = {row.key for row in (*BEFORE_MODEL, *AFTER_MODEL)} | OUR_PROMPTS.keys()
    inputs = {each for _, held in _NODES.values() for each in held}
    options = {f"--{key.replace('_', '-')}" for key in REQUEST_KEYS}
    kinds = {kind for kind, _ in _NODES.values()}
    return sorted({*keys, *inputs, *kinds, *options, *REQUEST_KEYS, *_INVOKEAI, "[[picture]]"})


def _nodes() -> dict[str, object]:
    return {key: {"class_type": kind, "inputs": held} for key, (kind, held) in _NODES.items()}


def _csv(row: Mapping[str, object]) -> str:
    text = StringIO()
    csv.writer(text).writerows([row.keys(), row.values()])
    return text.getvalue()


def _toml(row: Mapping[str, object]) -> str:
    return "\n".join(["[[picture]]", *(to_toml(key, value) for key, value in row.items()), ""])


def _pictures() -> Iterator[bytes]:
    image = Image.new("RGB", (2, 2))
    for kind in ("png", "jpg", "webp"):
        yield encode(image, _TEXTS[0], kind, quality=50)
    yield encode_animation([image, image], _TEXTS[0], ".gif")


def _chunks() -> Iterator[bytes]:
    """The first byte is which of CHUNKS it is."""
    exif = BytesIO()
    Image.new("RGB", (1, 1)).save(exif, "PNG", exif=_exif())
    yield bytes([CHUNKS.index(b"tEXt")]) + b"parameters\0" + _TEXTS[0].encode()
    yield bytes([CHUNKS.index(b"tEXt")]) + b"prompt\0" + json.dumps(_nodes()).encode()
    yield bytes([CHUNKS.index(b"iTXt")]) + b"parameters\0\0\0\0\0" + _TEXTS[0].encode()
    yield bytes([CHUNKS.index(b"eXIf")]) + _exif()


def _exif() -> bytes:
    """EXIF with a user's comment, as JPEGs of A1111 have it."""
    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + _TEXTS[0].encode("utf-16-be")}
    exif[0x0110] = 'prompt:{"3": {}}'
    return exif.tobytes()
