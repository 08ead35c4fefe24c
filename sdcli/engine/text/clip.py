"""CLIP's text encoders: one or several of them read a prompt by chunks of 75 tokens (A1111)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sdcli.engine.speed.packing import release
from sdcli.errors import UsageError
from sdcli.models import Model
from sdcli.models.roles import TEXT_ENCODERS
from sdcli.models.tokenizers.clip import ClipTokenizer, tokenizer_of
from sdcli.prompts.chunks import CHUNK, Token, read
from sdcli.prompts.emphasis import Emphasis

from . import Conditioning, TextEncoder


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
                "--offload sequential: embeddings cannot be added to weights outside memory",
                "use --offload model",
            )
        first = len(table.weight)
        grown = torch.cat([table.weight, vectors.to(table.weight)])
        table.weight = torch.nn.Parameter(grown, requires_grad=False)
        table.num_embeddings = len(grown)
        self._words[tuple(self._tokenizer.ids(name))] = tuple(range(first, len(grown)))

    def chunks(self, text: str, emphasis: Emphasis) -> list[list[Token]]:
        """Return the tokens of a text in chunks of at most 75; at least one chunk."""
        ids, comma = self._tokenizer.ids, self._comma
        return read(text, ids, comma=comma, emphasis=emphasis, words=self._words)

    def __call__(
        self, texts: Sequence[str], skip: int, emphasis: Emphasis
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Return for each text (1, 77·chunks, width), and its first chunk's summary, if any.

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
        output = self._model(input_ids=batch, return_dict=True, output_hidden_states=early)
        hidden = output.last_hidden_state
        if self._bare:
            hidden = output.hidden_states[-2]
        elif early:
            # Some versions of transformers keep it one level further in.
            inner = getattr(self._model, "text_model", self._model)
            hidden = inner.final_layer_norm(output.hidden_states[-skip])
        if any(weight != 1 for _, row in rows for weight in row):
            weights = torch.tensor([row for _, row in rows], device=self._device)
            shares = [texts.count(text) for text in parts]
            hidden = _emphasised(hidden, weights, shares, keep_mean=emphasis == "original")
        pooled = getattr(output, "text_embeds", None)
        whole = hidden.reshape(len(parts), -1, hidden.shape[-1])
        rows_of = {
            text: (whole[k : k + 1], None if pooled is None else pooled[k * count : k * count + 1])
            for k, text in enumerate(parts)
        }
        return [rows_of[text] for text in texts]

    def _row(self, chunk: Sequence[Token]) -> tuple[list[int], list[float]]:
        """Return the ids of a chunk as CLIP reads them, and their weights."""
        tokenizer, rest = self._tokenizer, CHUNK - len(chunk)
        inside = [id for id, _ in chunk]
        if tokenizer.pad != tokenizer.end and tokenizer.end in inside:
            end = inside.index(tokenizer.end) + 1  # what follows a typed end is none
            inside[end:] = [tokenizer.pad] * (len(inside) - end)
        ids = [tokenizer.start, *inside, tokenizer.end]
        weights = [1.0, *(weight for _, weight in chunk), 1.0]
        return ids + [tokenizer.pad] * rest, weights + [1.0] * rest


def _emphasised(
    hidden: Tensor, weights: Tensor, shares: Sequence[int], *, keep_mean: bool
) -> Tensor:
    """Multiply what each token became by its weight.

    `hidden` (texts·chunks, 77, width), `weights` (texts·chunks, 77), `shares` how often each text
    counts. With `keep_mean` each chunk's mean over all texts is then made what it was, as A1111
    does: the average of all numbers, whatever it means.
    """
    plain = hidden.float()
    weighted = plain * weights[..., None]
    if keep_mean:
        count = len(hidden) // len(shares)
        counts = torch.tensor(shares, device=hidden.device, dtype=torch.float32)
        before, after = (
            (x.reshape(len(shares), count, -1).mean(-1) * counts[:, None]).sum(0) / counts.sum()
            for x in (plain, weighted)
        )
        weighted *= (before / after).repeat(len(shares))[:, None, None]
    return weighted.to(hidden.dtype)


_Key = tuple[tuple[str, ...], int, Emphasis]
_REMEMBERED = 64  # prompts, of which each batch has a few


class ClipEncoder(TextEncoder):
    """A model's CLIPs together. The same texts are encoded once.

    Each token's vectors stand side by side; the last CLIP sums a prompt up, if any does.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = clips
        self._cache: dict[_Key, list[Conditioning]] = {}

    @classmethod
    def of(cls, model: Model, networks: Mapping[str, Any], device: torch.device) -> ClipEncoder:
        """Make the encoder of a model with these networks, by their roles."""
        roles = [role for role in TEXT_ENCODERS if role in networks]
        return cls(
            [
                Clip(
                    tokenizer_of(model, number),
                    networks[role],
                    device=device,
                    bare=len(roles) > 1,
                )
                for number, role in enumerate(roles)
            ]
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Of each CLIP's token vectors."""
        return tuple(clip.width for clip in self.clips)

    def learn(self, name: str, vectors: Sequence[Tensor]) -> None:
        """Let `name` stand for these vectors, (tokens, width) for each CLIP, in every text.

        Raises UsageError where the weights are offloaded layer by layer.
        """
        for clip, each in zip(self.clips, vectors, strict=True):
            clip.learn(name, each)

    def encode(
        self,
        texts: tuple[str, ...],
        *,
        skip: int = 1,
        negative: bool = False,
        emphasis: Emphasis = "original",
    ) -> list[Conditioning]:
        """Return a row for each text that one prompt is in turn, all of one length.

        Of SDXL, a `negative` prompt that is empty is zeros, as A1111 has it. `skip` is A1111's clip
        skip, which only Stable Diffusion 1 heeds.
        """
        key = (texts, skip, emphasis)
        rows = self._cache.pop(key, None) or self._encode(texts, skip, emphasis)
        self._cache[key] = rows  # the last one used is the last to go
        if len(self._cache) > _REMEMBERED:
            del self._cache[next(iter(self._cache))]
        blank = negative and not any(texts)
        return [row.zeros() if blank and row.pooled is not None else row for row in rows]

    def release(self) -> None:
        """Give up memory until another text is to be read."""
        for clip in self.clips:
            clip.release()

    def forget(self) -> None:
        """Encode every text anew: the weights are others."""
        self._cache.clear()

    @torch.inference_mode()
    def _encode(self, texts: tuple[str, ...], skip: int, emphasis: Emphasis) -> list[Conditioning]:
        parts = [clip(texts, skip, emphasis) for clip in self.clips]
        rows = {
            text: Conditioning(torch.cat([hidden for hidden, _ in row], dim=-1), row[-1][1])
            for text, *row in zip(texts, *parts, strict=True)
        }
        return [rows[text] for text in texts]
