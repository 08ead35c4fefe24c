"""Owns `sdcli doctor`: what this machine has, and what gen would choose on it."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sdcli import models
from sdcli.cli.command import Json, command, new_app
from sdcli.cli.console import Console
from sdcli.errors import ModelError
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources import config
from sdcli.sources.layers import merge
from sdcli.version import __version__

app = new_app()
_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "pillow", "typer")


@command(app)
def doctor(console: Console, json: Json = False) -> int:
    """Show versions, devices, memory, and what sdcli would use."""
    from sdcli.engine.device import choose, describe_devices

    merged = merge([config.read(), config.environment()])
    settings = validate(Settings, merged.values, merged)
    model = str(merged.values.get("model", models.BUILTIN))
    placement = choose(settings.device, settings.dtype)
    facts = {
        "sdcli": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{name: _version(name) for name in _PACKAGES},
        **describe_devices(),
        "memory": _memory(),
        "model": f"{model}: {_model(model)}",
        "would use": str(placement),
        "because": _why(settings.device, placement.device.type),
        "config": _exists(config.config_path()),
        "hub cache": _exists(_hub_cache()),
    }
    if json:
        console.out_json(facts)
    else:
        for label, text in facts.items():
            console.out(f"{label:<13} {text}")
    return 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _memory() -> str:
    try:
        pages = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown on this system"
    total, free = (count * os.sysconf("SC_PAGE_SIZE") / 2**30 for count in pages)
    return f"{total:.1f} GiB, {free:.1f} GiB free"


def _model(model: str) -> str:
    try:
        path = models.locate(model)
        return (
            "on the hub" if path is None else models.inspect(path, model, offline=True).family.title
        )
    except ModelError as error:
        return str(error)


def _why(asked: str, device: str) -> str:
    if asked != "auto":
        return f"{asked} is set"
    return {
        "cuda": "CUDA is there, and fp16 is fastest on it",
        "mps": "there is no CUDA, but Metal is there",
        "cpu": "neither CUDA nor Metal is there; a CPU is exact and fastest in fp32",
    }[device]


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _exists(path: Path) -> str:
    if not path.exists():
        return f"{path} (not there yet)"
    free = shutil.disk_usage(path).free / 2**30
    return f"{path} ({free:.1f} GiB free)"
