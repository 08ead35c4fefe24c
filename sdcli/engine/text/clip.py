"""Owns what text becomes: the embeddings that the UNet attends to, cached by text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sdcli.engine.speed.packing import release
from sdcli.errors import UsageError
from sdcli.models.tokenizers.clip import ClipTokenizer
from sdcli.prompts.chunks import CHUNK, Token, read
from sdcli.prompts.emphasis import Emphasis


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What a UNet is told of its prompts, one a row.

    `context` (rows, tokens, width) is attended to. `pooled` (rows, width) sums a prompt up for
    SDXL; None for the others.
    """

    context: Tensor
    pooled: Tensor | None = None

    @classmethod
    def of(cls, rows: Sequence[Conditioning]) -> Conditioning:
        """All rows beneath one another. Raises UsageError for prompts of different lengths."""
        if len({row.context.shape[1] for row in rows}) > 1:
            raise UsageError("prompts made at once must fill the same number of 75-token chunks")
        pooled = [row.pooled for row in rows if row.pooled is not None]
        return cls(torch.cat([row.context for row in rows]), torch.cat(pooled) if pooled else None)

    def padded(self, length: int) -> Conditioning:
        """With the last token repeated up to that length."""
        rest = self.context[:, -1:].expand(-1, length - self.context.shape[1], -1)
        return Conditioning(torch.cat([self.context, rest], dim=1), self.pooled)

    def empty(self) -> Conditioning:
        """The same shapes, all zero: what SDXL was trained with in the place of no text."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return Conditioning(torch.zeros_like(self.context), pooled)

    def added(self, width: int, height: int) -> dict[str, Tensor] | None:
        """SDXL's further arguments for a picture of that size, uncropped; None for the others."""
        if self.pooled is None:
            return None
        sizes = [height, width, 0, 0, height, width]  # as it was, cut at, as it is to be
        ids = torch.tensor([sizes], device=self.pooled.device, dtype=self.pooled.dtype)
        return {"text_embeds": self.pooled, "time_ids": ids.expand(len(self.pooled), -1)}


