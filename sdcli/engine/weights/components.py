"""Owns turning a checked model into networks on a device."""

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
from sdcli.engine.device import Placement, memory_errors, prepare
from sdcli.engine.speed.attention import attend
from sdcli.engine.speed.blocks import save_memory
from sdcli.engine.speed.compile import compile_blocks
from sdcli.engine.speed.graphs import Graphs, on_cuda
from sdcli.engine.speed.packing import pack
from sdcli.engine.text.clip import Clip, TextEncoder
from sdcli.engine.vae.codec import Codec, pad_around
from sdcli.errors import ModelError, UsageError
from sdcli.models import Model, weight_files
from sdcli.models.families import by_name
from sdcli.models.key_mapping import AVERAGE, VAE
from sdcli.models.single_file import ENCODERS, METADATA, original_places
from sdcli.models.tokenizers.clip import tokenizer_of
from sdcli.models.vae import place_in
from sdcli.notices import silent

from .fill import Source, Tensors, fill, in_folder, in_original, no_content, tensors_in
from .offload import place


@dataclass(frozen=True, slots=True)
class Components:
    """The networks of a Stable Diffusion model, ready to run, and the LoRAs in them.

    `graphs` are those of the UNet's calls, and `compiled` that its blocks are.
    """

    unet: Any
    vae: Any
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
        """Within, UNet and text encoders are one run's: with these LoRAs, and this padding.

        Runs of one engine take turns step by step, in one thread or in several; what the last one
        has set is kept until another wants something else. Raises ModelError.
        """
        with self._lock:
            self.use(loras, say)
            if pad_around(self.unet, tiling):
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

    The UNet's blocks are compiled, and its calls recorded as CUDA graphs, where that is asked for;
    `say` is told what it costs. Raises ModelError for weights that do not fit their configuration,
    OutOfMemory, UsageError.
    """
    if graphs and placement.device.type != "cuda":
        raise UsageError(
            f"--cuda-graphs: they need CUDA, and this runs on {placement.device.type}",
            "leave --cuda-graphs out",
        )
    for option in ("--compile",) * compile + ("--cuda-graphs",) * graphs:
        if offload != "none":
            raise UsageError(f"{option}: it needs weights that stay, not --offload {offload}")
    prepare(placement)
    with quiet_libraries(), memory_errors(f"loading {model.name}"):
        networks = {}
        for part, source in sources(model).items():
            network = empty(model, part)
            save_memory(network)
            pack(network, placement)
            where = f"--model: {_where(model, part)}"
            networks[part] = fill(network, source, dtype=placement.dtype, where=where)
        attend(networks["unet"])
        in_turn = ("text_encoder", "text_encoder_2", "unet", "vae")
        called = [networks[part] for part in in_turn if part in networks]
        place(called, placement.device, offload=offload)
        unet = networks["unet"]
        compiled = compile and compile_blocks(unet, placement, say)
        encoders = [part for part in networks if part in ENCODERS]
        clips = [
            Clip(
                tokenizer_of(model, number),
                networks[part],
                device=placement.device,
                bare=len(encoders) > 1,
            )
            for number, part in enumerate(encoders)
        ]
    return Components(
        unet,
        networks["vae"],
        Codec(networks["vae"], scale=model.latent_scale, device=placement.device),
        TextEncoder(clips),
        Loras(model, networks),
        graphs=Graphs(unet, on_cuda(placement.device)) if graphs else None,
        compiled=compiled,
    )


@torch.inference_mode()
def settled(model: Model, components: Components, placement: Placement) -> Model:
    """The model with what only its answers tell: whether a Stable Diffusion 2 file predicts v.

    A1111's test: asked of nothing but halves at the last timestep, a network for ε gives back about
    what it was given, one for v something far below.
    """
    if model.header is None or METADATA in model.header.metadata or model.family.name != "sd2":
        return model
    unet = components.unet
    x = torch.full((1, 4, 8, 8), 0.5, device=placement.device, dtype=placement.dtype)
    context = x.new_full((1, 2, unet.config.cross_attention_dim), 0.5)
    said = unet(x, 999, encoder_hidden_states=context, return_dict=False)[0]
    if (said - x).float().mean() >= -1:
        return model
    family = by_name("sd2-v")
    return replace(
        model,
        family=family,
        prediction=family.prediction,
        native_size=family.native_size,
        scheduler={**model.scheduler, "prediction_type": family.prediction},
    )


def _where(model: Model, part: str) -> Path:
    if part == "vae" and model.vae:
        return model.vae.path
    return model.path / part if model.header is None else model.path


def sources(model: Model) -> dict[str, Source]:
    """Where each component's tensors are. Raises ModelError for files that cannot be opened."""
    try:
        found = _own_sources(model)
        if model.vae is None:
            return found
        if model.vae.prefix is None:
            return {**found, "vae": in_folder(tensors_in(model.vae.path))}
        return {**found, "vae": in_original(tensors_in(model.vae.path), place_in(model.vae))}
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise ModelError(f"--model: cannot load {model.path}: {error}") from error


def _own_sources(model: Model) -> dict[str, Source]:
    if model.header is None:
        return {part: in_folder(_in_files(model.path / part)) for part in model.configs}
    unread = (AVERAGE, VAE) if model.vae else (AVERAGE,)
    tensors = tensors_in(model.path, soon=lambda name: not name.startswith(unread))
    places = original_places(model)
    return {part: in_original(tensors, places[part]) for part in model.configs}


def _in_files(folder: Path) -> Tensors:
    files = [tensors_in(path, soon=lambda _: True) for path in weight_files(folder)]
    return {name: tensor for tensors in files for name, tensor in tensors.items()}


def empty(model: Model, part: str) -> nn.Module:
    """A component with the shapes of its configuration, and no content."""
    config = model.vae.config if part == "vae" and model.vae else model.configs[part]
    with no_content():
        return _MAKERS[part](config)


_MAKERS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "unet": UNet2DConditionModel.from_config,
    "vae": AutoencoderKL.from_config,
    "text_encoder": lambda config: CLIPTextModel(_clip_config(config)),
    "text_encoder_2": lambda config: CLIPTextModelWithProjection(_clip_config(config)),
}


def _clip_config(config: Mapping[str, Any]) -> CLIPTextConfig:
    """With the end's true id: old files say 2, and transformers then takes the greatest for it.

    That is an embedding's, where a prompt has one.
    """
    told = dict(config)
    if told.get("eos_token_id") == 2:
        told["eos_token_id"] = told["vocab_size"] - 1
    return CLIPTextConfig.from_dict(told)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and notices off a terminal that is ours."""
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
