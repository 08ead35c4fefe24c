"""What a file is that was given for another: told by its tensors' names, or its first bytes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: its `title` with its article, and what to do with one."""

    title: str
    advice: str


_NOT_RUN = "sdcli does not run it; give a whole checkpoint"
_TO_RUN = "give the file of a model; sdcli runs Stable Diffusion 1, 2 and XL"
CHECKPOINT = FileKind("a whole checkpoint", "use it with --model")
LORA = FileKind("a LoRA", "use it with --lora, or as <lora:NAME:1> in the prompt")
EMBEDDING = FileKind(
    "a textual inversion",
    "put it into embeddings/ in a models folder, and write its name into the prompt",
)
VAE_FILE = FileKind("a VAE", "use it with --vae")
UPSCALER = FileKind("an upscaler", "use it with --hires-upscaler, or `sdcli upscale --upscaler`")
UNKNOWN = FileKind("no Stable Diffusion checkpoint", _TO_RUN)

# The first that fits some name decides: an IP-Adapter may hold LoRAs, and a ControlNet VAE-like
# blocks. The names are those of the files that their authors published: lllyasviel's ControlNets
# (`control_model.`) and diffusers' (`controlnet_cond_embedding`), Stability AI's Control-LoRAs,
# h94's IP-Adapters, TencentARC's T2I-Adapters, madebyollin's TAESD, Real-ESRGAN and old ESRGAN.
_BY_NAME: tuple[tuple[re.Pattern[str], FileKind], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"^(image_proj|ip_adapter)\.", FileKind("an IP-Adapter", _NOT_RUN)),
        (
            r"^control_model\.|(^|\.)zero_convs\.\d|^controlnet_|(^|\.)input_hint_block\.",
            FileKind("a ControlNet", _NOT_RUN),
        ),
        (
            r"^(adapter\.)?body\.\d+\.(resnets\.\d+\.)?block[12]\.",
            FileKind("a T2I-Adapter", _NOT_RUN),
        ),
        (
            r"(lora_(down|up|mid|A|B|a|b)|lora\.(down|up)|_lora\.(down|up))\b|lora_linear_layer"
            r"|^(lora|lycoris)_|\.(hada_w|lokr_w|oft_|dora_scale|diff\b)",
            LORA,
        ),
        (r"^(model\.)?diffusion_model\.|^cond_stage_model\.|^conditioner\.", CHECKPOINT),
        (r"string_to_param|^emb_params$|^clip_[gl]$|^text_encoders_\d$|^<[^>]+>$", EMBEDDING),
        (r"\.(rdb|RDB)\d\.conv\d|^(params(_ema)?\.)?body\.\d+\.weight$|^upsampler?\.", UPSCALER),
        (
            r"^(taesd_\w+\.)?(encoder|decoder)\.layers\.\d|^\d+\.conv\.\d\.weight$",
            FileKind("a TAESD, a small VAE for previews", "sdcli's previews need none"),
        ),
        (
            r"^(encoder|decoder|first_stage_model\.\w+)\.(conv_in|mid(_block)?|conv_norm_out)\b"
            r"|^(encoder|decoder)\.(down|up)(_blocks)?\.\d",
            VAE_FILE,
        ),
        (r"^(vision_model|visual)\.", FileKind("an image encoder (CLIP vision)", _NOT_RUN)),
        (
            r"(^|\.)text_model\.|^transformer\.resblocks|^encoder\.block\.0\.layer|^text_projection",
            FileKind("a text encoder", _TO_RUN),
        ),
        (r"^double_blocks\.|^single_blocks\.", FileKind("a Flux model", _NOT_RUN)),
        (r"^joint_blocks\.", FileKind("a Stable Diffusion 3 model", _NOT_RUN)),
        (
            r"^(input_blocks|output_blocks|down_blocks|up_blocks)\.",
            FileKind("a UNet without its text encoder and VAE", _TO_RUN),
        ),
    )
)


def kind_of(shapes: Mapping[str, Collection[int]]) -> FileKind:
    """Return what holds tensors of these names."""
    for pattern, kind in _BY_NAME:
        if any(map(pattern.search, shapes)):
            return kind
    # diffusers' embeddings have one tensor, under the word that stands for it.
    if shapes and len(shapes) <= 2 and all(1 <= len(shape) <= 2 for shape in shapes.values()):
        return EMBEDDING
    return UNKNOWN


_BY_START: tuple[tuple[re.Pattern[bytes], FileKind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), FileKind(title, advice))
    for pattern, title, advice in (
        (rb"GGUF", "a GGUF file", "sdcli does not read these; look for a .safetensors file"),
        (
            rb"version https://git-lfs",
            "a git-lfs pointer, not the file itself",
            "run `git lfs pull`, or download it from the model's page",
        ),
        (rb"\s*<(!doctype|html|\?xml|head)", "a web page", "sign in, or download it again"),
        (rb"\s*[{\[]", "a JSON text", "open it to see what it says; download the file again"),
        (rb"\x89PNG|\xff\xd8\xff|RIFF....WEBP", "a picture", "give the file of a model"),
        (rb"(Rar!|7z\xbc\xaf|\x1f\x8b)", "an archive", "unpack it first"),
        (rb"\x89HDF|\x08\x00\x00\x00TFL3", "a model of another program", _TO_RUN),
    )
)


def kind_by_start(path: Path) -> FileKind | None:
    """Return what a file is by its first bytes, where they tell; None else. Raises OSError."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return FileKind("empty", "download it again")
    return next((kind for pattern, kind in _BY_START if pattern.match(start)), None)
