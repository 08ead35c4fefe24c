"""What runs ask of an engine, as protocols: an engine on another machine is one that has these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import Field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sdcli.notices import Say
from sdcli.request import GenerationRequest
from sdcli.request.infotext import Tries

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureStep(Protocol):
    """Where a run stands after a step; `done` is its share of the way, 0 to 1."""

    @property
    def index(self) -> int:
        """The step's number, from 1."""

    @property
    def steps(self) -> int | None:
        """The number of steps; None where the sampler chooses them."""

    @property
    def sigma(self) -> float:
        """The noise level of the last model call."""

    @property
    def evaluations(self) -> int:
        """The model calls so far."""

    @property
    def done(self) -> float:
        """The share of the way, 0 to 1."""


class PictureResult(Protocol):
    """A finished picture, as a dataclass: `request` makes it again."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def image(self) -> Image:
        """Its pixels."""

    @property
    def request(self) -> GenerationRequest:
        """Its settings, each in its final form."""

    @property
    def seconds(self) -> float:
        """Its share of the run's time."""

    @property
    def evaluations(self) -> int:
        """The model calls that it took."""

    @property
    def path(self) -> Path | None:
        """Its file, once it is saved."""

    @property
    def tries(self) -> Tries | None:
        """The steps of a sampler that chooses them."""


class PictureRun(Protocol):
    """A batch of pictures on its way: iterate over it, then take the pictures."""

    def __iter__(self) -> Iterator[PictureStep]:
        """Yield after every step. Raises SdcliError."""

    def preview(self) -> Image | None:
        """Return the first picture as it is by now; None before the first step."""

    def pictures(self) -> Sequence[PictureResult]:
        """Return one picture a request, in order. Raises SdcliError."""


class PictureDevice(Protocol):
    """What an engine computes on."""

    @property
    def type(self) -> str:
        """cpu, mps or cuda."""


class PicturePlacement(Protocol):
    """Where an engine's weights live, and in what number format."""

    @property
    def device(self) -> PictureDevice:
        """What it computes on."""

    @property
    def device_name(self) -> str:
        """The device as people know it."""

    @property
    def dtype_name(self) -> str:
        """fp16, bf16 or fp32."""


class PictureEngine(Protocol):
    """Loaded weights that turn requests into pictures."""

    @property
    def placement(self) -> PicturePlacement:
        """Where they live."""

    @property
    def compiled(self) -> bool:
        """Whether the UNet's blocks are compiled at their first calls."""

    @property
    def decodes_aside(self) -> bool:
        """Whether one thread may take a run's pictures while another iterates over the next."""

    @property
    def bf16_pays(self) -> bool:
        """Whether the same steps would take half the time in bf16."""

    def complete(self, request: GenerationRequest) -> GenerationRequest:
        """Return the request with its picture's size."""

    def fits(self, request: GenerationRequest) -> int:
        """Return how many pictures like the request's can be made at once, at least 1."""

    def start(
        self, requests: Sequence[GenerationRequest], *, tiles_at_once: int = 1, say: Say = ...
    ) -> PictureRun:
        """Begin a run that makes the requests' pictures at once. Raises UsageError."""
