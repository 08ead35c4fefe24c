"""The fake engine: all of gen is tested without torch, on pictures that show their request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import sdcli
from sdcli.errors import OutOfMemory, SdcliError, UsageError
from sdcli.models import Model
from sdcli.models.families import FAMILIES
from sdcli.models.latents import LatentSpace
from sdcli.notices import Say, silent
from sdcli.request import GenerationRequest
from sdcli.request.infotext import Tries
from sdcli.sampling.noise_tables import scaled_linear

WORDS = Path(sdcli.__file__).parent / "builtin" / "tokenizer"


@dataclass(frozen=True)
class FakeStep:
    """As the engine's Step."""

    index: int
    steps: int | None
    sigma: float
    evaluations: int
    done: float


@dataclass(frozen=True)
class FakePicture:
    """As the engine's Picture."""

    image: Image.Image
    request: GenerationRequest
    seconds: float
    evaluations: int
    path: Path | None = None
    tries: Tries | None = None


@dataclass(frozen=True)
class FakeDevice:
    """As torch's device."""

    type: str = "cpu"


@dataclass(frozen=True)
class FakePlacement:
    """As the engine's Placement, on a CPU."""

    device: FakeDevice = FakeDevice()
    device_name: str = "cpu"
    dtype_name: str = "fp32"


def paint(request: GenerationRequest) -> Image.Image:
    """A picture in the colour of its request."""
    red, green, blue, *_ = hashlib.sha256(request.model_dump_json().encode()).digest()
    return Image.new("RGB", (request.width or 8, request.height or 8), (red, green, blue))


class FakeRun:
    """As the engine's Run: three steps, and `fails` or `interrupts` at a seed that says so."""

    evaluations = 3

    def __init__(self, engine: FakeEngine, requests: Sequence[GenerationRequest]) -> None:
        self.engine = engine
        self.requests = requests

    def __iter__(self) -> Iterator[FakeStep]:
        if len(self.requests) > self.engine.room:
            raise OutOfMemory("out of memory while sampling")
        for index in (1, 2, 3):
            if any(request.seed in self.engine.fails for request in self.requests):
                raise SdcliError("the model gave NaN", "try fp32")
            if any(request.seed in self.engine.interrupts for request in self.requests):
                raise KeyboardInterrupt
            yield FakeStep(index, 3, 3.0 - index, index, index / 3)

    def preview(self) -> Image.Image:
        """The first one."""
        return paint(self.requests[0])

    def pictures(self) -> list[FakePicture]:
        """One picture a request."""
        return [FakePicture(paint(request), request, 0.5, 3) for request in self.requests]


class FakeEngine:
    """As the engine, without weights."""

    def __init__(self) -> None:
        self.model = Model(
            "builtin",
            Path(),
            FAMILIES[-1],
            "epsilon",
            64,
            LatentSpace(scale=1.0),
            scaled_linear(),
            {},
            {},
            (WORDS,),
        )
        self.placement = FakePlacement()
        self.compiled = False
        self.bf16_pays = False
        self.decodes_aside = True
        self.fails: set[int] = set()
        self.room = 8  # pictures at once
        self.promised = 8  # the same, as `fits` tells it
        self.interrupts: set[int] = set()
        self.refuses = ""  # a word in a prompt
        self.batches: list[list[int]] = []
        self.made: list[GenerationRequest] = []

    def complete(self, request: GenerationRequest) -> GenerationRequest:
        """With a size."""
        native = self.model.native_size
        size = {"width": request.width or native, "height": request.height or native}
        return request.model_copy(update=size)

    def fits(self, request: GenerationRequest) -> int:
        """As many as it says."""
        return self.promised

    def start(
        self, requests: Sequence[GenerationRequest], *, tiles_at_once: int = 1, say: Say = silent
    ) -> FakeRun:
        """A run."""
        self.batches.append([request.seed for request in requests])
        self.made.extend(requests)
        assert all(request.shared == requests[0].shared for request in requests)
        assert len(requests) == 1 or not requests[0].adaptive
        if self.refuses and any(self.refuses in request.prompt for request in requests):
            raise UsageError("the model does not want that")
        return FakeRun(self, [self.complete(request) for request in requests])


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """stdout, line by line."""
        return self.out.splitlines()
