"""Where pictures go: file-name templates, and what becomes of collisions."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from string import Formatter

from sdcli.errors import OutputError, UsageError, did_you_mean
from sdcli.files import in_folder, is_folder, open_temporary, write_atomically
from sdcli.images.formats import format_of
from sdcli.request import GenerationRequest
from sdcli.request.settings import DEFAULT_OUTPUT, Settings

_NUMBERS = ("index", "seed", "steps", "width", "height", "row")
_TEXTS = ("sampler", "scheduler", "model", "prompt", "date", "time", "preset", "hash", "init")
FIELDS: dict[str, object] = {**dict.fromkeys(_NUMBERS, 1), "cfg": 7.5, **dict.fromkeys(_TEXTS, "x")}
"""The template's fields, each with an example that its format is tried on."""

_LONGEST_VALUE = 128  # characters, as A1111 cuts them
_ODD_SPEC = re.compile(r"[{]|\d{4}")  # a field within a field, or a name thousands wide


def template_values(
    request: GenerationRequest, *, model: str, row: int, preset: str
) -> dict[str, object]:
    """Return the template's fields that the request decides."""
    import hashlib

    return {
        "seed": request.seed,
        "sampler": request.sampler,
        "scheduler": request.resolved_sampler.resolved_schedule.name,
        "steps": request.steps,
        "cfg": request.cfg_scale,
        "width": request.width or 0,
        "height": request.height or 0,
        "model": model,
        "prompt": request.prompt,
        "row": row,
        "preset": preset,
        "init": Path(request.init_img or "").stem,
        "hash": hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:10],
    }


def fields_of(template: str, known: Collection[str] = tuple(FIELDS)) -> set[str]:
    """Return a template's fields. Raises UsageError for one that is not `known`, or misused."""
    try:
        parsed = [
            (name, spec) for _, name, spec, _ in Formatter().parse(template) if name is not None
        ]
    except ValueError as error:
        raise UsageError(f"--output: {template!r}: {error}", "write { as {{") from error
    for name, spec in parsed:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise UsageError(f"--output: unknown field {{{name}}}", hint)
        if _ODD_SPEC.search(spec or ""):
            raise UsageError(f"--output: {template!r}: bad format {spec!r} of {{{name}}}")
    try:
        template.format(**FIELDS)
    except (ValueError, TypeError) as error:
        raise UsageError(f"--output: {template!r}: {error}") from error
    return {name for name, _ in parsed}


def sanitised(value: str) -> str:
    """Make a value safe as part of a file name everywhere; "_" if nothing is left of it."""
    clean = re.sub(r"""[#<>:"/\\|?*\x00-\x1f\x7f]""", "_", value).lstrip(" ")[:_LONGEST_VALUE]
    return clean.rstrip(" .") or "_"


def cut_to(name: str, most: int) -> str:
    """Return the name in at most so many bytes, with no character cut in two."""
    return name.encode()[:most].decode(errors="ignore")


_NAME_IN_FOLDER = "{index:05}-{seed}"
_LONGEST_NAME = 240  # bytes; file systems allow 255, and a collision adds a number


