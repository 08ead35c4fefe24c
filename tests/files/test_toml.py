"""TOML: read as Python reads it, but for what would keep that busy for ever."""

from __future__ import annotations

import tomllib

import pytest

from sdcli.files.toml import parse_toml

DOTS = "a." * 200


@pytest.mark.parametrize(
    "text",
    [
        f'a = "{DOTS}"',
        f"a = '{DOTS}'",
        f'a = """\n{DOTS}\n"" \\""" {DOTS}"""""\nb = 1',
        f"a = '''\n{DOTS}\n'' {DOTS}'''''\nb = 1",
        f'# {DOTS}\na = 1 # "{DOTS}',
        f'"a.{DOTS}".b = "\\\\" # {DOTS}',
        f"a = '{'0x' + 'f' * 200}'",
        f"a = [{'1.5, ' * 200}]",
        "a = 0x7fffffffffffffff\nb.c.d = 1.5e3\n[e.f]\n[[g]]\nh = 1979-05-27T07:32:00.5Z",
    ],
    ids=range(9),
)
def test_what_is_in_strings_and_comments_is_no_matter(text: str) -> None:
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{DOTS}a = 1", "more than 100 parts"),
        (f"[{DOTS}a]", "more than 100 parts"),
        ("'a' . \"b\" ." * 100 + "a = 1", "more than 100 parts"),
        (f"a = {{ {DOTS}a = 1 }}", "more than 100 parts"),
        (f'a = ["""b"""", {{{DOTS}a = 1}}]', "more than 100 parts"),
        (f"a = 0b{'1' * 101}", "more than 100 digits"),
        ("a = " + "[" * 5000, "too deep"),
        ("a = 1 = 2", "Expected newline"),
        ("9" * 5000 + " = " + "9" * 5000, "4300 digits"),
    ],
    ids=range(9),
)
def test_what_no_file_has_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_toml(text)
