"""Owns what becomes of typed prompts before a model reads them: styles, comments, choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcli.prompts.styles import Style, named, read_styles, styled, without_comments
from sdcli.prompts.wildcards import Wildcards, read_wildcards, resolved
from sdcli.request import GenerationRequest
from sdcli.request.options import names_of
from sdcli.request.settings import Settings
from sdcli.sources.infotext.keys import TEMPLATES
from sdcli.sources.layers import Merged, validate

PICTURE = "picture "
"""How the source of a layer begins that is a picture's text."""

# In A1111's folder, which --models-dir may name.
_STYLES = "styles.csv"
_WILDCARDS = ("wildcards", "extensions/sd-dynamic-prompts/wildcards")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with choices in it, and the words of styles that go to it.

    `made` where the choices of the prompt are all made, as in a picture's text; not so the styles'.
    """

    prompt: str
    styles: tuple[str, ...] = ()
    made: bool = False

    @property
    def text(self) -> str:
        """All of it, without comments."""
        prompt = self.prompt if self.made else without_comments(self.prompt)
        return styled(prompt, [without_comments(style) for style in self.styles])

    def of(self, seed: int, known: Wildcards, *, negative: bool = False) -> str:
        """With the choices made by the seed. Raises UsageError."""
        if not self.made:
            return resolved(self.text, seed, known, negative=negative)
        styles = [without_comments(style) for style in self.styles]
        return styled(self.prompt, [resolved(s, seed, known, negative=negative) for s in styles])


@dataclass(frozen=True, slots=True)
class Wording:
    """The prompts of all pictures, by field, the files of their choices, and --lora as tags."""

    templates: Mapping[str, Template]
    known: Wildcards
    tags: str

    def values(self, seed: int) -> dict[str, str]:
        """The prompts with their choices made by the seed. Raises UsageError."""
        return {
            key: template.of(seed, self.known, negative="negative" in key)
            for key, template in self.templates.items()
        }

    def of(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the choices of its seed. Raises UsageErrors."""
        chosen = self.values(request.seed)
        for key in chosen.keys() & {"prompt", "hires_prompt"}:
            chosen[key] = " ".join(filter(None, (chosen[key], self.tags)))
        if chosen == {key: getattr(request, key) for key in chosen}:
            return request
        return validate(GenerationRequest, request.model_dump() | chosen, Merged({}, {}))

    def told(self, request: GenerationRequest) -> dict[str, str]:
        """For the picture's text: the templates, where choices were made in them."""
        return {
            TEMPLATES[key]: self.templates[key].text
            for key, made in self.values(request.seed).items()
            if self.templates[key].text != made
        }


def worded(merged: Merged, settings: Settings) -> Wording:
    """Styles put into the prompts, and comments taken out. Raises UsageError."""
    styles = []
    if settings.style:
        known = _styles(settings)
        styles = [named(name, known) for name in settings.style]
    templates = {
        key: _template(
            merged,
            key,
            [style.negative_prompt if "negative" in key else style.prompt for style in styles],
        )
        for key in TEMPLATES
        if not key.startswith("hires") or merged.values.get(key) is not None
    }
    wildcards: Wildcards = {}
    if settings.wildcards_dir or any("__" in each.text for each in templates.values()):
        wildcards = read_wildcards(_wildcard_folders(settings))
    tags = (f"<lora:{text}>" for text in names_of(merged.values.get("lora")))
    return Wording(templates, wildcards, " ".join(tags))


def _template(merged: Merged, key: str, styles: Sequence[str]) -> Template:
    origin = merged.origins.get(key)
    made = origin is not None and origin.source.startswith(PICTURE)
    return Template(str(merged.values.get(key, "")), tuple(styles), made)


def _styles(settings: Settings) -> dict[str, Style]:
    """Of the files that are named, else of those in A1111's folders; of one name the first."""
    files = [Path(file).expanduser() for file in settings.styles_file]
    files = files or [path for folder in _folders(settings) if (path := folder / _STYLES).is_file()]
    found: dict[str, Style] = {}
    for file in files:
        found = read_styles(file) | found
    return found


def _wildcard_folders(settings: Settings) -> list[Path]:
    named = [Path(folder).expanduser() for folder in settings.wildcards_dir]
    inside = (folder / name for folder in _folders(settings) for name in _WILDCARDS)
    return [*named, *(folder for folder in inside if folder.is_dir())]


def _folders(settings: Settings) -> list[Path]:
    return [Path(folder).expanduser() for folder in settings.models_dir]