@dataclass(frozen=True, slots=True)
class Target:
    """A checked `--output`: a template of a path without its ending, and the format to write.

    It remembers the pictures that it saved, since not even `overwrite` is to replace those, and the
    index that each folder's first one got.
    """

    template: str
    ending: str
    overwrite: bool
    saved: set[Path] = field(default_factory=set)
    starts: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        settings: Settings,
        pictures: int,
        *,
        inits: int = 0,
        known: Collection[str] = tuple(FIELDS),
    ) -> Target:
        """Return where so many pictures go.

        Raises UsageError for an unknown field, a format that the ending contradicts, a folder
        that cannot be written, or a plain file that exists or would have to hold many pictures.
        Where the pictures begin from several others (`inits`), names have theirs in them. `known`
        are the fields that the template may have.
        """
        output, ending = settings.output, settings.file_format
        file_format = format_of(output)
        if settings.format and file_format and file_format != settings.format:
            raise UsageError(
                f"--output: {output} does not end in .{settings.format}, as --format says"
            )
        if output.endswith(("/", os.sep)) or is_folder(Path(output)):
            output = str(Path(output) / _NAME_IN_FOLDER)
            file_format = None
        if inits > 1 and output.endswith(_NAME_IN_FOLDER):
            output += "-{init}"
        fields = fields_of(output, known)
        target = cls(
            output[: -len(Path(output).suffix)] if file_format else output,
            Path(output).suffix if file_format else f".{ending}",
            settings.overwrite,
        )
        _check_writable(target.folder)
        if not fields:
            only = target._path({}, 1)
            if pictures > 1:
                raise UsageError(
                    f"--output: {pictures} pictures do not fit into one file, {only}",
                    "name a folder (ending in /) or use {seed} in the name",
                )
            if only.exists() and not settings.overwrite:
                raise UsageError(f"--output: {only} exists", "--overwrite replaces it")
        return target

    @classmethod
    def at(cls, path: str, *, overwrite: bool, flag: str) -> Target:
        """Aim at one file of that name. Raises UsageError if it exists or cannot be written."""
        whole = Path(path)
        _check_writable(whole.parent, flag)
        if whole.exists() and not overwrite:
            raise UsageError(f"{flag}: {path} exists", "--overwrite replaces it")
        literal = str(whole.with_suffix("")).replace("{", "{{").replace("}", "}}")
        return cls(literal, whole.suffix, overwrite)

    def places(self, all_values: Iterable[Mapping[str, object]]) -> list[int]:
        """Count the pictures that stand before each in its own folder, in their order."""
        counts: Counter[Path] = Counter()
        places = []
        for values in all_values:
            folder = self._path(_timed(values), 0).parent
            places.append(counts[folder])
            counts[folder] += 1
        return places

    @property
    def folder(self) -> Path:
        """The deepest folder that all pictures are in, whatever their fields."""
        return Path(re.split(r"[{]", self.template)[0] + "x").parent

    def save(
        self,
        data: bytes,
        values: Mapping[str, object],
        place: int = 0,
        *,
        before: Callable[[Path], None] = lambda path: None,
    ) -> Path:
        """Write a picture under a name that is free, and return it.

        `values` are the template's fields but for index, date and time, `place` is how many of this
        run come before it in its folder, saved or not. `before` is told each name that is tried,
        before a file can stand there. Raises OutputError.
        """
        fields = _timed(values)
        first = self._start(fields) + place
        # An index finds a free name by itself; with it there is nothing that must be replaced.
        replace = self.overwrite and "index" not in fields_of(self.template)
        for attempt in range(100_000):
            path = self._path(fields, first + attempt)
            if attempt and path == self._path(fields, first):
                path = path.with_name(f"{path.stem}-{attempt + 1}{path.suffix}")
            if path in self.saved or (path.exists() and not replace):
                continue
            try:
                before(path)
                write = partial(write_atomically, path, data, overwrite=replace)
                in_folder(path.parent, write)
            except OSError as error:
                if isinstance(error, FileExistsError) and path.parent.is_dir():
                    continue  # taken, perhaps a moment ago by another process
                raise OutputError(f"cannot write {path}: {error.strerror}") from error
            self.saved.add(path)
            return path
        raise OutputError(f"no free name for {path} in 100,000 tries")

    def name(self, values: Mapping[str, object], place: int = 0) -> Path:
        """Return the path that `save` would take if no other picture came between."""
        fields = _timed(values)
        return self._path(fields, self._start(fields) + place)

    def _start(self, fields: Mapping[str, object]) -> int:
        """Return the index of the run's first picture in the folder of these."""
        folder = self._path(fields, 0).parent
        if folder not in self.starts:
            self.starts[folder] = self._next_index(fields)
        return self.starts[folder]

    def _path(self, fields: Mapping[str, object], index: int) -> Path:
        clean = {
            key: value if isinstance(value, (int, float)) else sanitised(str(value))
            for key, value in {**fields, "index": index}.items()
        }
        path = Path(self.template.format(**clean))
        folders = [cut_to(part, _LONGEST_NAME) for part in path.parts[:-1]]
        name = cut_to(path.name, _LONGEST_NAME - len(self.ending)) or "_"
        return Path(*folders, name + self.ending)

    def _next_index(self, fields: Mapping[str, object]) -> int:
        """Return one past the greatest number that starts a file in the folder, as A1111 counts."""
        if not Path(self.template).name.startswith("{index"):
            return 1
        try:
            names = [entry.name for entry in self._path(fields, 0).parent.iterdir()]
        except OSError:
            names = []  # no folder yet, or one that may be written but not listed
        starts = (re.match(r"\d{1,9}(?!\d)", name) for name in names)  # a longer one is no index
        return 1 + max((int(match[0]) for match in starts if match), default=0)


def named_after(output: str) -> str:
    """Return the template of an output where each picture is to keep the name of its file."""
    if output == DEFAULT_OUTPUT:
        return "outputs/{date}/{index:05}-{init}"
    if output.endswith("/") or Path(output).is_dir():
        return str(Path(output) / "{init}")
    return output


def _timed(values: Mapping[str, object]) -> dict[str, object]:
    now = datetime.now()
    return {**values, "date": f"{now:%Y-%m-%d}", "time": f"{now:%H%M%S}"}


def _check_writable(folder: Path, flag: str = "--output") -> None:
    """Raise UsageError unless files can be made in `folder`, or in the nearest that exists."""
    standing = folder.absolute()
    try:
        while not standing.exists():
            standing = standing.parent
        probe = open_temporary(standing)
    except OSError as error:
        raise UsageError(f"{flag}: cannot write into {folder}: {error.strerror}") from error
    os.close(probe[0])
    probe[1].unlink()
