"""`sdcli doctor`: what this machine has, and what gen would choose on it."""

from __future__ import annotations

import math
import os
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from sdcli import models
from sdcli.cli.command import Json, command, new_app
from sdcli.cli.console import Console
from sdcli.errors import ModelError
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources import config
from sdcli.sources.layers import Layer, merge
from sdcli.version import __version__

app = new_app()
_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "pillow", "typer")


@command(app)
def doctor(
    console: Console,
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Compare the device's pictures with the CPU's."),
    ] = False,
    device: Annotated[
        str, typer.Option("--device", help="As in gen.", metavar="DEVICE", show_default=False)
    ] = "",
    dtype: Annotated[
        str, typer.Option("--dtype", help="As in gen.", metavar="FORMAT", show_default=False)
    ] = "",
    json: Json = False,
) -> int:
    """Show versions, devices, memory, and what sdcli would use; or test the device."""
    flags = {key: text for key, text in (("device", device), ("dtype", dtype)) if text}
    merged = merge([config.read(), config.environment(), Layer("", flags)])
    settings = validate(Settings, merged.values, merged)
    model = str(merged.values.get("model", models.BUILTIN))
    if self_test:
        return _test(console, settings, json)
    return _show(console, settings, model, json)


def _test(console: Console, settings: Settings, json: bool) -> int:
    """Print how far the device's pictures are from the CPU's; 1 if rounding does not explain it."""
    from sdcli.runs.self_test import self_test

    result = self_test(settings.device, settings.dtype, console.warn)
    facts = {
        "device": result.device,
        "dtype": result.dtype,
        "sdcli": __version__,
        "torch": _version("torch"),
        "system": platform.platform(),
        "least_psnr": result.least_psnr,
        "passed": result.passed,
        "pictures": [
            asdict(each) | {"psnr": each.psnr if math.isfinite(each.psnr) else None}
            for each in result.comparisons
        ],
    }
    if json:
        console.out_json(facts)
        return 0 if result.passed else 1
    console.out(
        f"{result.device}, {result.dtype}, compared with the CPU's pictures in fp32 "
        f"(sdcli {facts['sdcli']}, torch {facts['torch']}, {facts['system']})"
    )
    for each in result.comparisons:
        console.out(
            f"{each.work:<36} at most {each.greatest} of 255 levels apart, "
            f"{each.mean:.2f} on average, PSNR {each.psnr:.1f} dB"
        )
    least = f"{result.least_psnr:.0f} dB"
    if result.passed:
        console.out(f"passed: every PSNR is at least {least}, as expected of {result.dtype}")
        return 0
    console.out(
        f"failed: {result.dtype} should have a PSNR of at least {least}; please report these lines"
    )
    return 1


def _show(console: Console, settings: Settings, model: str, json: bool) -> int:
    from sdcli.engine.device import choose, describe_devices

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


def _why(device_setting: str, device: str) -> str:
    if device_setting != "auto":
        return f"{device_setting} is set"
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
