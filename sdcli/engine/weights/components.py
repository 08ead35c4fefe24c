"""A checked model's networks on a device, by role, and what is put into them."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.utils import logging as transformers_logging

from sdcli.engine.adapters.lora import Lora, Loras
from sdcli.engine.backbones import Backbone, required
from sdcli.engine.backbones.unet import UNet
from sdcli.engine.device import Placement, memory_errors, prepare
from sdcli.engine.speed.attention import attend
from sdcli.engine.speed.blocks import save_memory
from sdcli.engine.speed.compile import compile_blocks
from sdcli.engine.speed.graphs import Graphs, on_cuda
from sdcli.engine.speed.packing import pack
from sdcli.engine.text import Conditioning, TextEncoder
from sdcli.engine.text.clip import ClipEncoder
from sdcli.engine.vae.codec import Codec, pad_around
from sdcli.errors import ModelError, UsageError
from sdcli.models import Model, weight_files
from sdcli.models.families import family_named
from sdcli.models.key_mapping import AVERAGE, VAE
from sdcli.models.roles import CALLED, DECODER
from sdcli.models.single_file import original_places
from sdcli.models.vae import place_in
from sdcli.notices import silent

from .fill import Source, Tensors, fill, in_folder, in_original, no_content, tensors_in
from .offload import place


@dataclass(frozen=True, slots=True)
class Components:
    """The networks of a model by role, ready to run, what runs them, and the LoRAs in them.

    `graphs` are those of the backbone's calls, and `compiled` that its blocks are.
    """

    networks: Mapping[str, Any]
    backbone: Backbone
    codec: Codec
    text_encoder: TextEncoder
    loras: Loras
    graphs: Graphs | None = None
    compiled: bool = False
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)

    @contextmanager
    def bound(
        self, loras: Sequence[Lora], *, tiling: bool, say: Callable[[str], None]
    ) -> Iterator[None]:
        """Lend backbone and text encoders to one run, with these LoRAs, and this padding.

        Runs of one engine take turns step by step, in one thread or in several; what the last one
        has set is kept until another wants something else. Raises ModelError.
        """
        with self._lock:
            self.use(loras, say)
            if pad_around(self.backbone.network, tiling):
                self._forget_graphs()
            yield

    def use(self, loras: Sequence[Lora], say: Callable[[str], None]) -> None:
        """Make these the LoRAs of the networks, and no others. Raises ModelError."""
        if self.loras.use(loras, say):
            self.text_encoder.forget()
            self._forget_graphs()

    def _forget_graphs(self) -> None:
        if self.graphs:
            self.graphs.forget()


def load(
    model: Model,
    placement: Placement,
    *,
    offload: str = "none",
    compile: bool = False,
    graphs: bool = False,
    say: Callable[[str], None] = silent,
) -> Components:
    """Load every component in the placement's number format; `offload` as in offload.py.

    The backbone's blocks are compiled, and its calls recorded as CUDA graphs, where that is wanted;
    `say` is told what it costs. Raises ModelError for weights that do not fit their configuration,
    OutOfMemory, UsageError.
    """
    if graphs and placement.device.type != "cuda":
        raise UsageError(
            f"--cuda-graphs needs CUDA, and this runs on {placement.device.type}",
            "leave --cuda-graphs out",
        )
    for option in ("--compile",) * compile + ("--cuda-graphs",) * graphs:
        if offload != "none":
            raise UsageError(f"{option} does not work with --offload {offload}")
    prepare(placement)
    with quiet_libraries(), memory_errors(f"loading {model.name}"):
        networks = {}
        for part, source in sources(model).items():
            network = empty(model, part)
            save_memory(network)
            pack(network, placement)
            where = f"--model: {_where(model, part)}"
            networks[part] = fill(network, source, dtype=placement.dtype, where=where)
        backbone = backbone_of(networks)
        attend(backbone.network)
        called = [networks[role] for role in CALLED if role in networks]
        place(called, placement.device, offload=offload)
        compiled = compile and compile_blocks(backbone, placement, say)
        if graphs:
            required(backbone.capabilities.graphs, "--cuda-graphs", backbone)
    return Components(
        networks,
        backbone,
        Codec(networks[DECODER], space=model.latents, device=placement.device),
        READERS[model.family.text](model, networks, placement.device),
        Loras(model, networks),
        graphs=Graphs(backbone, on_cuda(placement.device)) if graphs else None,
        compiled=compiled,
    )


def backbone_of(networks: Mapping[str, nn.Module]) -> Backbone:
    """Return the one of these networks, by role, that predicts."""
    [role] = [role for role in PREDICTORS if role in networks]
    return PREDICTORS[role](networks[role])


@torch.inference_mode()
def settled(model: Model, components: Components, placement: Placement) -> Model:
    """Settle what only a model's outputs tell: whether a Stable Diffusion 2 file predicts v.

    A1111's test: of nothing but halves at the last timestep, a network for ε gives back about what
    it was given, one for v something far below.
    """
    if model.header is None or model.prediction_by or model.family.name != "sd2":
        return model
    x = torch.full((1, 4, 8, 8), 0.5, device=placement.device, dtype=placement.dtype)
    t = torch.full((1,), 999.0, device=placement.device)
    context = x.new_full((1, 2, int(model.configs["unet"]["cross_attention_dim"])), 0.5)
    output = components.backbone.predict(x, t, Conditioning(context))
    if (output - x).float().mean() >= -1:
        return model
    family = family_named("sd2-v")
    return replace(
        model,
        family=family,
        prediction=family.prediction,
        prediction_by="its answer to a test",
        native_size=family.native_size,
        scheduler={**model.scheduler, "prediction_type": family.prediction},
    )


def _where(model: Model, part: str) -> Path:
    if part == DECODER and model.vae:
        return model.vae.path
    return model.path / part if model.header is None else model.path


def sources(model: Model) -> dict[str, Source]:
    """Find each component's tensors. Raises ModelError for files that cannot be opened."""
    try:
        own = _own_sources(model)
        if model.vae is None:
            return own
        if model.vae.prefix is None:
            return {**own, DECODER: in_folder(tensors_in(model.vae.path))}
        return {**own, DECODER: in_original(tensors_in(model.vae.path), place_in(model.vae))}
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise ModelError(f"--model: cannot load {model.path}: {error}") from error


