"""What docs/speed.md says of the gains that change a picture is what the benchmark measures."""

from __future__ import annotations

import re

import pytest
from pages import PAGES

from benchmarks.approximate import EXACT, ROWS
from sdcli.request import GenerationRequest


def test_the_pages_rows_are_those_of_the_benchmark() -> None:
    page = PAGES["docs/speed.md"]
    table = page.partition("| off the exact picture |\n")[2].partition("\n\n")[0]
    told = re.findall(r"^\| (?:`([^`]*)`|(another seed))", table, flags=re.MULTILINE)
    assert sorted(map("".join, told)) == sorted(ROWS.keys() - {"exact"})


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_a_request_that_its_name_asks_for(name: str) -> None:
    asked = {key: value for key, value in ROWS[name].items() if key != "dtype"}
    request = GenerationRequest(prompt="a", **{**EXACT, **asked})
    assert request != GenerationRequest(prompt="a", **EXACT) or not asked
    options = [
        word.removeprefix("--").replace("-", "_") for word in name.split() if word[:2] == "--"
    ]
    assert options in ([], list(ROWS[name]))
