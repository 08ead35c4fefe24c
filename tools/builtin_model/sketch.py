"""The text encoder's first lessons: guessing a coarse picture from the caption alone.

A denoiser learns slowly what words mean, since at first its noisy picture tells it more than the
caption does. Reading a picture's layout off the mean of the context, which is what cross-attention
sees before it has learned where to look, teaches the text encoder the same at a fifth of the cost.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from . import checkpoints
from .settings import Settings

log = logging.getLogger(__name__)

Batches = Callable[[int], tuple[torch.Tensor, torch.Tensor]]  # size -> clean latents, tokens


class Sketch(nn.Linear):
    """From the mean of a context to latents at half their size; needed in training only."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.text_width, settings.latent_channels * 8 * 8)

    def loss_of(self, context: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """The squared error of the guess; context is (B, 77, width), clean (B, 4, 16, 16)."""
        guess = self(context.mean(dim=1)).view(len(clean), -1, 8, 8)
        return F.mse_loss(guess, F.avg_pool2d(clean, 2))


def train(
    text: nn.Module,
    sketch: Sketch,
    batches: Batches,
    settings: Settings,
    work: Path,
) -> None:
    """Train the text encoder and its sketch, or take them from the work folder."""
    path = work / "text.pt"
    if state := checkpoints.load(path):
        text.load_state_dict(state["text"])
        sketch.load_state_dict(state["sketch"])
        return
    parameters = [*text.parameters(), *sketch.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.rate, betas=(0.9, 0.99), fused=True)
    recent: list[float] = []
    for step in range(settings.sketch_steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * min(1.0, (step + 1) / 50)
        clean, tokens = batches(settings.sketch_batch)
        loss = sketch.loss_of(text(tokens).last_hidden_state, clean)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            log.info("sketch step %d loss %.4f", step + 1, sum(recent) / len(recent))
            recent.clear()
    checkpoints.save(path, {"text": text.state_dict(), "sketch": sketch.state_dict()})
