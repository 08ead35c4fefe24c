"""`sdcli models`: what is in the model folders, what a file holds, and other forms of it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sdcli import models
from sdcli.cli.command import Json, command, new_app, option
from sdcli.cli.completion import model_names
from sdcli.cli.console import Console
from sdcli.errors import OutputError, UsageError
from sdcli.files import publish
from sdcli.models import Model, hashes, hub
from sdcli.models.describe import facts_of, family_title, model_facts, short_hash, size
from sdcli.models.library import KINDS, library, shelves
from sdcli.models.vae import AUTOMATIC, with_vae
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources import config
from sdcli.sources.layers import Layer, merge

app = new_app(help="List, inspect, fetch and convert models.")

_Name = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A path, a name, or a hash.", autocompletion=model_names),
]
_Folders = Annotated[
    list[str],
    option("--models-dir", panel="Model", metavar="FOLDER", help="Folder to look in; repeatable."),
]


def _settings(folders: list[str]) -> Settings:
    """Return where to look: as typed, or else as the environment or the config file says."""
    layers = [config.read(), config.environment()]
    if folders:
        layers.append(Layer("", {"models_dir": tuple(folders)}))
    merged = merge(layers)
    return validate(Settings, merged.values, merged)


@command(app, "list")
def list_models(
    console: Console,
    kind: Annotated[
        str, option("--kind", panel="Model", metavar="KIND", help=f"One of {', '.join(KINDS)}.")
    ] = "",
    models_dir: _Folders = [],  # noqa: B006  # typer copies it
    json: Json = False,
) -> int:
    """List what the model folders hold."""
    if kind and kind not in KINDS:
        raise UsageError(f"--kind: unknown kind {kind!r}", f"one of {', '.join(KINDS)}")
    folders = _settings(models_dir).models_folders
    if not folders:
        raise UsageError(
            "no models folder is set", "sdcli config set models_dir FOLDER, or --models-dir"
        )
    found = [item for each in KINDS if kind in ("", each) for item in library(folders, each)]
    if json:
        for item in found:
            console.out_json(facts_of(item))
        return 0
    rows = [
        (item.name, item.kind, family_title(item.path), size(item.path), short_hash(item.path))
        for item in found
    ]
    console.table(("NAME", "KIND", "MODEL", "SIZE", "HASH"), rows)
    return 0


@command(app)
def info(console: Console, name: _Name, models_dir: _Folders = [], json: Json = False) -> int:  # noqa: B006
    """Show what a model is, without loading it."""
    path = _path(name, models_dir)
    facts = model_facts(path)
    if json:
        console.out_json(facts)
    else:
        for key, value in facts.items():
            if value not in (None, {}):
                console.out(f"{key:<12} {_as_text(value)}")
    return 0


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shortened(str(text))}" for key, text in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _path(name: str, models_dir: list[str]) -> Path:
    path = models.locate(name, _settings(models_dir).models_folders)
    if path is None:
        raise UsageError(f"{name} is on the hub, not here", f"sdcli models pull {name}")
    return path


@command(app)
def hash(
    console: Console,
    names: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Paths or names.")],
    models_dir: _Folders = [],  # noqa: B006
    json: Json = False,
) -> int:
    """Print the hashes of single files, as A1111 shows them.

    Ten digits, the old eight, and the whole SHA-256.
    """
    for name in names:
        path = _path(name, models_dir)
        if path.is_dir():
            raise UsageError(f"{name} is a folder; only single files have a hash")
        with console.status(f"hashing {path.name}"):
            digest, old = hashes.sha256(path), hashes.legacy(path)
        if json:
            console.out_json(
                {"path": str(path), "hash": digest[:10], "legacy": old, "sha256": digest}
            )
        else:
            console.out(f"{digest[:10]}\t{old}\t{digest}\t{path}")
    return 0


@command(app)
def dirs(console: Console, models_dir: _Folders = []) -> int:  # noqa: B006
    """Print the folders that are searched for each kind."""
    rows = [
        (kind, str(shelf))
        for folder in _settings(models_dir).models_folders
        for kind in KINDS
        for shelf in shelves(folder, kind)
    ]
    console.table(("KIND", "FOLDER"), rows)
    return 0


@command(app)
def pull(
    console: Console,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A hub id such as owner/name, or `tokenizers`.")
    ],
) -> int:
    """Fetch a model, or CLIP's tokenizer, from the hub."""
    if name == "tokenizers":
        console.out(str(hub.tokenizer(say=console.say)))
    elif models.is_hub_id(name):
        console.out(str(hub.fetch(name, say=console.say)))
    else:
        raise UsageError(f"{name!r} is not a hub id", "write it as owner/name")
    return 0


@command(app)
def convert(
    console: Console,
    name: _Name,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="NAME.safetensors, or a folder (ends in /).")
    ],
    dtype: Annotated[
        str,
        option(
            "--dtype",
            panel="Model",
            metavar="fp16|bf16|fp32",
            help="Number format; else the model's own.",
        ),
    ] = "",
    models_dir: _Folders = [],  # noqa: B006
) -> int:
    """Write a model as a single file, or as a diffusers folder."""
    if dtype not in ("", "fp16", "bf16", "fp32"):
        raise UsageError(f"--dtype: must be fp16, bf16 or fp32, got {dtype!r}")
    if not target.endswith(("/", ".safetensors")):
        raise UsageError(
            f"{target} is neither a .safetensors file nor a folder", f"did you mean {target}/ ?"
        )
    settings = _settings(models_dir)
    model = models.find(
        name, folders=settings.models_folders, offline=settings.offline, say=console.say
    )
    if "vae" not in model.configs:
        model = with_vae(model, AUTOMATIC, folders=settings.models_folders, say=console.say)
    path = Path(target)
    if path.exists():
        raise UsageError(f"{path} exists", "give another name")
    with console.status(f"converting {model.name}"):
        write(model, path, dtype=dtype)
    console.out(str(path))
    return 0


def write(model: Model, path: Path, *, dtype: str) -> None:
    """Write the model as a single file (.safetensors) or else as a folder; `dtype` "" is its own.

    Raises OutputError where it cannot be written, ModelError where it cannot be read.
    """
    from sdcli.engine.device import DTYPES
    from sdcli.engine.weights.convert import to_folder, to_single_file

    single = path.suffix == ".safetensors"
    make: Callable[..., None] = to_single_file if single else to_folder
    temporary = path.parent / f".sdcli-{secrets.token_hex(6)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        make(model, temporary, dtype=DTYPES[dtype] if dtype else None)
        if single:
            publish(temporary, path, overwrite=False)
        else:
            temporary.rename(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)
