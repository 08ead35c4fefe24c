"""What a batch costs before its first picture: milliseconds of planning a row.

    python -m benchmarks.planning [--rows 2000]

Rows of one model with prompts and seeds of their own, in a folder with few and with many other
checkpoints beside it; and a request by itself, in microseconds.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sdcli.request import GenerationRequest
from sdcli.runs.host import Host
from sdcli.runs.inputs import Inputs
from sdcli.runs.plan import joined, plan_row
from sdcli.sources.rows import rows_of

FILES = 300


def processor_time(work: Callable[[], object]) -> float:
    """Seconds of the processor, which others that use the machine do not lengthen."""
    start = time.process_time()
    work()
    return time.process_time() - start


def plan(count: int, folder: Path) -> None:
    """Plan that many rows as `sdcli batch` does."""
    text = "\n".join(
        json.dumps({"prompt": f"a fox number {n}", "seed": n, "steps": 20 + n % 3})
        for n in range(count)
    )
    rows, problems = rows_of(text, "jsonl", "rows.jsonl")
    problems.raise_if_any()
    host = Host()
    flags = {"models_dir": (str(folder),), "output": str(folder / "out") + "/"}
    inputs = Inputs(flags=flags)
    of_row = partial(plan_row, inputs=inputs, host=host, file="rows.jsonl", among=count)
    whole = joined([of_row(row) for row in rows])
    assert len(whole.jobs) == count


def write_checkpoints(folder: Path, count: int) -> None:
    """Files that look like checkpoints to whoever walks the folder."""
    folder.mkdir(parents=True)
    header = json.dumps({}).encode()
    for number in range(count):
        file = folder / f"model{number}.safetensors"
        file.write_bytes(struct.pack("<Q", len(header)) + header)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    count = parser.parse_args().rows
    request = partial(GenerationRequest, prompt="a fox", seed=1, sampler="DPM++ 2M Karras")
    request()
    each = processor_time(lambda: [request() for _ in range(count)]) / count
    print(f"a request: {each * 1e6:.0f} us")
    for files in (1, FILES):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "models"
            write_checkpoints(folder / "Stable-diffusion", files)
            plan(10, folder)
            seconds = min(processor_time(partial(plan, count, folder)) for _ in range(3))
        print(f"a row, {files} files in the models folder: {seconds / count * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
