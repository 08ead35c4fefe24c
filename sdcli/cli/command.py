"""What all commands share: common flags, help in sections, a start without pydantic."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from sdcli.errors import SdcliError

from .console import Console

_SECTIONS = (
    *("Arguments", "Batch", "Prompt", "Sampling", "Guidance", "Variations", "Picture", "Hires fix"),
    *("From a picture", "Inpainting", "Tiles", "Faster, but another picture", "Model", "Output"),
    *("Comparison", "General"),
)

# What most people use: the options that `--help` shows of a command that has many.
_EVERYDAY = frozenset(
    (
        *("--prompt", "--negative-prompt", "--from", "--preset"),
        *("--sampler", "--scheduler", "--steps", "--cfg-scale", "--seed", "--count", "--sweep"),
        *("--size", "--init-img", "--strength", "--mask", "--hires-scale", "--upscale"),
        *("--model", "--lora", "--vae", "--models-dir", "--device"),
        *("--output", "--format", "--overwrite", "--json", "--plan", "--grid", "--show"),
    )
)
_MANY = 40  # options, above which a command's help is shortened
_OWN_SECTIONS = ("Arguments", "Batch", "Comparison")
_HELP = ("-h", "--help", "--help-all")
_SHOWN = "sdcli.help"
"""Under this key a context keeps which help is wanted: a section's title, "all", or nothing."""

help_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_COMMON: dict[str, Any] = {
    "quiet": typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="General"),
    "verbose": typer.Option("--verbose", "-v", help="Print more.", rich_help_panel="General"),
    "debug": typer.Option("--debug", help="Show tracebacks of errors.", rich_help_panel="General"),
}

Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel="Output")]


class _AsTyped:
    """Stands in for the validator that newer typers build, with pydantic, for every parameter.

    Ours are strings and flags and need none: their values are checked once, by the schema. So
    the commands that do not need pydantic start in half the time.
    """

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value as typed."""
        return () if value is None and (param.multiple or param.nargs == -1) else value


class _TakesAsTyped:
    """Spares every parameter of a command, that of --help included, typer's validators."""

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            parameter._runtime_param = _AsTyped()
        return parameters


class _Command(_TakesAsTyped, TyperCommand):
    """A command whose help is plain text in sections, quick to print and easy to search.

    Where it has many options, `--help` shows those of every day, `--help SECTION` those of a
    section, and `--help-all` all of them.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = args[: args.index("--")] if "--" in args else args
        place = next((place for place, word in enumerate(typed) if word in _HELP), None)
        if place is None:
            return super().parse_args(ctx, args)
        after = typed[place + 1 : place + 2]
        ctx.meta[_SHOWN] = "all" if typed[place] == "--help-all" else self._section(after)
        typer.echo(self.get_help(ctx))
        raise typer.Exit

    def _section(self, words: list[str]) -> str:
        """Return the title of the section that the word after --help begins, in any case."""
        word = words[0].casefold() if words else ""
        titles = [title for title in _SECTIONS if word and title.casefold().startswith(word)]
        return titles[0] if titles else ""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in _SECTIONS}
        parameters = self.get_params(ctx)
        wanted = ctx.meta.get(_SHOWN, "") if len(parameters) > _MANY else "all"
        left_out = dict.fromkeys(_SECTIONS, 0)
        for parameter in parameters:
            if isinstance(parameter, TyperArgument):
                title, record = "Arguments", (parameter.metavar or "", parameter.help or "")
            elif record := parameter.get_help_record(ctx):
                title = getattr(parameter, "rich_help_panel", None) or "General"
            else:
                continue
            everyday = title in _OWN_SECTIONS or _EVERYDAY & {*parameter.opts}
            if wanted in ("all", title) or (
                not wanted and (everyday or "--help" in parameter.opts)
            ):
                sections[title].append(record)
            else:
                left_out[title] += 1
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=32)
        if wanted != "all":
            titles = "; ".join(title for title, count in left_out.items() if count)
            formatter.write_paragraph()
            formatter.write_text(
                f"More options: `{ctx.command_path} --help-all`, or `--help SECTION` for one of "
                f"{titles}."
            )


class HelpfulGroup(_TakesAsTyped, TyperGroup):
    """A group of commands that shows its help when none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])


def new_app(*, help: str = "") -> typer.Typer:
    """Return an empty app for one command, or a group of them with `help`."""
    return typer.Typer(
        help=help or None,
        rich_markup_mode=None,
        add_completion=False,
        cls=HelpfulGroup,
        pretty_exceptions_enable=False,
        context_settings=help_settings,
    )


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    more: Sequence[Parameter] = (),
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a function as a command that also takes the common flags.

    It gets a Console first; its other parameters are strings, lists of strings or flags. `more` are
    parameters beyond those in its signature; it receives them as keywords. What it returns is the
    exit code; an error that it raises is shown, and its own.
    """

    def register(function: Callable[..., int]) -> Callable[..., int]:
        _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
        own = [each for each in parameters if each.kind is not Parameter.VAR_KEYWORD]
        common = [
            Parameter(
                key, Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, option]
            )
            for key, option in _COMMON.items()
        ]
        keywords = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in (*own, *more)]

        def run(**values: Any) -> int:
            console = Console(**{key: values.pop(key) for key in _COMMON})
            try:
                return function(console, **values)
            except SdcliError as error:
                if console.debug:
                    raise
                console.show_error(error)
                return error.exit_code

        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        signature = inspect.Signature([*keywords, *common])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        app.command(name, cls=_Command, context_settings=help_settings)(run)
        return function

    return register


def option(*names: str, panel: str, metavar: str, help: str, **more: Any) -> Any:
    """Return a typer option that takes a value, shown in section `panel`."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, **more)
