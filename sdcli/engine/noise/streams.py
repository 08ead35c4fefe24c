"""The noise: one stream of random numbers for each image, from one of three sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sdcli.engine.device import upload
from sdcli.errors import UsageError

Shape = tuple[int, ...]


class Stream(Protocol):
    """An image's own endless supply of standard normal noise; successive calls continue it."""

    def next(self, shape: Shape) -> Tensor:
        """Draw float32 noise, on the device that the source draws on."""
        ...


class NvStream:
    """What an NVIDIA card draws for this seed, on any device: Philox4x32-10 and Box–Muller.

    Salmon et al. 2011 for the generator; A1111's "NV" source for how seed, call and element make
    its key and counter. Equal to CUDA itself while one draw has no more elements than the card
    runs threads.
    """

    def __init__(self, seed: int) -> None:
        self._key = (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
        self._calls = 0

    def next(self, shape: Shape) -> Tensor:
        """Draw float32 noise on the CPU."""
        count = math.prod(shape)
        first, second = _philox(self._key, self._calls, count)
        self._calls += 1
        return torch.from_numpy(_box_muller(first, second).reshape(shape))


_UNIT = np.float64(np.float32(2.0**-32))
_TURN = np.float64(np.float32(2.0**-32 * 6.2831855))


def _philox(key: tuple[int, int], call: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first two of four 32-bit words at counters (call, 0, i, 0), i < count."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a = np.full(count, call, dtype=np.uint64)
    b = np.zeros(count, dtype=np.uint64)
    c = np.arange(count, dtype=np.uint64)
    d = np.zeros(count, dtype=np.uint64)
    k0, k1 = key
    for _ in range(10):
        product_a = a * np.uint64(0xD2511F53)
        product_c = c * np.uint64(0xCD9E8D57)
        a, b, c, d = (
            (product_c >> half) ^ b ^ np.uint64(k0),
            product_c & low,
            (product_a >> half) ^ d ^ np.uint64(k1),
            product_a & low,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return a, b


def _box_muller(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the sine half of a Box–Muller pair, computed in float64 and rounded to float32."""
    radius = np.sqrt(-2.0 * np.log(first * _UNIT + _UNIT / 2))
    return (radius * np.sin(second * _TURN + _TURN / 2)).astype(np.float32)


class TorchStream:
    """torch's own generator on one device: A1111's "CPU" source, or the card's own."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(seed)

    def next(self, shape: Shape) -> Tensor:
        """Draw float32 noise on the generator's device."""
        return torch.randn(shape, generator=self._generator, device=self._generator.device)


def open_stream(source: str, seed: int, device: torch.device) -> Stream:
    """Open a stream of source "nv", "cpu" or "gpu". Raises UsageError for gpu without CUDA."""
    if source == "nv":
        return NvStream(seed)
    if source == "cpu":
        return TorchStream(seed, torch.device("cpu"))
    if device.type != "cuda":
        raise UsageError(
            f"--rng: gpu noise needs a CUDA device, and this run is on {device.type}",
            "--rng nv gives the noise of an NVIDIA card on every device",
        )
    return TorchStream(seed, device)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an image's first noise comes from: its seed, and by `share` of the way another's."""

    seed: int
    other: int = 0
    share: float = 0.0


class ImageNoise:
    """The Noise of a batch: image k draws from its own stream, so it never sees its neighbors.

    `shape` is that of one image's latents, (channels, height, width). With
    `resized_from`, a (height, width), the first noise has in its middle that of a picture of that
    size.
    """

    def __init__(
        self,
        origins: Sequence[Origin],
        shape: Shape,
        *,
        source: str,
        device: torch.device,
        ensd: int = 0,
        resized_from: Shape | None = None,
    ) -> None:
        self.shape = shape
        self.device = device
        self._origins = tuple(origins)
        self._resized_from = (
            None if resized_from is None or shape[1:] == resized_from else (shape[0], *resized_from)
        )
        self._source = source
        self._streams = [self._open(origin.seed) for origin in origins]
        # A1111 starts new streams at seed + ENSD after the first draw; with 0 the first go on.
        self._later = (
            [self._open(origin.seed + ensd) for origin in origins] if ensd else self._streams
        )

    def first(self) -> Tensor:
        """Draw the noise that the run starts from: (images, *shape), float32 on its device."""
        begun = map(self._begin, self._origins, self._streams)
        return upload(torch.stack(list(begun)), self.device)

    def __call__(self, sigma: float, sigma_next: float, /) -> Tensor:
        """Draw fresh noise; the streams are independent of σ."""
        drawn = torch.stack([stream.next(self.shape) for stream in self._later])
        return upload(drawn, self.device)

    def _begin(self, origin: Origin, stream: Stream) -> Tensor:
        shape = self._resized_from or self.shape
        noise = (self._open(origin.seed) if self._resized_from else stream).next(shape)
        if origin.share:
            noise = slerp(noise, self._open(origin.other).next(shape), origin.share)
        return centred(noise, stream.next(self.shape)) if self._resized_from else noise

    def _open(self, seed: int) -> Stream:
        return open_stream(self._source, seed, self.device)


_ALIKE = 0.9995  # of the mean cosine, from which A1111 takes two noises for the same


def slerp(low: Tensor, high: Tensor, share: float) -> Tensor:
    """Go from `low` (at share 0) to `high` (at 1) as A1111 does, both (channels, height, width).

    The way is spherical, but each column of each channel has an angle of its own, that of its
    values over the height. Where the two point nearly the same way the ends are exchanged, as in
    A1111.
    """
    cosine = (_unit(low) * _unit(high)).sum(1)
    if cosine.mean() > _ALIKE:
        return low * share + high * (1 - share)
    angle = torch.acos(cosine)
    turned = torch.sin(angle)
    ends = (torch.sin((1 - share) * angle) / turned, torch.sin(share * angle) / turned)
    return ends[0][:, None] * low + ends[1][:, None] * high


def _unit(noise: Tensor) -> Tensor:
    return noise / torch.norm(noise, dim=1, keepdim=True)


def centred(noise: Tensor, around: Tensor) -> Tensor:
    """Return `around`, (channels, height, width), with the noise in its middle, cut where larger.

    As A1111's seed resize lays it, which loses a row where the difference is odd.
    """
    result = around.clone()
    sides = zip(noise.shape[1:], around.shape[1:], strict=True)
    inside, outside = zip(*(_overlap(size, room) for size, room in sides), strict=True)
    result[(slice(None), *outside)] = noise[(slice(None), *inside)]
    return result


def _overlap(size: int, room: int) -> tuple[slice, slice]:
    """Return what is taken of the noise along one side, and where it goes."""
    before = (room - size) // 2
    if before >= 0:
        return slice(0, size), slice(before, before + size)
    common = size + 2 * before
    return slice(-before, -before + common), slice(0, common)
