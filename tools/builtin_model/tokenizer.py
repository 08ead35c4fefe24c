"""The tokenizer: byte-level BPE in CLIP's form, its small vocabulary learned from captions."""

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from .pictures import caption_of
from .settings import TOKENS, Settings

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
# How CLIP cuts a text into words, from its reference implementation.
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def build(settings: Settings, numbers: list[int]) -> CLIPTokenizer:
    """Learn the merges from captions of the training scenes and wrap them as CLIP does."""
    rng = Random(settings.seed)
    texts = (caption_of(rng.choice(numbers), rng) for _ in range(settings.tokenizer_captions))
    vocabulary, merges = _learn(settings, texts)
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=TOKENS,
    )


def _learn(
    settings: Settings, texts: Iterable[str]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    learner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        initial_alphabet=alphabet,
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    merges = [tuple(m) for m in json.loads(learner.to_str())["model"]["merges"]]
    # CLIP's order: every byte, every byte that ends a word, the merges, the two marks. The learner
    # adds word-ending bytes only as it meets them, so the vocabulary is laid out anew.
    units = [*alphabet, *(unit + WORD_END for unit in alphabet)]
    room = settings.vocabulary - len(units) - 2
    kept = merges[:room]
    names = dict.fromkeys([*units, *(a + b for a, b in kept), START, END])
    return {name: i for i, name in enumerate(names)}, kept


def save(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write the fast tokenizer and, for other programs, the classic vocabulary and merges."""
    tokenizer.save_pretrained(folder)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    marks = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks, indent=2) + "\n")
