"""How layers become one request: precedence, and errors that name the place they come from."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from sdcli.errors import UsageError, UsageErrors
from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings
from sdcli.request.validate import validate
from sdcli.sources.layers import Layer, Merged, merge, read_toml

ORDER = ["config", "preset", "picture", "environment", ""]


def build(*layers: Layer) -> GenerationRequest:
    """The request of these layers, seed 1."""
    merged = merge(layers)
    return validate(GenerationRequest, {"seed": 1, **merged.values}, merged)


@pytest.mark.parametrize(("low", "high"), list(combinations(ORDER, 2)))
def test_a_later_layer_wins_over_an_earlier_one(low: str, high: str) -> None:
    lower = Layer(low, {"steps": 5, "model": "low"})
    higher = Layer(high, {"steps": 9, "cfg_scale": 2})
    merged = merge([lower, higher])
    assert merged.values == {"steps": 9, "model": "low", "cfg_scale": 2}
    assert merged.origins == {"steps": higher, "model": lower, "cfg_scale": higher}


def test_of_five_layers_each_key_has_its_last_value() -> None:
    keys = ["model", "steps", "width", "cfg_scale", "rng"]
    layers = [Layer(source, dict.fromkeys(keys[i:], i)) for i, source in enumerate(ORDER)]
    assert merge(layers).values == {key: i for i, key in enumerate(keys)}


def test_nothing_set_means_the_defaults() -> None:
    assert build() == GenerationRequest(seed=1)
    assert merge([]).values == {}


@pytest.mark.parametrize(
    ("layer", "key", "where"),
    [
        (Layer("", {"cfg_scale": 1}), "cfg_scale", "--cfg-scale"),
        (
            Layer("preset film.toml", {"steps": 1}, {"steps": 3}),
            "steps",
            "preset film.toml, line 3",
        ),
        (Layer("environment", {"model": ""}), "model", "environment: model"),
    ],
    ids=["flag", "file", "environment"],
)
def test_where_names_the_flag_or_the_file_and_line(layer: Layer, key: str, where: str) -> None:
    assert merge([layer]).where(key).startswith(where)


def test_where_of_a_key_that_nothing_set_is_its_flag() -> None:
    assert Merged({}, {}).where("negative_prompt") == "--negative-prompt"


SUFFIXED = "Euler a Karras"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param(
            [{"scheduler": "Exponential"}, {"sampler": SUFFIXED}],
            ("Euler a", "Karras"),
            id="lower schedule gives way",
        ),
        pytest.param(
            [{"sampler": SUFFIXED}, {"scheduler": "Exponential"}],
            ("Euler a", "Exponential"),
            id="higher schedule wins",
        ),
        pytest.param(
            [{"sampler": SUFFIXED}, {"scheduler": "Automatic"}],
            ("Euler a", "Automatic"),
            id="higher Automatic wins",
        ),
        pytest.param(
            [{"sampler": SUFFIXED, "scheduler": "karras"}],
            ("Euler a", "Karras"),
            id="same layer agrees",
        ),
        pytest.param(
            [{"scheduler": "Karras"}, {"sampler": "Euler a"}],
            ("Euler a", "Karras"),
            id="plain name leaves the schedule",
        ),
        pytest.param(
            [{"scheduler": "Uniform"}, {"sampler": SUFFIXED}, {"scheduler": "Exponential"}],
            ("Euler a", "Exponential"),
            id="schedule below and above",
        ),
        pytest.param(
            [{"sampler": SUFFIXED}, {"sampler": "Euler"}],
            ("Euler", "Automatic"),
            id="suffix goes with its sampler",
        ),
    ],
)
def test_a_combined_sampler_name_sets_the_schedule_too(
    layers: list[dict[str, str]], expected: tuple[str, str]
) -> None:
    request = build(*(Layer(f"layer {i}", values) for i, values in enumerate(layers)))
    assert (request.sampler, request.scheduler) == expected


def test_a_combined_name_against_a_schedule_in_the_same_layer_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"--sampler: .*already names the schedule Karras"
    ) as error:
        build(Layer("", {"sampler": SUFFIXED, "scheduler": "Uniform"}))
    assert "'Euler a'" in error.value.hint


def told(schema: type[Any], *layers: Layer) -> list[str]:
    """Every message of the errors that validate raises."""
    merged = merge(layers)
    with pytest.raises(UsageError) as caught:
        validate(schema, {**merged.values, "seed": 1}, merged)
    error = caught.value
    return [one.message for one in (error.errors if isinstance(error, UsageErrors) else [error])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"hires_size": "256x256"}, {"hires_scale": 2.0}),
        ({"hires_scale": 2.0}, {"hires_size": "256x256"}),
        ({"sampler": "Euler", "timesteps": "999,500"}, {"sigmas": "9,3,0"}),
    ],
)
def test_of_two_ways_to_say_it_the_upper_layer_wins(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    built = build(Layer("picture", {"prompt": "a", **one}), Layer("", other))
    assert all(getattr(built, key) is not None for key in other)
    assert all(getattr(built, key) is None for key in one if key != "sampler")
    with pytest.raises(UsageError):
        build(Layer("", {"prompt": "a", **one, **other}))


def test_everything_wrong_in_several_layers_is_told_at_once() -> None:
    file = Layer("config c.toml", {"steps": 0, "sampler": "Eulr"}, {"steps": 1, "sampler": 2})
    typed = Layer("", {"cfg_scale": "x", "width": "100", "scheduler": "Karas"})
    assert sorted(told(GenerationRequest, file, typed)) == [
        "--cfg-scale: must be a number, got 'x'",
        "--scheduler: unknown schedule 'Karas'",
        "--width: must be a multiple of 8, got '100'",
        "config c.toml, line 1: steps: must be at least 1, got 0",
        "config c.toml, line 2: sampler: unknown sampler 'Eulr'",
    ]


def test_options_are_not_judged_by_a_sampler_that_is_not_known() -> None:
    """The default sampler would lack eta; whoever mistyped "Euler a" need not read that."""
    messages = told(GenerationRequest, Layer("", {"sampler": "Eulr a", "eta": 0.5, "ensd": 3}))
    assert len(messages) == 1
    assert messages[0].startswith("--sampler: unknown sampler")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": "x"}, "--batch-size: must be a whole number, got 'x'"),
        ({"batch_size": "0"}, "--batch-size: must be at least 1, got '0'"),
        ({"batch_size": -3}, "--batch-size: must be at least 1, got -3"),
        ({"count": 0}, "--count: must be at least 1, got 0"),
        ({"format": "gif"}, "--format: must be 'png', 'jpg' or 'webp', got 'gif'"),
        ({"quality": 101}, "--quality: must be at most 100, got 101"),
        ({"offline": "maybe"}, "--offline: must be true or false, got 'maybe'"),
    ],
    ids=str,
)
def test_a_bad_setting_is_one_error(values: dict[str, Any], message: str) -> None:
    """Also where the field may be a number or a word, which pydantic reports as two."""
    assert told(Settings, Layer("", values)) == [message]


def test_batch_size_is_a_number_or_auto() -> None:
    assert Settings(batch_size="4").batch_size == 4
    assert Settings(batch_size="auto").batch_size == "auto"


def test_read_toml_gives_values_and_their_lines(tmp_path: Path) -> None:
    """Line ends inside a string (U+2028, U+0085) are no lines of the file."""
    file = tmp_path / "a.toml"
    text = '# look\nmodel = "a\u2028b\x85c"\n\n  steps = 5\n"width"=64\ndescription = "d"\n'
    file.write_text(text, encoding="utf-8")
    keys = {"model", "steps", "width"}
    layer = read_toml(file, "preset a", keys=keys, also={"description"})
    assert layer.values == {"model": "a\u2028b\x85c", "steps": 5, "width": 64}
    assert layer.where("steps") == "preset a, line 4: steps"
    assert layer.where("width") == "preset a, line 5: width"


def test_every_unknown_key_is_told_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("steps = 5\nsteppes = 5\n[sampling]\nx = 1\n")
    with pytest.raises(UsageErrors) as caught:
        read_toml(file, "preset a", keys={"steps", "sampler"})
    first, second = map(str, caught.value.errors)
    assert first == f"preset a, line 2: steppes: unknown key in {file} (did you mean 'steps'?)"
    assert second.startswith("preset a, line 3: sampling: unknown key")


@pytest.mark.parametrize(
    "content",
    [b"steps = ", b"steps = 1\nsteps = 2", b'model = "\xff"', b"steps = " + b"9" * 5000, b"\x00"],
    ids=["no value", "twice", "not UTF-8", "5,000 digits", "NUL"],
)
def test_broken_toml_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"config: .*a\.toml is not valid TOML"):
        read_toml(file, "config", keys={"steps", "model"})


@pytest.mark.parametrize("name", ["missing.toml", "."], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="config: cannot read"):
        read_toml(Path(name), "config", keys=set())
