"""Token merging: places of a UNet's finest maps that are much alike attend as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor
from torch.nn import functional

_AT_ONCE = 4096  # tokens that are compared at once: a table of all would outgrow the UNet itself


def finest_blocks(unet: Any) -> list[Any]:
    """Return a UNet's transformer blocks at its highest resolution; an SDXL's has none there."""
    ends = (unet.down_blocks[0], unet.up_blocks[-1])
    return [m for end in ends for m in end.modules() if isinstance(m, BasicTransformerBlock)]


class Merging:
    """Token merging of a UNet by `ratio`, the share of tokens that is merged away; 0 is none.

    Bolya & Hoffman 2023, as A1111 has it of tomesd: at the highest resolution, self-attention only,
    in cells of 2 × 2, nothing left to chance.
    """

    def __init__(self, unet: Any, ratio: float) -> None:
        self._blocks = finest_blocks(unet) if ratio else []
        self._ratio = ratio

    @contextmanager
    def within(self, height: int, width: int) -> Iterator[None]:
        """Merge the tokens of the UNet's calls in this context, which are of latents so large."""
        with ExitStack() as changes:
            for block in self._blocks:
                merge = _Among(block.attn1.processor, (height, width), self._ratio)
                changes.enter_context(_put_in(block, merge))
            yield


@contextmanager
def _put_in(block: Any, merging: _Among) -> Iterator[None]:
    hook = block.norm1.register_forward_pre_hook(lambda _, inputs: merging.match(inputs[0]))
    block.attn1.processor = merging
    try:
        yield
    finally:
        hook.remove()
        block.attn1.processor = merging.attend


class _Among:
    """In the place of a layer's processor `attend`, which it lets attend among fewer tokens."""

    def __init__(self, attend: Any, size: tuple[int, int], ratio: float) -> None:
        self.attend = attend
        self._size = size
        self._ratio = ratio
        self._matched: Matched | None = None

    def match(self, x: Tensor) -> None:
        """Choose what is merged by what enters the block, before its norm."""
        self._matched = Matched(x, self._size, self._ratio)

    def __call__(self, layer: Any, hidden_states: Tensor, *rest: Any, **more: Any) -> Tensor:
        """Attend as any processor does."""
        assert self._matched is not None
        fewer = self._matched.merged(hidden_states)
        return self._matched.unmerged(self.attend(layer, fewer, *rest, **more))


class Matched:
    """Which tokens of x (images, places, width) go together, on a map of `size` (height, width).

    The first token of each whole cell of 2 × 2 is an aim. Of the others int(places · ratio) go to
    the aim that each is most like, by the cosine: those that are most like theirs.
    """

    def __init__(self, x: Tensor, size: tuple[int, int], ratio: float) -> None:
        (height, width), (images, places, _) = size, x.shape
        first = torch.zeros(height, width, dtype=torch.int32, device=x.device)
        first[: height // 2 * 2 : 2, : width // 2 * 2 : 2] = 1
        aims = (height // 2) * (width // 2)
        others, aim = first.flatten().argsort(stable=True).split([places - aims, aims])
        go = min(int(places * ratio), len(others))
        stay = len(others) - go
        self._left = stay + aims  # tokens of an image
        likeness, nearest = _nearest(functional.normalize(x, dim=-1), others, aim)
        rank = likeness.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        home = torch.empty(images, places, dtype=torch.int64, device=x.device)
        home[:, others] = torch.where(rank < go, stay + nearest, rank - go)
        home[:, aim] = torch.arange(stay, self._left, device=x.device)
        # Each token's place among all images' merged ones, image after image.
        rows = torch.arange(images, device=x.device) * self._left
        self._home = (home + rows[:, None]).flatten()

    def merged(self, x: Tensor) -> Tensor:
        """Average what goes together: (images, places, width) to (images, fewer, width)."""
        images, _, width = x.shape
        # In float32: in half precision a long sum of like numbers stops growing.
        total = torch.zeros(images * self._left, width, device=x.device)
        total.index_add_(0, self._home, x.flatten(0, 1).float())
        ones = torch.ones(len(self._home), 1, device=x.device)
        count = torch.zeros(len(total), 1, device=x.device).index_add_(0, self._home, ones)
        return (total / count).to(x.dtype).unflatten(0, (images, -1))

    def unmerged(self, x: Tensor) -> Tensor:
        """Spread (images, fewer, width) to (images, places, width): what went together is alike."""
        images = x.shape[0]
        return x.flatten(0, 1).index_select(0, self._home).unflatten(0, (images, -1))


def _nearest(unit: Tensor, others: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
    """Find the aim most like each of the others: their likeness, and which of the aims it is."""
    aims = unit[:, aim].transpose(1, 2)
    best = [(unit[:, some] @ aims).max(dim=-1) for some in others.split(_AT_ONCE)]
    likeness, nearest = zip(*best, strict=True)
    return torch.cat(likeness, dim=1), torch.cat(nearest, dim=1)
