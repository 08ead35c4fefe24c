"""Owns Flag: how a field of a schema is typed on the command line, kept beside the field."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Flag:
    """The names of a flag as typed, the one that errors quote first, its help panel and metavar.

    A `repeatable` one collects a list.
    """

    names: tuple[str, ...]
    panel: str
    metavar: str
    repeatable: bool = False


def flag(*names: str, panel: str, metavar: str, repeatable: bool = False) -> Flag:
    """A Flag, for a field's annotation."""
    return Flag(names, panel, metavar, repeatable)


def flags_of(schema: type[BaseModel]) -> dict[str, Flag]:
    """The flag of each field, in the order of the fields."""
    return {
        name: next(item for item in field.metadata if isinstance(item, Flag))
        for name, field in schema.model_fields.items()
    }
