"""Every number that decides what the shipped model becomes."""

from dataclasses import dataclass
from typing import Any

TOKENS = 77  # caption length that Stable Diffusion's text encoders read
STEPS_OF_NOISE = 1000


@dataclass(frozen=True)
class Settings:
    """Data, architecture and training of one model."""

    # Data: scene numbers are drawn from 0 up, those whose sentence is held out are skipped.
    scenes: int = 40_000
    more_figures: int = 60_000  # scenes of figures alone, after those; there are so many of them
    test_scenes: int = 256
    seed: int = 7
    bfloat16: bool = True  # off for processors without such arithmetic: there it is slower
    compiled: bool = True  # needs a C++ compiler; 1.4 times faster on two CPU cores

    # Tokenizer
    vocabulary: int = 1_280
    tokenizer_captions: int = 60_000

    # Autoencoder
    vae_channels: tuple[int, ...] = (32, 32, 64, 96)
    latent_channels: int = 4
    vae_batch: int = 8
    vae_steps: int = 6_000
    vae_crop: int = 64  # pixels of the windows that most of the steps are trained on
    vae_crop_batch: int = 16
    vae_crop_share: float = 0.8
    vae_rate: float = 2e-3
    vae_guide_share: float = 0.15  # of the steps, over which the latents' guide fades away
    vae_noise: float = 0.03  # of the latents' own spread

    # Text encoder
    text_width: int = 192
    text_layers: int = 3
    text_heads: int = 4

    # UNet
    unet_channels: tuple[int, ...] = (64, 128, 192)
    unet_heads: int = 4
    batch: int = 32
    steps: int = 28_500
    rate: float = 2e-3  # of Muon, on all matrices and convolutions
    small_rate: float = 1.5e-3  # of AdamW, on embeddings, norms and biases
    warm_up: int = 100
    weight_decay: float = 0.01
    caption_dropout: float = 0.1  # the share trained without a caption, for guidance
    singles: float = 0.2  # share of scenes of one figure on a plain colour,
    pairs: float = 0.3  # of two figures and where they are,
    figures: float = 0.1  # and of any figures; the rest is drawn from everything
    time_power: float = 0.65  # below 1: more of the training at high noise
    snr_ceiling: float = 5.0  # min-SNR weighting, Hang et al. 2023
    snr_floor: float = 0.02
    ema: float = 0.998
    save_every: float = 180.0  # seconds between checkpoints


def scheduler_config() -> dict[str, Any]:
    """Stable Diffusion 1's noise schedule, as its own scheduler file spells it."""
    return {
        "num_train_timesteps": STEPS_OF_NOISE,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "prediction_type": "epsilon",
        "timestep_spacing": "leading",
    }
