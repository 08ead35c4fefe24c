"""Small grammar shared by all captions: joining, articles, plurals, numbers and colour names."""

from random import Random

from .palette import SYNONYMS

NUMBERS = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}


def join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def said(colour: str, rng: Random | None) -> str:
    return rng.choice(SYNONYMS[colour]) if rng and colour in SYNONYMS else colour


def plural(noun: str) -> str:
    if noun == "cactus":
        return "cacti"
    if noun == "snowman":
        return "snowmen"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
