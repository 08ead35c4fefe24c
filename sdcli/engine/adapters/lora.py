"""LoRAs on a loaded model: merged into its weights, and taken out again to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdcli.engine.speed.packing import plain
from sdcli.engine.weights.fill import tensors_in
from sdcli.errors import ModelError, UsageError
from sdcli.models import Model
from sdcli.models.header import read_header
from sdcli.models.kinds import LORA, kind_of
from sdcli.models.roles import BACKBONES, DECODER, TEXT_ENCODERS
from sdcli.models.single_file import original_places

from .lora_formats import Layer, layers_of


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file and how strongly it acts on the text encoders and on the backbone (`unet`)."""

    path: Path
    text: float
    unet: float


class Loras:
    """The set of LoRAs in a model's weights; none at first.

    Merging costs nothing a step. The weights that it changes are kept, so that another set, or
    none, finds them as they were.
    """

    def __init__(self, model: Model, networks: Mapping[str, nn.Module]) -> None:
        self._modules = {
            part: {
                name: module
                for name, module in network.named_modules()
                if isinstance(module, nn.Linear | nn.Conv2d)
            }
            for part, network in networks.items()
            if part != DECODER
        }
        self._model = model
        self._names: Mapping[str, Sequence[tuple[str, str]]] = {}
        self._kept: dict[tuple[str, str], Tensor] = {}
        self._files: dict[Path, dict[str, Layer]] = {}
        self.active: tuple[Lora, ...] = ()

    @torch.inference_mode()
    def use(self, loras: Sequence[Lora], say: Callable[[str], None]) -> bool:
        """Make these the model's LoRAs, and no others; whether that changed any weight.

        `say` is told of layers that the model does not have. Raises ModelError for a file that
        cannot be read, and for one none of whose layers the model has; UsageError where the
        weights are offloaded layer by layer.
        """
        if tuple(loras) == self.active:
            return False
        read = [(lora, self._read(lora.path, say)) for lora in loras]
        self._restore()
        try:
            for lora, layers in read:
                self._merge(lora, layers)
        except BaseException:
            self._restore()  # half of a set is none
            raise
        self.active = tuple(loras)
        return True

    def _merge(self, lora: Lora, layers: Mapping[str, Layer]) -> None:
        for name, layer in layers.items():
            for part, inside in self._names.get(name, ()):
                strength = lora.text if part in TEXT_ENCODERS else lora.unet
                if strength:
                    self._add(part, inside, layer, strength)

    def _add(self, part: str, inside: str, layer: Layer, strength: float) -> None:
        module = self._modules[part][inside]
        if module.weight.is_meta:
            raise UsageError(
                "--offload sequential: LoRAs cannot be merged into weights outside memory",
                "use --offload model",
            )
        self._kept.setdefault((part, inside), module.weight.detach())
        weight = plain(module)
        delta = layer.delta(weight)
        self._put(part, inside, (weight.float() + strength * delta).to(weight.dtype))

    def _restore(self) -> None:
        for (part, inside), weight in self._kept.items():
            self._put(part, inside, weight)
        self._kept.clear()
        self.active = ()

    def _put(self, part: str, inside: str, weight: Tensor) -> None:
        # A new tensor, never in place: the old one may be the file itself, mapped into memory.
        self._modules[part][inside].weight = nn.Parameter(weight, requires_grad=False)

    def _read(self, path: Path, say: Callable[[str], None]) -> dict[str, Layer]:
        if path not in self._files:
            self._names = self._names or _names(self._model, self._modules)
            layers, strange = layers_of(tensors_in(path))
            unknown = [name for name in layers if name not in self._names]
            if len(unknown) == len(layers):
                raise self._refusal(path)
            for what, names in (("layers that the model lacks", unknown), ("odd tensors", strange)):
                if names:
                    say(f"LoRA {path.name}: {len(names)} {what} are ignored, first {names[0]}")
            self._files[path] = layers
        return self._files[path]

    def _refusal(self, path: Path) -> ModelError:
        """Return what to say of a file none of whose layers the model has."""
        kind = kind_of(read_header(path).shapes)
        if kind is not LORA:
            return ModelError(f"--lora: {path} is {kind.title}", kind.advice)
        return ModelError(
            f"--lora: {path} has no layer of this model",
            "it is for another model family, or in a layout that sdcli does not read",
        )


_Modules = Mapping[str, Mapping[str, Any]]
_KOHYA = {
    "unet": ("lora_unet",),
    "text_encoder": ("lora_te", "lora_te1"),
    "text_encoder_2": ("lora_te2",),
}


def _names(model: Model, modules: _Modules) -> dict[str, list[tuple[str, str]]]:
    """Return each name that a file may have for a layer, and where that layer is.

    diffusers' and PEFT's are paths with the component before them; kohya's are such paths with
    all dots turned into underscores, of diffusers' layout or of the original one.
    """
    places = original_places(model)
    places_by_name: dict[str, list[tuple[str, str]]] = {}
    for part, layers in modules.items():
        for inside in layers:
            paths = {inside}
            if part in TEXT_ENCODERS:
                bare = inside.removeprefix("text_model.")
                paths = {bare, f"text_model.{bare}"}
            names = {f"{part}.{path}" for path in paths}
            names |= {f"base_model.model.{path}" for path in paths if part in BACKBONES}
            original = places[part](f"{inside}.weight").name.removesuffix(".weight")
            if part in BACKBONES:
                paths.add(original.removeprefix("model.diffusion_model."))
            for prefix in _KOHYA[part]:
                names |= {f"{prefix}_{path.replace('.', '_')}" for path in paths}
            for name in names:
                places_by_name.setdefault(name, []).append((part, inside))
    return places_by_name