def _own_sources(model: Model) -> dict[str, Source]:
    if model.header is None:
        return {part: in_folder(_in_files(model.path / part)) for part in model.configs}
    root = model.header.root
    unread = tuple(root + prefix for prefix in ((AVERAGE, VAE) if model.vae else (AVERAGE,)))
    tensors = tensors_in(model.path, soon=lambda name: not name.startswith(unread))
    if root:
        tensors = {name.removeprefix(root): tensor for name, tensor in tensors.items()}
    places = original_places(model)
    return {part: in_original(tensors, places[part]) for part in model.configs}


def _in_files(folder: Path) -> Tensors:
    files = [tensors_in(path, soon=lambda _: True) for path in weight_files(folder)]
    return {name: tensor for tensors in files for name, tensor in tensors.items()}


def empty(model: Model, part: str) -> nn.Module:
    """Build a component with the shapes of its configuration, and no content."""
    config = model.vae.config if part == DECODER and model.vae else model.configs[part]
    with no_content():
        return MAKERS[part](config)


def _clip_config(config: Mapping[str, Any]) -> CLIPTextConfig:
    """Correct the end's id: old files say 2, and transformers then takes the greatest for it.

    That is an embedding's, where a prompt has one.
    """
    fields = dict(config)
    if fields.get("eos_token_id") == 2:
        fields["eos_token_id"] = fields["vocab_size"] - 1
    return CLIPTextConfig.from_dict(fields)


MAKERS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "unet": UNet2DConditionModel.from_config,
    "vae": AutoencoderKL.from_config,
    "text_encoder": lambda config: CLIPTextModel(_clip_config(config)),
    "text_encoder_2": lambda config: CLIPTextModelWithProjection(_clip_config(config)),
}
"""By role, what makes a network of its configuration."""

PREDICTORS: dict[str, Callable[[Any], Backbone]] = {"unet": UNet}
"""By role, what makes a network a backbone."""

READERS: dict[str, Callable[[Model, Mapping[str, Any], torch.device], TextEncoder]] = {
    "clip": ClipEncoder.of,
}
"""By a family's `text`, what reads prompts with the networks of a model."""


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and notices off a terminal that is ours."""
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
