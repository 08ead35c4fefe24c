"""Decoding of a picture whose layers do not fit on the device, a strip of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import align_module_device
from torch import Tensor, nn
from torch.nn import functional

_PIXELS = 2**17  # of a strip: 256 rows of 512 pixels, or 64 of 2048


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a convolution reads: `rows(first, last)` makes those rows on the device.

    `first` may be negative and `last` beyond `height`: such rows wrap around.
    """

    height: int
    width: int
    rows: Callable[[int, int], Tensor]


def decode_in_strips(vae: Any, latents: Tensor) -> Tensor:
    """Return on the CPU what `vae.decode` gives for latents (1, channels, h, w), up to rounding.

    The layers of the latents' own size, attention among them, run whole. Of every later layer one
    strip is on the device at a time, and the rest in the computer's memory; a normalization first
    gathers its statistics from all of its strips. Nothing is approximated, so that there are no
    seams to blend.
    """
    decoder, device = vae.decoder, latents.device
    if vae.post_quant_conv is not None:
        latents = vae.post_quant_conv(latents)
    x = decoder.mid_block(decoder.conv_in(latents), None).cpu()
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            x = _resnet(resnet, x, device)
        for upsampler in block.upsamplers or ():
            x = _convolved(upsampler.conv, _doubled(x, device))
    return _convolved(decoder.conv_out, _activated(decoder.conv_norm_out, x, device))


def _resnet(block: Any, x: Tensor, device: torch.device) -> Tensor:
    h = _convolved(block.conv1, _activated(block.norm1, x, device))
    h = _convolved(block.conv2, _activated(block.norm2, h, device))
    if block.conv_shortcut is not None:
        x = _convolved(block.conv_shortcut, _plain(x, device))
    return (h.add_(x)).div_(block.output_scale_factor)


def _convolved(convolution: nn.Conv2d, layer: _Layer) -> Tensor:
    """Return the convolution's whole output, in the computer's memory."""
    halo = convolution.kernel_size[0] // 2
    wraps = convolution.padding_mode == "circular"
    strips = []
    for top, bottom in _strips(layer.height, layer.width):
        first, last = top - halo, bottom + halo
        if not wraps:  # beyond the edges are zeros, which the convolution pads with by itself
            first, last = max(first, 0), min(last, layer.height)
        strip = convolution(layer.rows(first, last))
        strips.append(strip[:, :, top - first : bottom - first].cpu())
    return torch.cat(strips, dim=2)


def _plain(x: Tensor, device: torch.device) -> _Layer:
    def rows(first: int, last: int) -> Tensor:
        return x[:, :, torch.arange(first, last) % x.shape[2]].to(device)

    return _Layer(x.shape[2], x.shape[3], rows)


def _doubled(x: Tensor, device: torch.device) -> _Layer:
    """Double every pixel in both directions."""
    plain = _plain(x, device)

    def rows(first: int, last: int) -> Tensor:
        start = first // 2
        twice = functional.interpolate(plain.rows(start, -(-last // 2)), scale_factor=2.0)
        return twice[:, :, first - 2 * start : last - 2 * start]

    return _Layer(2 * plain.height, 2 * plain.width, rows)


def _activated(norm: nn.GroupNorm, x: Tensor, device: torch.device) -> _Layer:
    """Apply group normalization by the statistics of the whole layer, then SiLU."""
    plain = _plain(x, device)
    mean, variance = _statistics(norm.num_groups, plain)
    with align_module_device(norm, device):
        scale = norm.weight.float().view(1, -1, 1, 1)
        shift = norm.bias.float().view(1, -1, 1, 1)
    each = x.shape[1] // norm.num_groups
    scale = scale * (variance + norm.eps).rsqrt().repeat_interleave(each).view(1, -1, 1, 1)
    shift = shift - scale * mean.repeat_interleave(each).view(1, -1, 1, 1)

    def rows(first: int, last: int) -> Tensor:
        strip = plain.rows(first, last)
        return functional.silu((strip.float() * scale + shift).to(strip.dtype))

    return _Layer(plain.height, plain.width, rows)


def _statistics(groups: int, layer: _Layer) -> tuple[Tensor, Tensor]:
    """Return each group's mean and variance, (groups,), float32, put together from the strips'."""
    strips = _strips(layer.height, layer.width)
    moments = [
        torch.var_mean(layer.rows(*strip).float().reshape(groups, -1), dim=1, correction=0)
        for strip in strips
    ]
    variances, means = (torch.stack(one) for one in zip(*moments, strict=True))
    shares = means.new_tensor([bottom - top for top, bottom in strips])[:, None] / layer.height
    mean = (shares * means).sum(0)
    return mean, (shares * (variances + (means - mean).square())).sum(0)


def _strips(height: int, width: int) -> list[tuple[int, int]]:
    rows = max(1, _PIXELS // width)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]