class Clip:
    """One CLIP with its tokenizer.

    With `bare` the hidden state before the last layer is taken, and its final norm left out, as
    SDXL does; else the one `skip` layers from the end (1: the last), and normed.
    """

    def __init__(
        self, tokenizer: ClipTokenizer, model: Any, *, device: torch.device, bare: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._device = device
        self._bare = bare
        self._comma = tokenizer.id(",</w>")
        self._words: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._away = False

    def release(self) -> None:
        """Leave the device's memory to others until a text is to be read.

        Weights that come and go as it is are left to do so.
        """
        if self._device.type == "cpu":
            release(self._model)
        elif not hasattr(self._model, "_hf_hook"):
            self._model.to("cpu")
            self._away = True

    @property
    def width(self) -> int:
        """Of its tokens' vectors."""
        return int(self._model.get_input_embeddings().weight.shape[1])

    def learn(self, name: str, vectors: Tensor) -> None:
        """Let `name` stand for these vectors, (tokens, width), wherever a text has it.

        Raises UsageError where the weights are offloaded layer by layer.
        """
        table = self._model.get_input_embeddings()
        if table.weight.is_meta:
            raise UsageError(
                "--offload: sequential keeps the words where none can be added", "--offload model"
            )
        first = len(table.weight)
        grown = torch.cat([table.weight, vectors.to(table.weight)])
        table.weight = torch.nn.Parameter(grown, requires_grad=False)
        table.num_embeddings = len(grown)
        self._words[tuple(self._tokenizer.ids(name))] = tuple(range(first, len(grown)))

    def chunks(self, text: str, emphasis: Emphasis) -> list[list[Token]]:
        """The tokens of a text in chunks of at most 75; at least one chunk."""
        ids, comma = self._tokenizer.ids, self._comma
        return read(text, ids, comma=comma, emphasis=emphasis, words=self._words)

    def __call__(
        self, texts: Sequence[str], skip: int, emphasis: Emphasis
    ) -> list[tuple[Tensor, Tensor | None]]:
        """For each text (1, 77·chunks, width), and its first chunk's summary, if any.

        All have as many chunks as the longest. Emphasis keeps the mean over all of them, so that
        they have a share in one another.
        """
        if self._away:
            self._model.to(self._device)
            self._away = False
        parts = {text: self.chunks(text, emphasis) for text in texts}
        count = max(len(part) for part in parts.values())
        filled = [part + [[]] * (count - len(part)) for part in parts.values()]
        rows = [self._row(chunk) for part in filled for chunk in part]
        batch = torch.tensor([ids for ids, _ in rows], device=self._device)  # (texts·chunks, 77)
        early = self._bare or skip > 1
        said = self._model(input_ids=batch, return_dict=True, output_hidden_states=early)
        hidden = said.last_hidden_state
        if self._bare:
            hidden = said.hidden_states[-2]
        elif early:
            # Some versions of transformers keep it one level further in.
            inner = getattr(self._model, "text_model", self._model)
            hidden = inner.final_layer_norm(said.hidden_states[-skip])
        if any(weight != 1 for _, row in rows for weight in row):
            weights = torch.tensor([row for _, row in rows], device=self._device)
            shares = [texts.count(text) for text in parts]
            hidden = _emphasised(hidden, weights, shares, keep_mean=emphasis == "original")
        pooled = getattr(said, "text_embeds", None)
        whole = hidden.reshape(len(parts), -1, hidden.shape[-1])
        found = {
            text: (whole[k : k + 1], None if pooled is None else pooled[k * count : k * count + 1])
            for k, text in enumerate(parts)
        }
        return [found[text] for text in texts]

    def _row(self, chunk: Sequence[Token]) -> tuple[list[int], list[float]]:
        """The ids of a chunk as CLIP reads them, and their weights."""
        tokenizer, rest = self._tokenizer, CHUNK - len(chunk)
        inside = [id for id, _ in chunk]
        if tokenizer.pad != tokenizer.end and tokenizer.end in inside:
            kept = inside.index(tokenizer.end) + 1  # what follows a typed end is none
            inside[kept:] = [tokenizer.pad] * (len(inside) - kept)
        ids = [tokenizer.start, *inside, tokenizer.end]
        weights = [1.0, *(weight for _, weight in chunk), 1.0]
        return ids + [tokenizer.pad] * rest, weights + [1.0] * rest


def _emphasised(
    hidden: Tensor, weights: Tensor, shares: Sequence[int], *, keep_mean: bool
) -> Tensor:
    """What each token became, times its weight.

    `hidden` (texts·chunks, 77, width), `weights` (texts·chunks, 77), `shares` how often each text
    counts. With `keep_mean` each chunk's mean over all texts is then made what it was, as A1111
    does: the average of all numbers, whatever it means.
    """
    plain = hidden.float()
    told = plain * weights[..., None]
    if keep_mean:
        count = len(hidden) // len(shares)
        counts = torch.tensor(shares, device=hidden.device, dtype=torch.float32)
        before, after = (
            (x.reshape(len(shares), count, -1).mean(-1) * counts[:, None]).sum(0) / counts.sum()
            for x in (plain, told)
        )
        told *= (before / after).repeat(len(shares))[:, None, None]
    return told.to(hidden.dtype)


_Key = tuple[tuple[str, ...], int, Emphasis]
_REMEMBERED = 64  # prompts, of which each batch has a few


class TextEncoder:
    """A model's text encoders together. The same texts are encoded once."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = clips
        self._cache: dict[_Key, list[Conditioning]] = {}

    def __call__(
        self, text: str, *, skip: int = 1, negative: bool = False, emphasis: Emphasis = "original"
    ) -> Conditioning:
        """The row of a text that stands alone."""
        return self.encode((text,), skip=skip, negative=negative, emphasis=emphasis)[0]

    def encode(
        self,
        texts: tuple[str, ...],
        *,
        skip: int = 1,
        negative: bool = False,
        emphasis: Emphasis = "original",
    ) -> list[Conditioning]:
        """A row for each text that one prompt is in turn, all of one length.

        Of SDXL, a `negative` prompt that is empty is zeros, as A1111 has it. `skip` is A1111's clip
        skip, which only Stable Diffusion 1 heeds.
        """
        key = (texts, skip, emphasis)
        found = self._cache.pop(key, None) or self._encode(texts, skip, emphasis)
        self._cache[key] = found  # the last one used is the last to go
        if len(self._cache) > _REMEMBERED:
            del self._cache[next(iter(self._cache))]
        blank = negative and not any(texts)
        return [row.empty() if blank and row.pooled is not None else row for row in found]

    def release(self) -> None:
        """Give up memory until another text is to be read."""
        for clip in self.clips:
            clip.release()

    def forget(self) -> None:
        """Encode every text anew: the weights are others."""
        self._cache.clear()

    @torch.inference_mode()
    def _encode(self, texts: tuple[str, ...], skip: int, emphasis: Emphasis) -> list[Conditioning]:
        said = [clip(texts, skip, emphasis) for clip in self.clips]
        rows = {
            text: Conditioning(torch.cat([hidden for hidden, _ in row], dim=-1), row[-1][1])
            for text, *row in zip(texts, *said, strict=True)
        }
        return [rows[text] for text in texts]
