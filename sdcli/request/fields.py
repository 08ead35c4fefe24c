"""What a schema's fields are made with: their flags, sizes, and errors of one field."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from sdcli.errors import UsageError

LEAST_SIDE, MOST_SIDE = 64, 16384  # pixels of a picture
MULTIPLE = 8
"""Pixels of a latent along a side, of which sides are multiples, where there is no model to ask."""


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
    """Return a Flag, for a field's annotation."""
    return Flag(names, panel, metavar, repeatable)


def flags_of(schema: type[BaseModel]) -> dict[str, Flag]:
    """Return the flag of each field, in the order of the fields."""
    return {
        name: next(item for item in field.metadata if isinstance(item, Flag))
        for name, field in schema.model_fields.items()
    }


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_size(text: str) -> Size:
    """Parse a size written as 512x768. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", text, flags=re.ASCII)
    if not match:
        raise UsageError(f"{text!r} is not a size", "write it as 512x768")
    return Size(int(match[1]), int(match[2]))


def parsed(parse: Callable[[str], Any]) -> BeforeValidator:
    """Validate a field that is also read from text, by `parse`; its UsageError is the field's."""

    def read(value: Any, field: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except UsageError as error:
            raise field_error(str(field.field_name), error.message, error.hint) from error

    return BeforeValidator(read)


def _check_size(size: Size, field: ValidationInfo) -> Size:
    for side in size:
        if side % MULTIPLE or not LEAST_SIDE <= side <= MOST_SIDE:
            raise field_error(
                str(field.field_name),
                f"sides must be multiples of {MULTIPLE} from {LEAST_SIDE} to {MOST_SIDE}, "
                f"got {side}",
            )
    return size


ModelSize = Annotated[Size, parsed(parse_size), AfterValidator(_check_size)]
"""One that a model makes pictures of; also read from text."""


def field_error(field: str, message: str, hint: str = "") -> PydanticCustomError:
    """Return an error of one field for pydantic to collect.

    `field` travels along so that layers.py can say which file and line, or flag, it came from.
    """
    # Pydantic takes no broken Unicode, which a message may quote.
    whole = {"message": message, "hint": hint}
    context = {key: text.encode(errors="backslashreplace").decode() for key, text in whole.items()}
    return PydanticCustomError("request", "{message}", {"field": field, **context})
