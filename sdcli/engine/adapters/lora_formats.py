"""LoRA files: for each layer that one names, what is added to that layer's weight.

Formats: kohya's, diffusers' and PEFT's names; LoRA (Hu et al. 2021) for linear layers and
convolutions, with LoCon's middle, LoHa and LoKr (Yeh et al. 2023, LyCORIS), and DoRA's magnitudes
(Liu et al. 2024).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sdcli.errors import ModelError

_ENDINGS = {
    "lora_down.weight": "down",
    "lora_A.weight": "down",
    "lora.down.weight": "down",
    "lora_linear_layer.down.weight": "down",
    "lora_up.weight": "up",
    "lora_B.weight": "up",
    "lora.up.weight": "up",
    "lora_linear_layer.up.weight": "up",
    "lora_mid.weight": "mid",
    "alpha": "alpha",
    "dora_scale": "dora",
    "lora_magnitude_vector": "dora",
    "lora_magnitude_vector.weight": "dora",
    **{f"hada_{part}": f"hada_{part}" for part in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{
        f"lokr_{part}": f"lokr_{part}"
        for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")
    },
}
_ENDING = re.compile(rf"(.+)\.({'|'.join(sorted(map(re.escape, _ENDINGS), key=len)[::-1])})")


@dataclass(frozen=True, slots=True)
class Layer:
    """The tensors that a file has for one layer, by their role: down, up, mid, alpha, dora, …"""

    name: str
    parts: Mapping[str, Tensor]

    def delta(self, weight: Tensor) -> Tensor:
        """Return what strength 1 adds to `weight`, in float32 and of its shape.

        Raises ModelError if the shapes do not go together.
        """
        parts = {role: part.to(weight.device, torch.float32) for role, part in self.parts.items()}
        try:
            product, rank = _product(parts)
            added = product.reshape(weight.shape)
        except (RuntimeError, KeyError) as error:
            raise ModelError(
                f"{self.name} does not fit a layer of shape {tuple(weight.shape)}",
                "the LoRA is for another model family",
            ) from error
        alpha = float(parts["alpha"]) if "alpha" in parts else float(rank or 1)
        added = added * (alpha / (rank or alpha))
        return added if "dora" not in parts else _turned(weight.float(), added, parts["dora"])


def _product(parts: Mapping[str, Tensor]) -> tuple[Tensor, int | None]:
    """Multiply the layer's tensors out, and tell their rank (None where alpha has no say)."""
    if "up" in parts:
        down, up = parts["down"], parts["up"]
        rank = down.shape[0]
        if "mid" in parts:
            mid = parts["mid"]
            return torch.einsum("or,rshw,si->oihw", up.flatten(1), mid, down.flatten(1)), rank
        return up.flatten(1) @ down.flatten(1), rank
    if "hada_w1_a" in parts:
        halves = [_hadamard(parts, half) for half in ("1", "2")]
        return halves[0] * halves[1], parts["hada_w1_b"].shape[0]
    first, rank_of_first = _kronecker_factor(parts, "1")
    second, rank_of_second = _kronecker_factor(parts, "2")
    while first.ndim < second.ndim:
        first = first.unsqueeze(-1)
    return torch.kron(first, second.contiguous()), rank_of_second or rank_of_first


def _hadamard(parts: Mapping[str, Tensor], half: str) -> Tensor:
    a, b = parts[f"hada_w{half}_a"], parts[f"hada_w{half}_b"]
    if f"hada_t{half}" in parts:
        return torch.einsum("rshw,si,ro->oihw", parts[f"hada_t{half}"], b, a)
    return a @ b


def _kronecker_factor(parts: Mapping[str, Tensor], which: str) -> tuple[Tensor, int | None]:
    if f"lokr_w{which}" in parts:
        return parts[f"lokr_w{which}"], None
    a, b = parts[f"lokr_w{which}_a"], parts[f"lokr_w{which}_b"]
    if which == "2" and "lokr_t2" in parts:
        return torch.einsum("rshw,si,ro->oihw", parts["lokr_t2"], b, a), b.shape[0]
    whole = a @ b.flatten(1)
    return whole.reshape(len(a), *b.shape[1:]), b.shape[0]


def _turned(weight: Tensor, added: Tensor, magnitude: Tensor) -> Tensor:
    """Return DoRA's change: the sum's direction, column by column, with magnitudes of its own."""
    whole = weight + added
    # LyCORIS keeps a magnitude for each input or output, PEFT one for each output.
    over_outputs = magnitude.ndim == 1 or magnitude.shape[0] == len(weight)
    flat = whole.flatten(1) if over_outputs else whole.transpose(0, 1).flatten(1)
    norm = torch.linalg.vector_norm(flat, dim=1)  # Tensor.norm warns on Metal
    shape = [-1 if axis == (0 if over_outputs else 1) else 1 for axis in range(weight.ndim)]
    return whole * (magnitude.flatten() / norm).reshape(shape) - weight


def layers_of(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Layer], list[str]]:
    """Return the file's layers by name, and the names of tensors that are none of a LoRA's."""
    parts_by_layer: dict[str, dict[str, Tensor]] = {}
    strange = []
    for name, tensor in tensors.items():
        if match := _ENDING.fullmatch(name):
            parts_by_layer.setdefault(match[1], {})[_ENDINGS[match[2]]] = tensor
        else:
            strange.append(name)
    return {name: Layer(name, parts) for name, parts in parts_by_layer.items()}, strange
