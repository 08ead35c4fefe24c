"""Owns what becomes of a seed's first noise in a variation: mixed with another's, or resized."""

from __future__ import annotations

import torch
from torch import Tensor

_ALIKE = 0.9995  # of the mean cosine, from which A1111 takes two noises for the same


def slerp(low: Tensor, high: Tensor, share: float) -> Tensor:
    """A1111's way from `low` (at share 0) to `high` (at 1), both (channels, height, width).

    Spherical, but each column of each channel has an angle of its own, that of its values over the
    height. Where the two point nearly the same way the ends are exchanged, as in A1111.
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
    """`around`, (channels, height, width), with the noise in its middle, cut where it is larger.

    As A1111's seed resize lays it, which loses a row where the difference is odd.
    """
    result = around.clone()
    sides = zip(noise.shape[1:], around.shape[1:], strict=True)
    inside, outside = zip(*(_overlap(size, room) for size, room in sides), strict=True)
    result[(slice(None), *outside)] = noise[(slice(None), *inside)]
    return result


def _overlap(size: int, room: int) -> tuple[slice, slice]:
    """Along one side: what is taken of the noise, and where it goes."""
    before = (room - size) // 2
    if before >= 0:
        return slice(0, size), slice(before, before + size)
    kept = size + 2 * before
    return slice(-before, -before + kept), slice(0, kept)
