"""The shipped folder: the latest weights in half precision, in diffusers' layout."""

import os
import tempfile
from pathlib import Path

import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline
from transformers import CLIPTokenizer

from . import autoencoder, checkpoints, tokenizer
from .denoiser import Denoiser
from .settings import Settings, scheduler_config


def pipeline(settings: Settings, work: Path) -> StableDiffusionPipeline:
    """The model as it stands: averaged weights, or untrained ones where training has not begun."""
    words = CLIPTokenizer.from_pretrained(work / "tokenizer")
    denoiser = Denoiser(settings, words)
    if state := checkpoints.load(work / "denoiser.pt"):
        denoiser.load_state_dict(state["average"])
    vae = autoencoder.build(settings)
    if state := checkpoints.load(work / "vae.pt"):
        vae.load_state_dict(state["model"])
    if latents := checkpoints.load(work / "latents.pt"):
        autoencoder.settle(vae, settings, spread=latents["spread"])
    return StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=denoiser.text.eval(),
        tokenizer=words,
        unet=denoiser.unet.eval(),
        scheduler=PNDMScheduler(**scheduler_config()),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(settings: Settings, work: Path, out: Path) -> None:
    """Write the folder beside its place, then replace the old files one by one."""
    pipe = pipeline(settings, work).to(torch.float16)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as name:
        draft = Path(name)
        pipe.save_pretrained(draft)
        tokenizer.save(pipe.tokenizer, draft / "tokenizer")
        for file in sorted(path for path in draft.rglob("*") if path.is_file()):
            target = out / file.relative_to(draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            # Copied next to the target first: a rename is only atomic within one file system.
            neighbour = target.with_name(f".{target.name}.draft")
            neighbour.write_bytes(file.read_bytes())
            os.replace(neighbour, target)  # noqa: PTH105 - the point is the atomic replacement
