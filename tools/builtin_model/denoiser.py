"""The text encoder and the UNet: how they are built and trained together on cached latents."""

import copy
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from . import checkpoints
from .muon import Muon, is_matrix
from .pictures import caption_of
from .precision import mixed
from .settings import STEPS_OF_NOISE, TOKENS, Settings, scheduler_config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Latents:
    """The training set as the denoiser sees it."""

    numbers: list[int]  # of the scenes, for their captions
    values: torch.Tensor  # (N, 4, 16, 16), spread 1
    singles: list[int]  # rows of the scenes of one figure on a plain colour
    pairs: list[int]  # rows of the scenes of two figures with a relation
    figures: list[int]  # rows of all scenes of figures
    everything: list[int]  # rows of scenes as they come, of all kinds


class Denoiser(nn.Module):
    """Text encoder and UNet as one trainable thing."""

    def __init__(self, settings: Settings, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=settings.text_width,
                intermediate_size=4 * settings.text_width,
                projection_dim=settings.text_width,
                num_hidden_layers=settings.text_layers,
                num_attention_heads=settings.text_heads,
                max_position_embeddings=TOKENS,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=16,
            in_channels=settings.latent_channels,
            out_channels=settings.latent_channels,
            block_out_channels=settings.unet_channels,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=settings.text_width,
            # diffusers' name for what is in truth the number of heads.
            attention_head_dim=settings.unet_heads,
        )


def signal(device: torch.device) -> torch.Tensor:
    """The cumulative alphas of Stable Diffusion's schedule, one a timestep."""
    config = scheduler_config()
    first, last = config["beta_start"] ** 0.5, config["beta_end"] ** 0.5
    betas = torch.linspace(first, last, STEPS_OF_NOISE, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float().to(device)


def loss_of(
    model: Denoiser,
    clean: torch.Tensor,
    tokens: torch.Tensor,
    alphas: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """Error of the predicted noise, weighted by a signal-to-noise ratio kept within limits.

    The ceiling is min-SNR's; the floor keeps the noisiest steps, where the caption decides colours
    and layout, from counting next to nothing.
    """
    # One time from each equal slice of the range, so that every batch sees all noise levels; more
    # of them late, where shapes and places are not yet to be seen and only the caption tells them.
    count = len(clean)
    slices = torch.arange(count, device=clean.device) + torch.rand(count, device=clean.device)
    late = (slices / count) ** settings.time_power
    times = (late * STEPS_OF_NOISE).long().clamp_max(STEPS_OF_NOISE - 1)
    noise = torch.randn_like(clean)
    kept = alphas[times][:, None, None, None]
    noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
    context = model.text(tokens).last_hidden_state  # (B, 77, width)
    predicted = model.unet(noisy, times, encoder_hidden_states=context).sample
    ratio = kept / (1 - kept)
    weight = ratio.clamp(settings.snr_floor, settings.snr_ceiling) / ratio
    error: torch.Tensor = (weight * (predicted - noise).square()).mean()
    return error


def train(
    model: Denoiser,
    tokenizer: CLIPTokenizer,
    data: Latents,
    settings: Settings,
    work: Path,
    device: torch.device,
) -> None:
    """Train, or finish training; the checkpoint holds the averaged weights beside the raw ones."""
    path = work / "denoiser.pt"
    model.train().to(device)
    # At these few channels a CPU's fused attention spends longer on its backward pass than all
    # convolutions together; plain matrix products do not.
    model.unet.set_attn_processor(AttnProcessor())
    model.text.set_attn_implementation("eager")
    optimisers = _optimisers(model, settings)
    rng = Random(settings.seed)

    average = copy.deepcopy(model).requires_grad_(False)
    step, saved = 0, time.monotonic()
    recent: list[float] = []
    if state := checkpoints.load(path):
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        for optimiser, past in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(past)
        step = state["step"]
    torch.manual_seed(settings.seed + step)  # a resumed run must not repeat its noise
    rng.seed(f"{settings.seed}/{step}")
    alphas = signal(device)
    error_of = torch.compile(loss_of, dynamic=False) if settings.compiled else loss_of
    while step < settings.steps:
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = optimiser.defaults["lr"] * _share_of_rate(step, settings)
        clean, tokens = _batch(rng, tokenizer, data, settings, device)
        with mixed(device, settings):
            loss = error_of(model, clean, tokens, alphas, settings)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        _follow(average, model, share=1 - min(settings.ema, (1 + step) / (10 + step)))
        recent.append(loss.item())
        if step % 50 == 0:
            log.info("denoiser step %d loss %.4f", step, sum(recent) / len(recent))
            recent.clear()
        if time.monotonic() - saved > settings.save_every or step == settings.steps:
            checkpoints.save(path, _state(model, average, optimisers, step))
            saved = time.monotonic()


def _batch(
    rng: Random,
    tokenizer: CLIPTokenizer,
    data: Latents,
    settings: Settings,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    kinds = (data.singles, data.pairs, data.figures, data.everything)
    focus = (settings.singles, settings.pairs, settings.figures)
    shares = (*focus, 1 - sum(focus))
    chosen = [rng.choice(kind) for kind in rng.choices(kinds, shares, k=settings.batch)]
    captions = [
        "" if rng.random() < settings.caption_dropout else caption_of(data.numbers[i], rng)
        for i in chosen
    ]
    tokens = tokenizer(
        captions, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt"
    ).input_ids
    return data.values[chosen].to(device), tokens.to(device)


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, *, share: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), share)


def _optimisers(model: Denoiser, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for matrices and convolutions, AdamW for embeddings and all that is small."""
    embeddings = {id(p) for p in model.text.embeddings.parameters()}
    large: list[nn.Parameter] = []
    small: list[nn.Parameter] = []
    for parameter in model.parameters():
        matrix = is_matrix(parameter) and id(parameter) not in embeddings
        (large if matrix else small).append(parameter)
    return [
        Muon(large, settings.rate, weight_decay=settings.weight_decay),
        torch.optim.AdamW(
            small,
            lr=settings.small_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        ),
    ]


def _share_of_rate(step: int, settings: Settings) -> float:
    """A short warm-up, then half a cosine down to a fiftieth."""
    warm = min(1.0, (step + 1) / settings.warm_up)
    share = step / settings.steps
    return warm * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * share)))


def _state(
    model: Denoiser, average: Denoiser, optimisers: list[torch.optim.Optimizer], step: int
) -> dict[str, Any]:
    return {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "step": step,
    }
