"""The root command: the list of commands, each loaded only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from sdcli.errors import SdcliError
from sdcli.version import __version__

from .command import HelpfulGroup, help_settings
from .console import Console

COMMANDS = {
    "gen": "Make pictures of one prompt.",
    "batch": "Make the pictures of a file of prompts.",
    "again": "Make pictures again from the settings in them.",
    "upscale": "Enlarge pictures.",
    "info": "Print the settings in a picture.",
    "samplers": "List the samplers, or show one in full.",
    "schedulers": "List the schedules, or show one in full.",
    "prompt": "Show how a prompt is read: parts, timing, tokens, weights.",
    "explain": "Show the noise levels, timesteps and model calls of a run.",
    "models": "List, inspect, fetch and convert models.",
    "presets": "List, show and save presets.",
    "config": "Show and change your defaults.",
    "doctor": "Show versions, devices, memory, and what sdcli would use.",
}


class _LazyGroup(HelpfulGroup):
    """Commands by name; `--help` knows their one line without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return get_command(import_module(f"sdcli.cli.commands.{cmd_name}").app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # for "did you mean"
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=help_settings,
    help="Stable Diffusion on the command line, with A1111's sampler names and pictures.",
    epilog="See `sdcli COMMAND --help` for its options.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sdcli {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Do nothing without a command."""


# What typer raises for a command line that is wrong: the class above BadParameter's parent, which
# is click's in older versions and that of typer's own copy of it in newer ones.
_Refusal: Any = typer.BadParameter.__mro__[2]


def _show_usage_error(error: Any) -> None:
    context = getattr(error, "ctx", None)
    hint = f"see `{context.command_path} --help`" if context else ""
    Console().show_error(SdcliError(error.format_message().rstrip("."), hint))


def invoke(arguments: list[str]) -> int:
    """Run one command; returns the exit code. Raises SdcliError, KeyboardInterrupt."""
    try:
        code = get_command(app).main(arguments, prog_name="sdcli", standalone_mode=False)
    except _Refusal as error:
        _show_usage_error(error)
        return int(error.exit_code)
    if code == 130:  # typer turns Ctrl-C into this
        raise KeyboardInterrupt
    return int(code or 0)
