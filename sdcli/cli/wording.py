"""Owns what becomes of typed prompts before a model reads them: styles, comments, choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcli.layers import Merged, validate
from sdcli.prompts.styles import Style, named, read_styles, styled, without_comments
from sdcli.prompts.wildcards import Wildcards, read_wildcards, resolved
from sdcli.request import GenerationRequest
from sdcli.settings import Settings
from sdcli.text_rows import TEMPLATES

PICTURE = "picture "
"""How the source of a layer begins that is a picture's text."""

# In A1111's folder, which --models-dir may name.
_STYLES = "styles.csv"
_WILDCARDS = ("wildcards", "extensions/sd-dynamic-prompts/wildcards")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with choices in it; `made` where they are all made, as in a picture's text."""

    text: str
    made: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """Both prompts of all pictures, the files that their choices are from, and --lora as tags."""

    prompt: Template
    negative_prompt: Template
    known: Wildcards
    tags: str

    def values(self, seed: int) -> dict[str, str]:
        """Both prompts with their choices made by the seed. Raises UsageError."""
        return {
            "prompt": self._made(self.prompt, seed),
            "negative_prompt": self._made(self.negative_prompt, seed, negative=True),
        }

    def _made(self, template: Template, seed: int, *, negative: bool = False) -> str:
        if template.made:
            return template.text
        return resolved(template.text, seed, self.known, negative=negative)

    def of(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the choices of its seed. Raises UsageErrors."""
        chosen = self.values(request.seed)
        chosen["prompt"] = " ".join(filter(None, (chosen["prompt"], self.tags)))
        if chosen == {key: getattr(request, key) for key in chosen}:
            return request
        return validate(GenerationRequest, request.model_dump() | chosen, Merged({}, {}))

    def told(self, request: GenerationRequest) -> dict[str, str]:
        """For the picture's text: the templates, where choices were made in them."""
        templates = (self.prompt.text, self.negative_prompt.text)
        made = self.values(request.seed).values()
        pairs = zip(TEMPLATES, templates, made, strict=True)
        return {key: template for key, template, prompt in pairs if template != prompt}


def worded(merged: Merged, settings: Settings) -> Wording:
    """Styles put into the prompts, and comments taken out. Raises UsageError."""
    styles = []
    if settings.style:
        known = _styles(settings)
        styles = [named(name, known) for name in settings.style]
    prompt = _template(merged, "prompt", [style.prompt for style in styles])
    negative = _template(merged, "negative_prompt", [style.negative_prompt for style in styles])
    wildcards: Wildcards = {}
    if settings.wildcards_dir or "__" in prompt.text + negative.text:
        wildcards = read_wildcards(_wildcard_folders(settings))
    loras = merged.values.get("lora", ())
    tags = (f"<lora:{text}>" for text in ([loras] if isinstance(loras, str) else loras))
    return Wording(prompt, negative, wildcards, " ".join(tags))


def _template(merged: Merged, key: str, added: Sequence[str]) -> Template:
    text = str(merged.values.get(key, ""))
    origin = merged.origins.get(key)
    if origin and origin.source.startswith(PICTURE):
        return Template(styled(text, added), made=True)
    return Template(without_comments(styled(text, added)))


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
