"""The names of upscalers: A1111's of latents, those of pixels, and files of networks."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sdcli.errors import UsageError, did_you_mean
from sdcli.files import is_file, path_of

if TYPE_CHECKING:
    from PIL.Image import Image

LATENT = "Latent"


@dataclass(frozen=True, slots=True)
class LatentUpscaler:
    """How torch's interpolate enlarges latents."""

    name: str
    mode: str
    antialias: bool = False


LATENT_UPSCALERS = (
    LatentUpscaler(LATENT, "bilinear"),
    LatentUpscaler("Latent (antialiased)", "bilinear", antialias=True),
    LatentUpscaler("Latent (bicubic)", "bicubic"),
    LatentUpscaler("Latent (bicubic antialiased)", "bicubic", antialias=True),
    LatentUpscaler("Latent (nearest)", "nearest"),
    LatentUpscaler("Latent (nearest-exact)", "nearest-exact"),
)
LANCZOS, NEAREST = "Lanczos", "Nearest"
PIXEL_UPSCALERS = (LANCZOS, NEAREST)
_FILES = (".safetensors", ".pth", ".pt", ".ckpt")


def latent_upscaler(name: str) -> LatentUpscaler | None:
    """Return the row of that name; None for an upscaler of pixels."""
    return next((row for row in LATENT_UPSCALERS if row.name == name), None)


def upscaler_name(text: str, *, latents: bool) -> str:
    """Return the canonical name, case aside; a network's file as it is typed.

    Raises UsageError for what is neither, and for one of latents unless `latents`.
    """
    names = [*(row.name for row in LATENT_UPSCALERS if latents), *PIXEL_UPSCALERS]
    known = {name.casefold(): name for name in names}
    if canonical := known.get(text.strip().casefold()):
        return canonical
    if text.endswith(_FILES):
        return text
    raise UsageError(
        f"unknown upscaler {text!r}",
        did_you_mean(text, names)
        or f"{', '.join(names)}, or a network's file (.safetensors, .pth)",
    )


def enlarged(image: Image, size: tuple[int, int], name: str) -> Image:
    """Return the picture at that size, (width, height), by Lanczos or Nearest."""
    from PIL import Image

    how = Image.Resampling.LANCZOS if name == LANCZOS else Image.Resampling.NEAREST
    return image.resize(size, how)


def check_upscaler(name: str) -> None:
    """Raise UsageError for a network's file that is not there, or cannot be read here."""
    if not name.endswith(_FILES):
        return
    if not is_file(path_of(name)):
        raise UsageError(
            f"there is no file {name}", f"give a network's file, or {', '.join(PIXEL_UPSCALERS)}"
        )
    if find_spec("spandrel") is None:
        raise UsageError(
            f"{name} is a network, which needs the package spandrel",
            "pip install 'sdcli[upscalers]'",
        )
