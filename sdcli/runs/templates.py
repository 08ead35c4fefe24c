"""What becomes of typed prompts before a model reads them: styles, comments, choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcli.prompts.styles import named, styled, without_comments
from sdcli.prompts.wildcards import Wildcards, resolved
from sdcli.request import GenerationRequest
from sdcli.request.infotext.keys import TEMPLATES
from sdcli.request.options import names_of
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources.layers import Merged

from .catalogue import Catalogue

PICTURE = "picture "
"""How the source of a layer begins that is a picture's text."""

# In A1111's folder, which --models-dir may name.
_STYLES = "styles.csv"
_WILDCARDS = ("wildcards", "extensions/sd-dynamic-prompts/wildcards")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with choices in it, and the words of styles that go to it.

    `final` if the prompt's own choices are made already, as in a picture's text; not so the
    styles'.
    """

    prompt: str
    styles: tuple[str, ...] = ()
    final: bool = False

    @property
    def text(self) -> str:
        """All of it, without comments."""
        prompt = self.prompt if self.final else without_comments(self.prompt)
        return styled(prompt, [without_comments(style) for style in self.styles])

    def fill(self, seed: int, known: Wildcards, *, negative: bool = False) -> str:
        """Make the choices by the seed. Raises UsageError."""
        if not self.final:
            return resolved(self.text, seed, known, negative=negative)
        styles = [without_comments(style) for style in self.styles]
        return styled(self.prompt, [resolved(s, seed, known, negative=negative) for s in styles])


@dataclass(frozen=True, slots=True)
class Templates:
    """The prompts of all pictures, by field, the files of their choices, and --lora as tags."""

    by_field: Mapping[str, Template]
    wildcards: Wildcards
    tags: str

    def texts(self, seed: int) -> dict[str, str]:
        """Return the prompts with their choices made by the seed. Raises UsageError."""
        return {
            key: template.fill(seed, self.wildcards, negative="negative" in key)
            for key, template in self.by_field.items()
        }

    def fill(self, request: GenerationRequest) -> GenerationRequest:
        """Give the request the choices of its seed. Raises UsageErrors."""
        chosen = self.texts(request.seed)
        for key in chosen.keys() & {"prompt", "hires_prompt"}:
            chosen[key] = " ".join(filter(None, (chosen[key], self.tags)))
        if chosen == {key: getattr(request, key) for key in chosen}:
            return request
        return validate(GenerationRequest, request.model_dump() | chosen, Merged({}, {}))

    def originals(self, request: GenerationRequest) -> dict[str, str]:
        """Return for the picture's text the templates in which choices were made."""
        return {
            TEMPLATES[key]: self.by_field[key].text
            for key, text in self.texts(request.seed).items()
            if self.by_field[key].text != text
        }


def read_templates(merged: Merged, settings: Settings, catalogue: Catalogue) -> Templates:
    """Put styles into the prompts, and take comments out. Raises UsageError."""
    styles = []
    if settings.style:
        known = catalogue.styles(_style_files(settings))
        styles = [named(name, dict(known)) for name in settings.style]
    by_field = {
        key: _template(
            merged,
            key,
            [style.negative_prompt if "negative" in key else style.prompt for style in styles],
        )
        for key in TEMPLATES
        if not key.startswith("hires") or merged.values.get(key) is not None
    }
    wildcards: Wildcards = {}
    if settings.wildcards_dir or any("__" in each.text for each in by_field.values()):
        wildcards = catalogue.wildcards(_wildcard_folders(settings))
    tags = (f"<lora:{text}>" for text in names_of(merged.values.get("lora")))
    return Templates(by_field, wildcards, " ".join(tags))


def _template(merged: Merged, key: str, styles: Sequence[str]) -> Template:
    origin = merged.origins.get(key)
    final = origin is not None and origin.source.startswith(PICTURE)
    return Template(str(merged.values.get(key, "")), tuple(styles), final)


def _style_files(settings: Settings) -> list[Path]:
    """Return the files that are named, else those in A1111's folders."""
    files = [Path(file).expanduser() for file in settings.styles_file]
    return files or [path for folder in _folders(settings) if (path := folder / _STYLES).is_file()]


def _wildcard_folders(settings: Settings) -> list[Path]:
    typed = [Path(folder).expanduser() for folder in settings.wildcards_dir]
    inside = (folder / name for folder in _folders(settings) for name in _WILDCARDS)
    return [*typed, *(folder for folder in inside if folder.is_dir())]


def _folders(settings: Settings) -> list[Path]:
    return [Path(folder).expanduser() for folder in settings.models_dir]
