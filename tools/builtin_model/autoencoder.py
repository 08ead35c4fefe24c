"""The autoencoder: how it is built, trained and used to turn pictures into latents."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from . import checkpoints
from .canvas import SIDE
from .pictures import Pictures
from .precision import mixed
from .settings import Settings

log = logging.getLogger(__name__)


def build(settings: Settings) -> AutoencoderKL:
    """An untrained autoencoder; attention in its middle would cost more than it gives."""
    levels = len(settings.vae_channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=settings.latent_channels,
        block_out_channels=settings.vae_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        # Few large groups: a group of one or two channels would normalise a plain colour away.
        norm_num_groups=2,
        mid_block_add_attention=False,
        sample_size=SIDE,
    )


def to_tensor(pictures: Pictures, device: torch.device) -> torch.Tensor:
    """Bytes to the range that networks see, -1 to 1."""
    batch = torch.from_numpy(np.ascontiguousarray(pictures)).to(device)
    return batch.float() / 127.5 - 1


def _slopes(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pictures.diff(dim=-1), pictures.diff(dim=-2)


def _error(out: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Absolute and squared error of the pictures, and absolute error of their edges."""
    edges = sum(F.l1_loss(a, b) for a, b in zip(_slopes(out), _slopes(batch), strict=True))
    return F.l1_loss(out, batch) + 2 * F.mse_loss(out, batch) + edges


def loss_of(
    vae: AutoencoderKL, batch: torch.Tensor, settings: Settings, *, guide: float
) -> torch.Tensor:
    """The error of the round trip; latents are decoded under slight noise.

    The posterior is the mean with a fixed relative noise instead of a learned one: latents then
    hold no more detail than the denoiser can hit, and nothing has to balance a KL term. A weak
    pull of the latents' spread towards one keeps their scale from drifting. While `guide` is above
    zero, three latent channels are led towards the picture's colours at an eighth of its size: left
    alone, normalisation hides plain colours from the network for its first thousands of steps.
    """
    mean = vae.encode(batch).latent_dist.mean
    spread = mean.detach().std()
    out = vae.decode(mean + settings.vae_noise * spread * torch.randn_like(mean)).sample
    pull = (mean.std() - 1) ** 2 + mean.mean() ** 2
    led = F.mse_loss(mean[:, :3], 1.5 * F.avg_pool2d(batch, 8))
    return _error(out, batch) + 0.01 * pull + guide * led


def train(
    vae: AutoencoderKL, pictures: Pictures, settings: Settings, work: Path, device: torch.device
) -> None:
    """Train, or finish training, and leave the weights in the work folder."""

    def loss(step: int, rng: np.random.Generator) -> torch.Tensor:
        batch = to_tensor(_batch(rng, pictures, step, settings), device)
        guide = max(0.0, 1 - step / (settings.vae_guide_share * settings.vae_steps))
        with mixed(device, settings):
            return loss_of(vae, batch, settings, guide=guide)

    _fit(vae, loss, work / "vae.pt", settings)


def _fit(
    vae: AutoencoderKL,
    loss_at: Callable[[int, np.random.Generator], torch.Tensor],
    path: Path,
    settings: Settings,
) -> None:
    steps, rate = settings.vae_steps, settings.vae_rate
    optimiser = torch.optim.AdamW(
        vae.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True
    )
    step, saved = 0, time.monotonic()
    recent: list[float] = []
    if state := checkpoints.load(path):
        vae.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    rng = np.random.default_rng([settings.seed, step])
    torch.manual_seed(settings.seed + step)  # a resumed run must not repeat its noise
    vae.train()
    while step < steps:
        for group in optimiser.param_groups:
            group["lr"] = rate * _share_of_rate(step, steps)
        loss = loss_at(step, rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        step += 1
        recent.append(loss.item())
        if step % 100 == 0:
            log.info("%s step %d loss %.4f", path.stem, step, sum(recent) / len(recent))
            recent.clear()
        if time.monotonic() - saved > settings.save_every or step == steps:
            checkpoints.save(
                path,
                {"model": vae.state_dict(), "optimiser": optimiser.state_dict(), "step": step},
            )
            saved = time.monotonic()
    vae.eval()


def _batch(rng: np.random.Generator, pictures: Pictures, step: int, settings: Settings) -> Pictures:
    """Many small windows first, when every step teaches a lot; whole pictures towards the end."""
    whole = step >= settings.vae_crop_share * settings.vae_steps
    count = settings.vae_batch if whole else settings.vae_crop_batch
    chosen = np.sort(rng.integers(0, len(pictures), count))
    if whole:
        return pictures[chosen]
    size = settings.vae_crop
    corners = rng.integers(0, SIDE - size + 1, (count, 2))
    return np.stack(
        [
            pictures[i, :, y : y + size, x : x + size]
            for i, (y, x) in zip(chosen, corners, strict=True)
        ]
    )


def _share_of_rate(step: int, steps: int) -> float:
    """A short warm-up, then half a cosine down to a fiftieth."""
    return min(1.0, (step + 1) / 100) * (0.51 + 0.49 * math.cos(math.pi * step / steps))


@torch.no_grad()
def settle(vae: AutoencoderKL, settings: Settings, *, spread: float) -> None:
    """Give the posterior the fixed noise of training, and the config the factor to spread one.

    Training reads only the posterior's mean; its variance would otherwise stay as initialised, and
    a program that samples the posterior (img2img does) would get noise.
    """
    half = settings.latent_channels
    vae.quant_conv.weight[half:] = 0
    vae.quant_conv.bias[half:] = 2 * math.log(settings.vae_noise * spread)
    vae.register_to_config(scaling_factor=1 / spread)


@torch.inference_mode()
def encode(
    vae: AutoencoderKL, pictures: Pictures, settings: Settings, device: torch.device
) -> torch.Tensor:
    """All pictures' latents, not yet scaled: (N, 4, 16, 16)."""
    with mixed(device, settings):
        means = [
            vae.encode(to_tensor(pictures[i : i + 32], device)).latent_dist.mean.float().cpu()
            for i in range(0, len(pictures), 32)
        ]
    return torch.cat(means).contiguous()


@torch.inference_mode()
def psnr(vae: AutoencoderKL, pictures: Pictures, device: torch.device) -> float:
    """Mean peak signal-to-noise ratio of the round trip in dB, over pictures it was not shown."""
    ratios = []
    for i in range(0, len(pictures), 32):
        batch = to_tensor(pictures[i : i + 32], device)
        out = vae.decode(vae.encode(batch).latent_dist.mean).sample.clamp(-1, 1)
        error = ((out - batch) / 2).square().mean(dim=(1, 2, 3))
        ratios.append(-10 * error.clamp_min(1e-8).log10())
    return float(torch.cat(ratios).mean())
