"""`sdcli prompt`: what a prompt becomes before a model sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Annotated, Any

import typer

from sdcli import models
from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.console import Console, piped
from sdcli.cli.execute import host_of
from sdcli.cli.flags import parameters
from sdcli.errors import ModelError
from sdcli.models.embedding_names import in_texts
from sdcli.models.header import read_header
from sdcli.models.library import ModelFile, find_lora, library
from sdcli.models.tokenizers.clip import ClipTokenizer, tokenizer_of
from sdcli.prompts.and_prompts import Share, shares
from sdcli.prompts.chunks import Token, read
from sdcli.prompts.lora_tags import Tag, split
from sdcli.prompts.schedule import Pass, timeline
from sdcli.request import GenerationRequest
from sdcli.runs.inputs import Inputs
from sdcli.runs.resolve import Resolved, resolve
from sdcli.sampling import TrainingTable

app = new_app()
COLUMNS = ("PROMPT", "WEIGHT", "CALLS", "TOKENS", "READ AS")
_BEYOND = 10_000_000  # every vocabulary: the ids of embeddings' vectors
_FIELDS = (
    *("negative_prompt", "emphasis", "steps", "sampler", "model", "lora", "seed"),
    *("style", "styles_file", "wildcards_dir", "models_dir", "embeddings_dir"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One text over the model calls `first` to `last`, counted from 0, in chunks of tokens.

    `last` is below `first` where the run ends before its turn.
    """

    prompt: str
    weight: float
    first: int
    last: int
    text: str
    chunks: list[list[Token]]


@command(app, more=parameters(_FIELDS))
def prompt(
    console: Console,
    text: Annotated[
        str, typer.Argument(metavar="PROMPT", help="The prompt; `-` or a pipe reads stdin.")
    ] = "",
    preset: Annotated[
        list[str],
        option("--preset", panel="Prompt", metavar="NAME", help="Named settings, as for gen."),
    ] = [],  # noqa: B006  # typer copies it
    picture: Annotated[
        str,
        option("--from", panel="Prompt", metavar="IMAGE", help="Take the prompts of a picture."),
    ] = "",
    json: Json = False,
    **typed: Any,
) -> int:
    """Show how a prompt is read: parts, timing, tokens, weights."""
    found = resolve(Inputs(text, tuple(preset), picture, flags=typed), host_of(console))
    request, folders = found.base, found.settings.models_folders
    model = models.find(request.model, folders=folders, offline=True, say=console.say)
    tokenizer = tokenizer_of(model)
    embeddings = _embeddings(found)
    shown = _Shown(tokenizer, embeddings)
    readings = list(_readings(request, tokenizer, model.table, shown.words))
    tags = split(request.prompt)[1]
    files = [(tag, _file_of(tag, found, console)) for tag in tags]
    if json:
        console.out_json(
            {
                "prompt": request.prompt,
                "negative_prompt": request.negative_prompt,
                "readings": [_facts(reading, shown) for reading in readings],
                "loras": [asdict(tag) | {"file": file} for tag, file in files],
                "embeddings": [item.name for item in embeddings],
            }
        )
        return 0
    rows: list[Sequence[Any]] = [row for each in readings for row in _rows(each, shown)]
    rows += [("lora", _strengths(tag), "all", "", file or f"no {tag.name}") for tag, file in files]
    rows += [("embedding", "", "", "", item.name) for item in embeddings]
    console.table(COLUMNS, rows)
    return 0


