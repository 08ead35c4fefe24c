"""`sdcli upscale`: pictures made larger, without a model of Stable Diffusion."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdcli.cli.command import command, new_app, option
from sdcli.cli.console import Console
from sdcli.cli.flags import parameters
from sdcli.cli.terminal.show import ShowPictures
from sdcli.errors import SdcliError, UsageError
from sdcli.images.formats import encode, open_picture, read_file
from sdcli.images.upscalers import LANCZOS, PIXEL_UPSCALERS, check_upscaler, enlarged, upscaler_name
from sdcli.request import GenerationRequest
from sdcli.request.fields import MOST_SIDE, Size, flags_of, parse_size
from sdcli.request.infotext import with_items
from sdcli.request.pictures import files_of, in_color
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.runs.events import Queued
from sdcli.runs.output import Target, named_after
from sdcli.sources import config
from sdcli.sources.layers import Layer, merge
from sdcli.startup import fast_torch_import

if TYPE_CHECKING:
    from PIL.Image import Image

app = new_app()

_TAKEN = ("device", "output", "format", "quality", "show", "overwrite", "no_metadata")
_OF_TILES = (
    *("prompt", "negative_prompt", "model", "vae", "models_dir", "offline", "sampler", "scheduler"),
    *("steps", "cfg_scale", "seed", "strength", "batch_size", "dtype", "offload", "tile_overlap"),
)
_FIELDS = {"index", "init", "width", "height", "date", "time"}
_PANEL = "Picture"


@command(app, more=parameters((*_TAKEN, *_OF_TILES)))
def upscale(
    console: Console,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Files or folders.")],
    scale: Annotated[
        str, option("--scale", panel=_PANEL, metavar="X", help="Factor [default: 2].")
    ] = "",
    size: Annotated[
        str,
        option("--size", panel=_PANEL, metavar="WxH", help="Target size; 0 keeps the proportions."),
    ] = "",
    upscaler: Annotated[
        str,
        option(
            "--upscaler",
            panel=_PANEL,
            metavar="NAME|FILE",
            help="Lanczos, Nearest, or a network's file [default: Lanczos].",
            autocompletion=lambda: list(PIXEL_UPSCALERS),
        ),
    ] = LANCZOS,
    tile: Annotated[
        bool,
        typer.Option(
            "--tile", help="Refine it tile by tile (SD upscale).", rich_help_panel="Tiles"
        ),
    ] = False,
    **typed: Any,
) -> int:
    """Enlarge pictures.

    By Lanczos or Nearest, or by a network such as ESRGAN (with `sdcli[upscalers]`). Each path is
    printed as soon as the picture is saved. The settings in a picture are kept.

    With --tile, Stable Diffusion refines the enlarged picture tile by tile, with the prompt,
    sampler, seed and model in the picture, or those that you give.
    """
    typed_flags = {key: value for key, value in typed.items() if value not in (None, False, [], ())}
    name = upscaler_name(upscaler, latents=False)
    check_upscaler(name)
    if tile:
        if size:
            raise UsageError("--size does not work with --tile", "use --scale 2")
        from .upscale_tiled import upscale_tiled  # and with it all that makes pictures

        factor = _factor(scale, least=1, most=16)
        return upscale_tiled(console, images, {**typed_flags, "upscale": factor, "upscaler": name})
    if wasted := next((key for key in _OF_TILES if key in typed_flags), None):
        flags = flags_of(GenerationRequest) | flags_of(Settings)
        raise UsageError(f"{flags[wasted].names[0]}: works only with tiles", "add --tile")
    merged = merge([_own(config.read()), _own(config.environment()), Layer("", typed_flags)])
    settings = validate(Settings, merged.values, merged)
    if typed_flags.get("device") and name in PIXEL_UPSCALERS:
        raise UsageError(
            f"--device: {name} does not use one", "it is for upscalers that are networks"
        )
    paths = [Path(path) for text in images for path in files_of(text, "IMAGE")]
    pictures = [open_picture(path) for path in paths]  # so that a bad one is told at once
    wanted = [_wanted(Size(*picture.size), scale, size) for picture in pictures]
    target = _target(settings, len(paths))
    show = ShowPictures(console, console.warn)
    show(Queued(len(paths), settings, "show" in typed_flags))
    how = _upscaler(name, settings.device, console)
    failed = 0
    jobs = zip(paths, pictures, wanted, strict=True)
    for place, (path, picture, large) in enumerate(jobs):
        try:
            made = how(in_color(picture), large)
            text = None
            if not settings.no_metadata:
                settings_text = {"Postprocess upscale to": str(large), "Postprocess upscaler": name}
                text = with_items(read_file(path), settings_text)
            data = encode(made, text, settings.file_format, quality=settings.quality)
            fields = {"init": path.stem, "width": large.width, "height": large.height}
            console.out(str(target.save(data, fields, place)))
            show.picture(made)
        except SdcliError as error:
            failed += 1
            console.show_error(type(error)(f"{path}: {error.message}", error.hint))
    return 1 if failed else 0


def _own(layer: Layer) -> Layer:
    return Layer(layer.source, {k: v for k, v in layer.values.items() if k in _TAKEN}, layer.lines)


def _wanted(size: Size, scale: str, to: str) -> Size:
    if scale and to:
        raise UsageError("--scale and --size contradict each other")
    if to:
        width, height = parse_size(to)
        if not width and not height:
            raise UsageError("--size: at least one side must be above 0")
        large = Size(
            width or round(height * size.width / size.height),
            height or round(width * size.height / size.width),
        )
    else:
        factor = _factor(scale, least=0.01, most=64)
        large = Size(round(size.width * factor), round(size.height * factor))
    if not 1 <= min(large) <= max(large) <= MOST_SIDE:
        raise UsageError(f"the picture would be {large} pixels", f"at most {MOST_SIDE} a side")
    return large


def _factor(text: str, *, least: float, most: float) -> float:
    try:
        factor = float(text or 2)
    except ValueError as error:
        raise UsageError(f"--scale: must be a number, got {text!r}") from error
    if not least <= factor <= most:
        raise UsageError(f"--scale: must be from {least} to {most}, got {text}")
    return factor


def _target(settings: Settings, pictures: int) -> Target:
    if settings.output == "-":
        raise UsageError("--output: - works only with `gen`", "name a file or a folder")
    by_name = settings.model_copy(update={"output": named_after(settings.output)})
    return Target.of(by_name, pictures, known=_FIELDS)


def _upscaler(name: str, device: str, console: Console) -> Callable[[Image, Size], Image]:
    if name in PIXEL_UPSCALERS:
        return partial(enlarged, name=name)
    with console.status(f"loading {Path(name).name}"), fast_torch_import():
        from sdcli.engine.device import choose
        from sdcli.engine.upscaler import open_upscaler

        return open_upscaler(name, choose(device, "fp32").device)
