"""Building a schema from values of any source, with everything that is wrong told in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from sdcli.errors import UsageError, raise_all

from .options import SCHEDULE_OPTIONS, SOLVER_OPTIONS
from .request import GenerationRequest


class Place(Protocol):
    """Knows where each value was set."""

    def where(self, key: str) -> str:
        """Name the place that set `key`, for an error message."""


Schema = TypeVar("Schema", bound=BaseModel)


def validate(schema: type[Schema], settings: Mapping[str, Any], place: Place) -> Schema:
    """Build `schema` from the keys of `given` that it has.

    Raises UsageErrors with everything that is wrong, each naming where it was set.
    """
    values = {key: value for key, value in settings.items() if key in schema.model_fields}
    problems: list[UsageError] = []
    for key, value in list(values.items()):
        if isinstance(value, bool) and schema.model_fields[key].annotation is not bool:
            text = str(value).lower()  # pydantic would take true for 1
            problems.append(UsageError(f"{place.where(key)}: cannot be {text}"))
            del values[key]
    built = None
    while built is None:
        try:
            built = schema(**values)
        except ValidationError as error:
            by_key: dict[str, UsageError] = {}
            for key, problem in (_problem(detail, place) for detail in error.errors()):
                by_key.setdefault(key, problem)  # number or "auto" fails twice, as either
            problems += by_key.values()
            wrong = by_key.keys() & values.keys()
            if not wrong:
                raise_all(problems)
            if wrong & {"sampler", "scheduler"}:  # whose options can then not be judged
                wrong |= values.keys() & {*SOLVER_OPTIONS, *SCHEDULE_OPTIONS, "ensd"}
            for key in wrong:  # one wrong key can hide another: take it out and look again
                del values[key]
            if schema is GenerationRequest:
                values.setdefault("seed", 0)
    raise_all(problems)
    return built


def _problem(detail: Any, place: Place) -> tuple[str, UsageError]:
    context = detail.get("ctx") or {}
    key = str(context.get("field") or (detail["loc"][0] if detail["loc"] else ""))
    text = _SAYINGS.get(detail["type"], "{msg}").format(
        msg=detail["msg"][:1].lower() + detail["msg"][1:],
        wanted=_PATTERNS.get(key, ""),
        **context,
    )
    value = detail["input"]
    if detail["type"] == "request":
        return key, UsageError(f"{place.where(key)}: {context['message']}", context["hint"])
    return key, UsageError(f"{place.where(key)}: {text}, got {_shown(value)}")


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"


_PATTERNS = {
    "device": "auto, cpu, mps, cuda or cuda:N",
    "animate": "a .gif or a .webp",
    "preview": "a .png, a .jpg or a .webp",
}
_SAYINGS = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be {wanted}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
