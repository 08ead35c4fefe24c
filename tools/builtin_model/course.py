"""The order of training: pictures, tokenizer, autoencoder, latents, then the denoiser."""

import logging
from pathlib import Path

import torch
from transformers import CLIPTokenizer

from . import autoencoder, checkpoints, denoiser, tokenizer
from .pictures import (
    cached,
    figure_numbers,
    in_chunks,
    scene_numbers,
    shows_figures,
    shows_pair,
    shows_single,
)
from .settings import Settings

log = logging.getLogger(__name__)


def run(settings: Settings, work: Path) -> None:
    """Do every stage that the work folder does not hold finished already."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(settings.seed)
    numbers = scene_numbers(settings.scenes, held_out=False)
    pictures = cached(work / "pictures.npy", numbers)
    test = cached(work / "test.npy", scene_numbers(settings.test_scenes, held_out=True))
    log.info("%d pictures, %d held out", len(pictures), len(test))

    if not (work / "tokenizer").exists():
        tokenizer.save(tokenizer.build(settings, numbers), work / "tokenizer")
    words = CLIPTokenizer.from_pretrained(work / "tokenizer")

    vae = autoencoder.build(settings).to(device, memory_format=torch.channels_last)
    autoencoder.train(vae, pictures, settings, work, device)
    log.info("autoencoder %.2f dB on held-out scenes", autoencoder.psnr(vae, test, device))

    latents = checkpoints.load(work / "latents.pt")
    if latents is None:
        values = autoencoder.encode(vae, pictures, settings, device)
        latents = {"values": values, "spread": float(values.std())}
        checkpoints.save(work / "latents.pt", latents)
    more_numbers = figure_numbers(settings.more_figures, after=numbers[-1])
    more = checkpoints.load(work / "more_latents.pt")
    if more is None:
        log.info("%d scenes of figures more", len(more_numbers))
        drawn = in_chunks(more_numbers)
        encoded = [autoencoder.encode(vae, chunk, settings, device) for chunk in drawn]
        more = {"values": torch.cat(encoded)}
        checkpoints.save(work / "more_latents.pt", more)
    every = [*numbers, *more_numbers]
    data = denoiser.Latents(
        every,
        torch.cat([latents["values"], more["values"]]) / latents["spread"],
        singles=[row for row, number in enumerate(every) if shows_single(number)],
        pairs=[row for row, number in enumerate(every) if shows_pair(number)],
        figures=[row for row, number in enumerate(every) if shows_figures(number)],
        everything=list(range(len(numbers))),
    )
    denoiser.train(denoiser.Denoiser(settings, words), words, data, settings, work, device)
