"""Every error that sdcli raises on purpose: what went wrong, where, and the nearest fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from typing import ClassVar


class SdcliError(Exception):
    """An expected failure, told to a person in one line.

    `message` says what and where, `hint` the nearest fix. `code` is the stable word that scripts
    match on; `exit_code` is what the process returns when this error ends it.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(SdcliError):
    """The request itself is wrong; nothing was made."""

    code = "usage"
    exit_code = 2


class UsageErrors(UsageError):
    """Several errors found in one look, so that they are mended in one go."""

    def __init__(self, errors: Sequence[SdcliError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


class ModelError(SdcliError):
    """The model's files are missing, damaged or of a kind that sdcli does not run."""

    code = "model"
    exit_code = 2


class OutOfMemory(SdcliError):
    """The device ran out of memory."""

    code = "memory"


class OutputError(SdcliError):
    """A finished picture could not be written."""

    code = "output"


class Interrupted(SdcliError):
    """SIGINT or SIGTERM arrived; finished pictures stay."""

    code = "interrupted"
    exit_code = 130


class Problems:
    """Gathers what is wrong before anything is made, to tell it all at once."""

    def __init__(self) -> None:
        self._errors: dict[str, SdcliError] = {}  # an error shared by all rows is kept once

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep an error that this block raises, if it is one that ends with exit code 2."""
        errors: Sequence[SdcliError] = ()
        try:
            yield
        except UsageErrors as several:
            errors = several.errors
        except (UsageError, ModelError) as error:
            errors = (error,)
        for each in errors:
            self._errors.setdefault(str(each), each)

    @property
    def errors(self) -> tuple[SdcliError, ...]:
        """What was gathered, in order."""
        return tuple(self._errors.values())

    def __bool__(self) -> bool:
        return bool(self._errors)

    def raise_if_any(self) -> None:
        """Raise the one error that was gathered, or UsageErrors with all of them."""
        raise_all(self.errors)


def raise_all(errors: Sequence[SdcliError]) -> None:
    """Raise nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UsageErrors(errors)


def did_you_mean(word: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return a hint naming the known words nearest to `word` in any case; "" if none is near."""
    names = [repr(name) for name in _near(word.casefold(), tuple(known), count)]
    if not names:
        return ""
    return "did you mean " + " or ".join(filter(None, [", ".join(names[:-1]), names[-1]])) + "?"


@lru_cache(maxsize=1000)  # a file has the same slip in each of its rows
def _near(word: str, known: tuple[str, ...], count: int) -> tuple[str, ...]:
    by_key = {name.casefold(): name for name in known}
    if len(word) > 3 * max(map(len, by_key), default=0):
        return ()  # so long a word is near to none, and takes long to compare
    return tuple(by_key[key] for key in get_close_matches(word, by_key, n=count, cutoff=0.5))