def _readings(
    request: GenerationRequest,
    tokenizer: ClipTokenizer,
    table: TrainingTable,
    words: Mapping[tuple[int, ...], tuple[int, ...]],
) -> Iterator[Reading]:
    sampler = request.resolved_sampler.on(table)
    counted = sampler.prompt_calls(request.steps)
    known = not (sampler.adaptive or sampler.scheduler)
    calls = (sampler.total_evaluations(request.levels(table)) if known else None) or counted
    positive = shares(split(request.prompt)[0])
    parts = [(str(n), share) for n, share in enumerate(positive, start=1)]
    parts.append(("negative", Share(request.negative_prompt)))
    for name, share in parts:
        first = 0
        for stretch in timeline(share.text, Pass(counted, old=request.old_timelines)):
            chunks = read(
                stretch.text,
                tokenizer.ids,
                comma=tokenizer.id(",</w>"),
                emphasis=request.emphasis,
                words=words,
            )
            last = min(stretch.until, calls - 1)
            yield Reading(name, share.weight, first, last, stretch.text, chunks)
            first = stretch.until + 1


class _Shown:
    """Tokens as text, the vectors of embeddings as their names."""

    def __init__(self, tokenizer: ClipTokenizer, embeddings: Sequence[ModelFile]) -> None:
        self._tokenizer = tokenizer
        self._names: dict[int, str] = {}  # of the first vector's id; the others say nothing
        self.words: dict[tuple[int, ...], tuple[int, ...]] = {}
        first = _BEYOND
        for item in embeddings:
            shape = next(iter(read_header(item.path).shapes.values()))
            last = first + (shape[0] if len(shape) > 1 else 1)
            self.words[tuple(tokenizer.ids(item.name))] = tuple(range(first, last))
            self._names[first] = f"{item.name} "
            first = last

    def __call__(self, ids: Sequence[int]) -> str:
        """Return the text of these ids."""
        runs = groupby(ids, key=lambda id: id >= _BEYOND)
        return "".join(
            "".join(self._names.get(id, "") for id in run)
            if vectors
            else self._tokenizer.text(list(run))
            for vectors, run in runs
        )


def _facts(reading: Reading, shown: _Shown) -> dict[str, Any]:
    chunks = [
        [
            {"id": id if id < _BEYOND else None, "text": shown([id]), "weight": weight}
            for id, weight in chunk
        ]
        for chunk in reading.chunks
    ]
    return asdict(reading) | {"chunks": chunks}


def _rows(reading: Reading, shown: _Shown) -> Iterator[Sequence[Any]]:
    """Yield a row for each chunk."""
    reached = reading.first <= reading.last
    calls = f"{reading.first}-{reading.last}" if reached else "never"
    for number, chunk in enumerate(reading.chunks):
        start = (reading.prompt, f"{reading.weight:g}", calls) if number == 0 else ("", "", "")
        yield (*start, str(len(chunk)), _in_color(chunk, shown))


def _in_color(chunk: Sequence[Token], shown: _Shown) -> Any:
    """Return the tokens as text, what is weighted in brackets; on a terminal in color besides."""
    runs = [
        (shown([id for id, _ in run]).strip(), weight)
        for weight, run in groupby(chunk, key=lambda token: token[1])
    ]
    words = [(text if w == 1 else f"({text}:{w:.4g})", w) for text, w in runs]
    if piped():
        return " ".join(text for text, _ in words)
    from rich.text import Text

    styles = ["" if w == 1 else "bold yellow" if w > 1 else "blue" for _, w in words]
    pieces = [Text(text, style) for (text, _), style in zip(words, styles, strict=True)]
    return Text(" ").join(pieces)


def _file_of(tag: Tag, resolved: Resolved, console: Console) -> str | None:
    try:
        return str(find_lora(tag.name, resolved.settings.models_folders))
    except ModelError as error:
        console.warn(error.message)
        return None


def _strengths(tag: Tag) -> str:
    return f"{tag.text:g}" if tag.text == tag.unet else f"{tag.text:g}, {tag.unet:g}"


def _embeddings(resolved: Resolved) -> list[ModelFile]:
    known = {item.name: item for item in library(resolved.settings.models_folders, "embedding")}
    texts = (resolved.base.prompt, resolved.base.negative_prompt)
    return [known[name] for name in in_texts(known, texts)]
