"""Which embeddings a prompt names."""

from __future__ import annotations

import re
from collections.abc import Iterable


def in_texts(names: Iterable[str], texts: Iterable[str]) -> list[str]:
    """Return the names of embeddings that stand in the texts, in any case, sorted.

    Only where CLIP's tokenizer would part the text as well: not `art` in `party`. Brackets may be
    escaped.
    """
    whole = "\n".join(texts).replace("\\", "").casefold()
    return sorted(name for name in names if re.search(_alone(name.casefold()), whole))


def _alone(name: str) -> str:
    """Return a pattern for the name where what is of one kind does not go on; digits never do."""

    def kind(end: str) -> str:
        if end.isdigit():
            return "(?!)"  # is nothing
        return r"[^\W\d_]" if end.isalpha() else r"[^\w\s]|_"

    return f"(?<!{kind(name[0])}){re.escape(name)}(?!{kind(name[-1])})"
