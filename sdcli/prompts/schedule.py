"""Prompt editing: which text a prompt stands for at each model call, as in A1111."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Union

_TOKEN = re.compile(r"(?:[^\\\[\]():|]|\\.)+|[\[\]():|]")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")


@dataclass(frozen=True, slots=True)
class Stretch:
    """The text of all model calls up to call `until`, counted from 0, after the stretch before."""

    until: int
    text: str


@dataclass(frozen=True, slots=True)
class Pass:
    """What the times in a prompt are counted in.

    `calls` of the model, which are twice the steps of a second-order sampler; `first` those of the
    pass before, in a hires fix's second. There fractions run from 1 to 2, and whole numbers go on
    from the first. `old` is A1111's reading of before 1.6: below 1 a fraction, else a whole number,
    and both passes alike, in calls of the first.
    """

    calls: int
    first: int | None = None
    old: bool = False

    def call(self, when: str) -> int:
        """Return the last call before the change, 1 the first; below 1 where none is before it."""
        number = float(when)
        if self.old:
            number = number * (self.first or self.calls) if number < 1 else number
        elif "." in when:
            number = (number - (self.first is not None)) * self.calls
        else:
            number -= self.first or 0
        return int(max(-1.0, min(number, self.calls)))


@dataclass(slots=True, eq=False)
class _Group:
    """The inside of a bracket: its parts, and what stands between them."""

    opening: str
    parts: list[list[_Part]] = field(default_factory=lambda: [[]])
    marks: str = ""

    def as_parts(self, closing: str = "") -> list[_Part]:
        """Return the brackets as text, with the parts between them."""
        parts: list[_Part] = [self.opening, self.parts[0]]
        for mark, part in zip(self.marks, self.parts[1:], strict=True):
            parts += [mark, part]
        return [*parts, closing]


@dataclass(frozen=True, slots=True, eq=False)
class _Edit:
    before: list[_Part]
    after: list[_Part]
    when: str


@dataclass(frozen=True, slots=True, eq=False)
class _Alternation:
    options: list[list[_Part]]


_Part = Union[str, _Edit, _Alternation, "list[_Part]"]


def timeline(prompt: str, over: Pass) -> list[Stretch]:
    r"""Cut a prompt with `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b]` into stretches.

    `when` is a number of model calls, or with a "." a share of them. All of them may lie in one
    another and in round brackets; `\[`, `\:` and `\|` are text, and so is every bracket that makes
    none of these. As in A1111 one stray `|` makes text of the whole prompt, and a change after call
    n, counted from 1, comes one call late: "from" is there for n + 1 calls.
    """
    parts = _parsed(prompt)
    if parts is None:
        return [Stretch(over.calls, prompt)]
    ends = {over.calls}
    for part in _inside(parts):
        if isinstance(part, _Edit):
            ends.add(over.call(part.when))
        else:
            ends.update(range(1, over.calls + 1))
    return [Stretch(end, _text(parts, end, over)) for end in sorted(ends) if end >= 1]


def text_at(stretches: Sequence[Stretch], call: int) -> str:
    """Return the text of a model call, from 0; after the last stretch the first, as in A1111."""
    return next((each.text for each in stretches if each.until >= call), stretches[0].text)


def _parsed(prompt: str) -> list[_Part] | None:
    """Return what the prompt is made of; None where A1111's grammar fails."""
    whole = _Group("")
    open_groups = [whole]

    def give_up() -> bool:
        """Make text of all brackets that are still open; whether the grammar has a place for it."""
        fits = not any("|" in group.marks for group in open_groups)
        while len(open_groups) > 1:
            inner = open_groups.pop()
            open_groups[-1].parts[-1].append(inner.as_parts())
        return fits

    place = 0
    for token in _TOKEN.finditer(prompt):
        if token.start() != place:
            return None  # a backslash at the end
        place, text = token.end(), token[0]
        group = open_groups[-1]
        if text in "[(":
            open_groups.append(_Group(text))
        elif text == "|" or (text == ":" and group is not whole):
            group.marks += text
            group.parts.append([])
        elif text in "])":
            made = _made(group, text)
            if made is not None:
                open_groups.pop()
                open_groups[-1].parts[-1].append(made)
            elif give_up():
                whole.parts[-1].append(text)
            else:
                return None
        else:
            group.parts[-1].append(text)
    return whole.parts[0] if place == len(prompt) and give_up() else None


def _made(group: _Group, closing: str) -> _Part | None:
    """Return what a closed bracket is in the text around it; None if the grammar lacks it."""
    parts, marks = group.parts, group.marks
    if group.opening + closing == "()":
        return group.as_parts(closing) if marks in ("", ":") else None
    if group.opening + closing != "[]":
        return None
    if not marks:
        return group.as_parts(closing)
    if set(marks) == {"|"}:
        return _Alternation(parts)
    last = parts[-1]
    number = _NUMBER.fullmatch(last[0]) if len(last) == 1 and isinstance(last[0], str) else None
    if number is None or marks not in (":", "::"):
        return None
    return _Edit(parts[0] if marks == "::" else [], parts[-2], number[1])


def _inside(parts: Sequence[_Part]) -> Iterator[_Edit | _Alternation]:
    """Yield all that changes, and what changes within it."""
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, _Edit):
            yield part
            waiting += [part.before, part.after]
        elif isinstance(part, _Alternation):
            yield part
            waiting += part.options


def _text(parts: Sequence[_Part], call: int, over: Pass) -> str:
    """Return what stands there at a call, counted from 1."""
    texts: list[str] = []
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, list):
            waiting += reversed(part)
        elif isinstance(part, _Edit):
            waiting.append(part.before if call <= over.call(part.when) else part.after)
        else:
            waiting.append(part.options[(call - 1) % len(part.options)])
    return "".join(texts)
