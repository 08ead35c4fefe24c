"""Batch: requests whose pictures are made at once, alike but for prompts and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdcli.errors import UsageError
from sdcli.models import Model
from sdcli.models.latents import LatentSpace
from sdcli.request import GenerationRequest
from sdcli.request.pictures import concrete_size, sized, tiles_sized


@dataclass(frozen=True, slots=True)
class Row:
    """What one picture of a batch has of its own."""

    seed: int
    prompt: str
    negative_prompt: str
    variation_seed: int
    variation_strength: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests of one concrete size that share all `settings`; `rows` are what they do not share.

    `settings` is the first request: nothing that is a row's own is to be read off it. `width` and
    `height` are in pixels, `space` that of the model's latents.
    """

    requests: tuple[GenerationRequest, ...]
    rows: tuple[Row, ...]
    width: int
    height: int
    space: LatentSpace

    @classmethod
    def of(cls, requests: Sequence[GenerationRequest], model: Model) -> Batch:
        """Make a batch of requests that have a size (`complete`).

        Raises UsageError for such as cannot be made at once, or of a size that the model's
        latents cannot have.
        """
        first = requests[0]
        if any(request.shared != first.shared for request in requests):
            raise UsageError("pictures made at once may differ in prompts and seeds only")
        if len(requests) > 1 and first.adaptive:
            raise UsageError("a sampler that chooses its own steps makes one picture at a time")
        width, height = concrete_size(first)
        multiple = model.latents.multiple
        if width % multiple or height % multiple:
            raise UsageError(
                f"--size: {width}x{height} does not suit {model.family.title}",
                f"both sides must be multiples of {multiple}",
            )
        rows = tuple(
            Row(
                request.seed,
                request.prompt,
                request.negative_prompt,
                request.variation_seed or 0,
                request.variation_strength,
            )
            for request in requests
        )
        return cls(tuple(requests), rows, width, height, model.latents)

    @property
    def settings(self) -> GenerationRequest:
        """What all requests share."""
        return self.requests[0]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Of one picture's latents: (channels, height, width)."""
        return (self.space.channels, *self.space.size(self.width, self.height))

    def __len__(self) -> int:
        return len(self.rows)


def complete(request: GenerationRequest, model: Model) -> GenerationRequest:
    """Give the request its picture's size, or the model's native one, where it has none.

    Raises UsageError for a picture to begin from that cannot be read.
    """
    native, multiple = model.native_size, model.latents.multiple
    if request.upscale is not None:
        return tiles_sized(request, native, multiple=multiple)
    if request.init_img is not None:
        return sized(request, multiple=multiple)
    size = {"width": request.width or native, "height": request.height or native}
    return request.model_copy(update=size)
