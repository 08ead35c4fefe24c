"""Chance in prompts: `{a|b}` is one of them, `__name__` a line of a file, by the seed.

The syntax is that of A1111's extension Dynamic Prompts, as far as it is about chance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random

from sdcli.errors import UsageError, did_you_mean

_NAME = r"__([^\W_][\w/*.-]*?|\*[\w/*.-]*?)__"
_MARK = re.compile(rf"\\[{{}}]|[{{}}]|{_NAME}")
_ONE_NAME = re.compile(rf"\s*{_NAME}\s*")
_BRACE = re.compile(r"\\[{}|]|[{}|]")
_COUNT = re.compile(r"(\d{1,4})?(-)?(\d{1,4})?\$\$(?:([^$|{}]*)\$\$)?")
_WEIGHT = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})::")
_DEEPEST = 50

Wildcards = Mapping[str, Sequence[str]]
"""The lines of each file by its path in its folder, with / and without .txt."""


def read_wildcards(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Read all .txt files in and below these folders; of one name the first. Raises UsageError.

    Empty lines and those that begin with # are left out.
    """
    wildcards: dict[str, list[str]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--wildcards-dir: there is no folder {folder}")
        for path in sorted(folder.rglob("*.txt")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"--wildcards-dir: cannot read {path}: {error}") from error
            options = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
            wildcards.setdefault(name, options)
    return wildcards


def resolved(template: str, seed: int, known: Wildcards, *, negative: bool = False) -> str:
    r"""Return the template with its choices made, always alike for a seed.

    `{a|b|c}` is one of three, `{0.3::a|b}` a with weight 0.3 beside b's 1, `{2$$a|b|c}` two
    different ones, `{1-2$$ and $$a|b|c}` one or two with " and " in between. Braces around nothing
    to choose are text, and so is `\{`. `__birds__` is a line of birds.txt, `__animals/*__` of any
    file there, `{2$$__birds__}` two different lines. What was chosen may hold choices in turn.
    Raises UsageError for a name that is not there, and one that leads to itself.
    """
    return _resolved(template, Random(f"{seed}{'/negative' if negative else ''}"), known, 0)


def _resolved(text: str, rng: Random, known: Wildcards, depth: int) -> str:
    if depth > _DEEPEST:
        raise UsageError(
            f"choices are nested more than {_DEEPEST} deep", "does a wildcard include itself?"
        )
    choices = _choices(text)
    found: list[str] = []
    place = 0
    while match := _MARK.search(text, place):
        found.append(text[place : match.start()])
        place = match.end()
        if match[1]:
            found.append(_resolved(_line(match[1], rng, known), rng, known, depth + 1))
        elif (end := choices.get(match.start())) is not None:
            chosen = _chosen(text[place:end], rng, known)
            found.append(_resolved(chosen, rng, known, depth + 1))
            place = end + 1
        else:
            found.append(match[0])
    return "".join([*found, text[place:]])


def _choices(text: str) -> dict[int, int]:
    """Find where each brace that is a choice opens and closes: it has its own | or a number."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    chooses: list[bool] = []
    for mark in _BRACE.finditer(text):
        place = mark.start()
        if mark[0] == "{":
            opened.append(place)
            chooses.append(_COUNT.match(text, place + 1) is not None)
        elif mark[0] == "|" and chooses:
            chooses[-1] = True
        elif mark[0] == "}" and opened:
            start = opened.pop()
            if chooses.pop():
                ends[start] = place
    return ends


def _chosen(inside: str, rng: Random, known: Wildcards) -> str:
    """Return what is chosen of the inside of braces."""
    count = _COUNT.match(inside)
    options = _options(inside[count.end() :] if count else inside)
    if len(options) == 1 and (name := _ONE_NAME.fullmatch(options[0])):
        options = _lines(name[1], known)
    low = high = 1
    joint = ", "
    if count:
        low = int(count[1] or (0 if count[2] else 1))
        high = int(count[3] or len(options)) if count[2] else low
        joint = joint if count[4] is None else count[4]
    wanted = rng.randint(min(low, high), max(low, high))
    remaining = [_weighed(option) for option in options]
    taken: list[str] = []
    while remaining and len(taken) < wanted:
        taken.append(remaining.pop(_place(remaining, rng))[0])
    return joint.join(taken)


def _place(options: Sequence[tuple[str, float]], rng: Random) -> int:
    """Draw the place of an option by the weights; where all are 0, any."""
    weights = [weight for _, weight in options]
    return rng.choices(range(len(options)), weights if any(weights) else None)[0]


def _options(inside: str) -> list[str]:
    """Split at every | that is in no further braces."""
    parts, depth, start = [], 0, 0
    for mark in _BRACE.finditer(inside):
        depth += (mark[0] == "{") - (mark[0] == "}")
        if mark[0] == "|" and depth == 0:
            parts.append(inside[start : mark.start()])
            start = mark.end()
    return [*parts, inside[start:]]


def _weighed(option: str) -> tuple[str, float]:
    weight = _WEIGHT.match(option)
    return (option[weight.end() :], float(weight[1])) if weight else (option, 1.0)


def _line(name: str, rng: Random, known: Wildcards) -> str:
    lines = [_weighed(line) for line in _lines(name, known)]
    return lines[_place(lines, rng)][0]


def _lines(name: str, known: Wildcards) -> list[str]:
    files = [known[each] for each in sorted(known) if fnmatchcase(each, name)]
    if not files:
        hint = did_you_mean(name, known) or "--wildcards-dir FOLDER; as text write _\\_"
        raise UsageError(f"there is no wildcard __{name}__", hint)
    lines = [line for file in files for line in file]
    if not lines:
        raise UsageError(f"the wildcard __{name}__ is empty")
    return lines


def escaped(text: str) -> str:
    """Escape the text: as a template it then has no choices, and a model reads it alike."""
    names = re.sub(_NAME, lambda match: f"_\\_{match[1]}__", text)
    return re.sub(r"(?<!\\)[{}]", r"\\\g<0>", names) if _choices(text) else names
