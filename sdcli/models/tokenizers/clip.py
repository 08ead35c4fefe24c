"""CLIP's tokenizer, made of its files without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcli.errors import ModelError
from sdcli.models.model import Model
from sdcli.models.single_file import METADATA

if TYPE_CHECKING:
    from tokenizers import Tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
_PLAIN = re.compile(r"[ -%'-~\n\t]*")  # in which there is nothing to mend
_BLANK = "Ġ"  # as CLIP writes the byte of one, of which its words never hold any
# Where CLIP's own tokenizer parts text (Radford et al. 2021).
_PARTS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


@dataclass(frozen=True, slots=True)
class ClipTokenizer:
    """Text to CLIP's ids and back; `pad` fills up what is short."""

    backend: Tokenizer
    pad: int

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text, without start and end.

        As CLIP's authors did it, and so A1111, text is mended first: curly quotes made straight,
        wide letters narrow, "&amp;" an "&".
        """
        if not _PLAIN.fullmatch(text):
            from ftfy import fix_text

            text = fix_text(text)
        tokens: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return tokens

    def id(self, word: str) -> int | None:
        """Return the id of one word of the vocabulary."""
        token: int | None = self.backend.token_to_id(word)
        return token

    @property
    def start(self) -> int:
        """What every chunk begins with."""
        return self.backend.token_to_id(START) or 0

    @property
    def end(self) -> int:
        """What follows its last word."""
        return self.backend.token_to_id(END) or 0

    def text(self, ids: Sequence[int]) -> str:
        """Return what they stand for, with a blank after every word, and � for half a letter."""
        from tokenizers.decoders import ByteLevel

        names = (self.backend.id_to_token(id) or "" for id in ids)
        shown: str = ByteLevel().decode([name.replace(_WORD_END, _BLANK) for name in names])
        return shown


def tokenizer_of(model: Model, number: int = 0) -> ClipTokenizer:
    """Return the tokenizer of the model's text encoder of that number. Raises ModelError."""
    openclip = model.header and model.family.encoders[number].kind == "open_clip"
    pad = "!" if openclip else ""  # OpenCLIP fills up with 0, which is the exclamation mark's id
    if not model.tokenizers:
        assert model.header is not None
        content = json.loads(model.header.metadata[METADATA])["tokenizer"]
        return parse_tokenizer(content, model.path, pad=pad)
    return read_tokenizer(model.tokenizers[number], pad=pad)


def read_tokenizer(folder: Path, *, pad: str = "") -> ClipTokenizer:
    """Return the tokenizer of a folder; `pad` wins over what its files say. Raises ModelError."""
    try:
        return _checked(_backend(folder), pad or _pad_of(folder), folder)
    except ModelError:
        raise
    except Exception as error:  # tokenizers raises nothing narrower
        raise ModelError(f"--model: cannot load the tokenizer in {folder}: {error}") from error


def parse_tokenizer(text: str, where: Path, *, pad: str = "") -> ClipTokenizer:
    """Parse a tokenizer that `models convert` put in a single file's header. Raises ModelError."""
    from tokenizers import Tokenizer

    try:
        backend = Tokenizer.from_str(text)
    except Exception as error:  # as above
        raise ModelError(f"--model: cannot load the tokenizer in {where}: {error}") from error
    return _checked(backend, pad or END, where)


def _backend(folder: Path) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not (vocabulary.is_file() and merges.is_file()):
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = BPE.from_file(str(vocabulary), str(merges), unk_token=END, end_of_word_suffix=_WORD_END)
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    split = pre_tokenizers.Split(Regex(_PARTS), behavior="removed", invert=True)
    bytes_as_letters = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_as_letters])
    made.add_special_tokens([START, END])
    return made


def _pad_of(folder: Path) -> str:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        if pad := content.get("pad_token"):
            return str(pad["content"] if isinstance(pad, dict) else pad)
    return END


def _checked(backend: Tokenizer, pad: str, where: Path) -> ClipTokenizer:
    end = backend.token_to_id(END)
    if backend.token_to_id(f"a{_WORD_END}") is None or end is None:
        raise ModelError(f"--model: the tokenizer in {where} does not have CLIP's vocabulary")
    pad_id = backend.token_to_id(pad)
    return ClipTokenizer(backend, end if pad_id is None else pad_id)
