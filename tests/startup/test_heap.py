"""Memory that this process frees is its own again, where glibc would give it back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Takes and frees 64 MB four times, and prints how many pages the last three brought.
PROGRAM = """
import resource
{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def take():
    block = bytearray(2**26)
    block[::4096] = bytes(2**14)
take()
before = faults()
for _ in range(3):
    take()
print(faults() - before)
"""
KEEP = "from sdcli.startup import keep_freed_memory; keep_freed_memory()"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_no_page_is_fetched_twice() -> None:
    def pages(first: str) -> int:
        program = [sys.executable, "-c", PROGRAM.format(first=first)]
        return int(subprocess.run(program, check=True, capture_output=True, text=True).stdout)

    assert pages(KEEP) < pages("pass") / 4
