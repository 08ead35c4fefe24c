"""The command that trains a LoRA for the shipped model: its pictures as sepia prints.

    python -m tools.builtin_model.lora --out FILE.safetensors [--steps 400]

A minute or two of a CPU. Pictures are drawn by the same code as the model's own, then toned; their
captions say nothing of it, so that the style needs no word. Named as kohya's trainer names them.
"""

import argparse
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sdcli import Engine
from sdcli.engine.text.clip import ClipEncoder

from .denoiser import Denoiser, loss_of, signal
from .pictures import caption_of, drawn, scene_numbers
from .settings import Settings

RANK, RATE, BATCH, SCENES = 4, 2e-3, 16, 512
PAPER = np.array([255.0, 235.0, 200.0])  # what white becomes; black stays


class Added(nn.Module):
    """A weight with up · down added to it; up begins at 0, so that nothing changes at first."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(RANK, weight.shape[1]) / RANK)
        self.up = nn.Parameter(torch.zeros(weight.shape[0], RANK))

    def forward(self, weight: Tensor) -> Tensor:
        """The sum."""
        return weight + self.up @ self.down


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.manual_seed(0)
    save_file(train(options.steps), options.out)


def train(steps: int) -> dict[str, Tensor]:
    """The trained layers, in kohya's names."""
    engine, settings, rng = Engine.load(device="cpu"), Settings(), Random(0)
    parts = engine._components
    assert isinstance(parts.text_encoder, ClipEncoder)
    clip, unet = parts.text_encoder.clips[0], parts.backbone.network
    model = nn.Module()
    model.text, model.unet = clip._model, unet
    numbers = scene_numbers(SCENES, held_out=False)
    latents = _latents(engine, drawn(numbers))
    added = _adapted(unet)
    optimiser = torch.optim.AdamW([p for one in added.values() for p in one.parameters()], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    alphas = signal(torch.device("cpu"))
    for _ in range(steps):
        chosen = rng.sample(range(len(numbers)), BATCH)
        captions = [
            "" if rng.random() < settings.caption_dropout else caption_of(numbers[i], rng)
            for i in chosen
        ]
        tokens = torch.tensor([clip._row(clip.chunks(each, "none")[0])[0] for each in captions])
        loss = loss_of(_as_denoiser(model), latents[chosen], tokens, alphas, settings)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return _named(added)


def _as_denoiser(model: nn.Module) -> Denoiser:
    """The loss asks for `.text` and `.unet` alone."""
    return model  # type: ignore[return-value]


def toned(picture: np.ndarray) -> np.ndarray:
    """(3, height, width) in sepia: the lightness of each pixel in one hue."""
    light = np.tensordot([0.299, 0.587, 0.114], picture.astype(np.float64), axes=1) / 255
    return (light[None] * PAPER[:, None, None]).astype(np.uint8)


def _latents(engine: Engine, pictures: np.ndarray) -> Tensor:
    images = [Image.fromarray(toned(picture).transpose(1, 2, 0)) for picture in pictures]
    codec = engine._components.codec
    return torch.cat([codec.encode(image, tiling=False) for image in images])


def _adapted(unet: nn.Module) -> dict[str, Added]:
    """Every linear layer of the UNet's attentions, with an Added."""
    found = {}
    for name, module in list(unet.named_modules()):
        if isinstance(module, nn.Linear) and ".attentions." in name:
            added = Added(module.weight)
            parametrize.register_parametrization(module, "weight", added)
            found[name] = added
    return found


def _named(added: dict[str, Added]) -> dict[str, Tensor]:
    tensors = {}
    for name, one in added.items():
        stem = f"lora_unet_{name.replace('.', '_')}"
        tensors[f"{stem}.lora_down.weight"] = one.down.detach().half()
        tensors[f"{stem}.lora_up.weight"] = one.up.detach().half()
        tensors[f"{stem}.alpha"] = torch.tensor(float(RANK))
    return tensors


if __name__ == "__main__":
    main()
