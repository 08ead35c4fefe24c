"""The model card: what the shipped model is made of, how, and how well it does."""

import math
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open

from .landscapes import TERRAINS, TIMES, WEATHERS
from .palette import COLOURS
from .settings import Settings
from .shapes import SHAPES, SIZES
from .things import KINDS

TEMPLATE = Path(__file__).with_name("card.md")


def text(figures: Sequence[tuple[str, str]], folder: Path) -> str:
    """The card of the model in that folder, given its measured figures."""
    settings = Settings()
    return TEMPLATE.read_text().format(
        s=settings,
        vae=_parameters(folder / "vae"),
        unet=_parameters(folder / "unet"),
        text=_parameters(folder / "text_encoder"),
        channels="-".join(map(str, settings.unet_channels)),
        colours=len(COLOURS),
        shapes=len(SHAPES),
        sizes=len(SIZES),
        times=len(TIMES),
        weathers=len(WEATHERS),
        terrains=len(TERRAINS),
        things=len(KINDS),
        noise=settings.vae_noise,
        crop=settings.vae_crop_share,
        rows="\n".join(f"| {what} | {figure} |" for what, figure in figures),
    )


def _parameters(folder: Path) -> str:
    """How many numbers a part's weights are, in millions."""
    [file] = folder.glob("*.safetensors")
    with safe_open(file, framework="np") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
    return f"{sum(map(math.prod, shapes)) / 1e6:.2f} M"
