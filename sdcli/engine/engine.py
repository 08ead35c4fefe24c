"""The engine: a loaded model that turns requests into pictures. Read this file first."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor

from sdcli import models
from sdcli.engine.adapters.lora import Lora
from sdcli.engine.adapters.textual_inversion import Embeddings
from sdcli.engine.noise.streams import NvStream
from sdcli.engine.text import TextEncoder
from sdcli.engine.weights.components import Components, load, settled
from sdcli.errors import UsageError
from sdcli.models import Model
from sdcli.models.library import Folders, find_lora, hash_files, library
from sdcli.models.vae import AUTOMATIC, OWN, with_vae
from sdcli.notices import Say, silent
from sdcli.prompts.lora_tags import split
from sdcli.request import GenerationRequest
from sdcli.request.build import Source, build_request

from .batch import Batch, complete
from .capacity import room
from .device import Placement, choose, counts_in_bf16, memory_errors, one_thread
from .hires import TwoPasses, enlarger
from .picture import Picture, Preview, Step
from .run import Run
from .tiled import Tiled

_LARGE = 10**8  # weights of a backbone whose steps are long


class Engine:
    """Loaded weights on a device: the only stateful thing, reused for every picture."""

    def __init__(
        self,
        model: Model,
        placement: Placement,
        components: Components,
        folders: Folders = (),
    ) -> None:
        self.model = model
        self.placement = placement
        self._loaded: Components | None = components
        self.folders = tuple(folders)
        known = library(self.folders, "embedding")
        self._embeddings = Embeddings(known, components.text_encoder)

    @classmethod
    def load(
        cls,
        model: str = models.BUILTIN,
        *,
        device: str = "auto",
        dtype: str = "auto",
        offload: str = "none",
        vae: str = "automatic",
        compile: bool = False,
        graphs: bool = False,
        folders: Folders = (),
        offline: bool = False,
        say: Callable[[str], None] = silent,
    ) -> Self:
        """Load a file, a folder, a name in the models `folders`, a hub id, or "builtin".

        `vae` is as a request's. `device`: auto, cpu, mps, cuda or cuda:N. `dtype`: auto, fp16, bf16
        or fp32. `compile` and CUDA `graphs` make steps faster after the first ones. `say` is told
        what a person should know. Raises ModelError, UsageError, OutOfMemory.
        """
        checked = models.find(model, folders=folders, offline=offline, say=say)
        return cls.of(
            with_vae(checked, vae, folders=folders, say=say),
            device=device,
            dtype=dtype,
            offload=offload,
            compile=compile,
            graphs=graphs,
            folders=folders,
            say=say,
        )

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        device: str = "auto",
        dtype: str = "auto",
        offload: str = "none",
        compile: bool = False,
        graphs: bool = False,
        folders: Folders = (),
        say: Callable[[str], None] = silent,
    ) -> Self:
        """Load a model that has been found and checked already; LoRAs are found in `folders`."""
        placement = choose(device, dtype)
        components = load(
            model, placement, offload=offload, compile=compile, graphs=graphs, say=say
        )
        return cls(settled(model, components, placement), placement, components, folders)

    @property
    def _components(self) -> Components:
        if self._loaded is None:
            raise UsageError("the engine is closed", "load the model again")
        return self._loaded

    @property
    def text_encoder(self) -> TextEncoder:
        """What turns a prompt into embeddings."""
        return self._components.text_encoder

    @property
    def compiled(self) -> bool:
        """Whether the backbone's blocks are compiled at their first calls."""
        return self._components.compiled

    @property
    def decodes_aside(self) -> bool:
        """Whether one thread may take a run's pictures while another iterates over the next."""
        return not one_thread(self.placement.device)

    @property
    def bf16_pays(self) -> bool:
        """Whether the same steps would take half the time in bf16, with pictures a little off."""
        large = sum(p.numel() for p in self._components.backbone.network.parameters()) >= _LARGE
        return large and counts_in_bf16(self.placement)

    def noised(self, image: Image, sigmas: Sequence[float], *, seed: int = 0) -> list[Image]:
        """Show the picture as a sampler sees it at each σ: through the VAE, with that much noise.

        Latents are shown as the model is given them. The picture's sides must be multiples of what
        the model takes.
        """
        codec, path = self._components.codec, self.model.noise_path
        clean = codec.encode(image, tiling=False)
        noise = NvStream(seed).next(tuple(clean.shape[1:])).to(clean.device)
        inputs = [path.model_input(path.add(clean, noise, sigma), sigma) for sigma in sigmas]
        return codec.decode(torch.cat(inputs), tiling=False, say=silent)

    def complete(self, request: GenerationRequest) -> GenerationRequest:
        """Give the request its picture's size, or the model's native one, where it has none."""
        return complete(request, self.model)

    def fits(self, request: GenerationRequest) -> int:
        """Return how many pictures like the request's surely fit at once in the memory left."""
        last = self.complete(request).passes[-1]
        return max(1, int(self._room(Batch.of([last], self.model))))

    def _room(self, batch: Batch) -> float:
        rows = (1 if batch.settings.cfg_scale == 1 else 2) + bool(batch.settings.pag_scale)
        _, high, wide = batch.latent_shape
        backbone, device = self._components.backbone, self.placement.device
        return room(backbone, device, places=high * wide, rows=rows)

    def generate(
        self,
        prompt: str | GenerationRequest,
        *,
        init_image: Source | None = None,
        mask: Source | None = None,
        loras: Mapping[str, float] | None = None,
        say: Say = silent,
        **settings: Any,
    ) -> Picture:
        """Make one picture of a prompt and any of a request's fields, or of a whole request.

        `init_image` and `mask` are files or PIL images, `loras` strengths by name or path. A
        missing seed, or -1, is drawn, and stands in the picture's `request`, as does this engine's
        model, whichever a whole request names. `say` is told what a person should know. Raises
        SdcliError.
        """
        if isinstance(prompt, GenerationRequest):
            if init_image is not None or mask is not None or loras or settings:
                raise UsageError(
                    "settings beside a request: a request has its own",
                    "pass a prompt, or change the request",
                )
            request = prompt
        else:
            if "model" in settings:
                raise UsageError(
                    f"model: this engine has {self.model.name} loaded",
                    "load the other model with sdcli.load",
                )
            request = build_request(
                prompt, init_image=init_image, mask=mask, loras=loras, **settings
            )
        run = self.start([request], say=say)
        for _ in run:
            pass
        return self._signed(run.pictures())[0]

    def stream(
        self,
        requests: Iterable[GenerationRequest],
        *,
        preview_every: int = 0,
        say: Say = silent,
    ) -> Iterator[Step | Preview | Picture]:
        """Make pictures and yield what happens: steps, previews every so many steps, pictures.

        Neighbors that differ in prompts and seeds only are made at once, as far as memory allows;
        pictures come in the requests' order. Raises SdcliError.
        """
        for _, alike in groupby(requests, key=lambda request: repr(request.shared)):
            waiting = list(alike)
            while waiting:
                first = waiting[0]
                single = first.adaptive or first.upscale is not None
                count = 1 if single else self.fits(first)
                batch, waiting = waiting[:count], waiting[count:]
                run = self.start(batch, say=say)
                for step in run:
                    yield step
                    if preview_every and step.index % preview_every == 0:
                        image = run.preview()
                        if image is not None:
                            yield Preview(image, step)
                yield from self._signed(run.pictures())

    def _signed(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Let the pictures know what their texts say of the model and files that made them."""
        requests = [picture.request for picture in pictures]
        texts = {text for request in requests for text in request.texts}
        tags = {tag.name for request in requests for tag in request.tags}
        hashes = hash_files(self.model, self.folders, texts=texts, loras=tags)
        dtype = self.placement.dtype_name
        named = {"model": self.model.name}  # a request may have been written for another one
        return [
            replace(
                picture,
                request=picture.request.model_copy(update=named),
                dtype=dtype,
                hashes=hashes,
            )
            for picture in pictures
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the weights go; the engine makes no more pictures."""
        self._loaded = None
        vars(self).pop("_embeddings", None)
        gc.collect()
        if self.placement.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.placement.device.type == "mps":
            torch.mps.empty_cache()

    def start(
        self,
        requests: Sequence[GenerationRequest],
        *,
        tiles_at_once: int = 1,
        say: Callable[[str], None] = silent,
    ) -> Run | TwoPasses | Tiled:
        """Begin a run that makes the requests' pictures at once; iterate over it, then take them.

        They may differ in prompts and seeds only. Picture k equals the one made alone, up to
        rounding. What is enlarged by tiles is made alone, so many tiles at once. Raises UsageError.
        """
        batch = Batch.of([self.complete(request) for request in requests], self.model)
        settings = batch.settings
        if self._components.compiled and settings.token_merging_ratio:
            raise UsageError(
                "--token-merging-ratio does not work with --compile", "leave one of them out"
            )
        choice, other = settings.vae.casefold(), self.model.vae is not None
        if choice != AUTOMATIC and other is (choice == OWN):
            raise UsageError(
                f"--vae: the model was not loaded with {settings.vae}",
                "load it with Engine.load(..., vae=...)",
            )
        if settings.upscale is not None:
            return self._tiled(batch, say, tiles_at_once)
        if not settings.hires:
            return self._run(batch, say)
        seconds = Batch.of([request.second() for request in batch.requests], self.model)
        enlarge = enlarger(batch, self._components.codec, device=self.placement.device, say=say)
        calls = settings.resolved_sampler.prompt_calls(settings.steps)

        def second(latents: Tensor) -> Run:
            return self._run(seconds, say, latents=latents, calls_before=calls)

        return TwoPasses(batch, self._run(batch, say), enlarge, second)

    def _tiled(self, batch: Batch, say: Callable[[str], None], at_once: int) -> Tiled:
        if len(batch) > 1:
            raise UsageError("pictures enlarged by tiles are made one at a time")
        device = self.placement.device

        def begin(tiles: list[GenerationRequest], latents: Tensor) -> Run:
            return self._run(Batch.of(tiles, self.model), say, latents=latents)

        return Tiled(
            batch,
            encode=partial(self._components.codec.encode, tiling=False),
            begin=begin,
            at_once=at_once,
            device=device,
            say=say,
        )

    def _run(self, batch: Batch, say: Callable[[str], None], **second: Any) -> Run:
        """Begin a run with the LoRAs and embeddings that its prompts name. Raises UsageError."""
        settings = batch.settings
        tags = split(settings.prompt)[1]  # which all its prompts share
        loras = [Lora(find_lora(tag.name, self.folders), tag.text, tag.unet) for tag in tags]
        texts = [text for row in batch.rows for text in (row.prompt, row.negative_prompt)]
        with (
            memory_errors("merging LoRAs"),
            self._components.bound(loras, tiling=settings.tiling, say=say),
        ):
            if self._embeddings.learn([*texts, settings.invert_prompt or ""], say):
                self.text_encoder.forget()
            run = Run(
                batch, self.model, self.placement, self._components, say, loras=loras, **second
            )
        if self._room(batch) < len(batch):  # and all prompts are read
            self.text_encoder.release()
        return run
