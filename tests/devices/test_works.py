"""Every kind of work on a pretended Metal and a pretended card: nothing that they refuse is asked.

The numbers are the CPU's, so the pictures are too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from devices.cuda import Cuda
from devices.metal import Metal
from devices.pretended import Device, pretended
from devices.works import WORKS, request
from families import write_family
from torch import Tensor

from sdcli.engine import Engine
from sdcli.engine.picture import Picture
from sdcli.models import find
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, SHELF

DEVICES: dict[str, Callable[[], Device]] = {"mps": Metal, "cuda": Cuda}
ON = pytest.mark.parametrize("kind", DEVICES)
ROUNDING = 1  # levels: a CPU's own layers are packed, a device's are not


def load(model: Path, device: str, dtype: str = "fp32", **more: Any) -> Engine:
    return Engine.of(find(str(model)), device=device, dtype=dtype, **more)


def made(engine: Engine, requests: Sequence[GenerationRequest]) -> list[np.ndarray]:
    """The run's pictures, with a preview on the way."""
    run = engine.start(requests)
    for step in run:
        if step.index == 1:
            run.preview()
    return [np.asarray(picture.image, np.int16) for picture in run.pictures()]


class Problems(dict[str, str]):
    """What went wrong, by name: all of it is told at once."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            told, cause = f"{type(error).__name__}: {error}", error.__traceback__
            while cause and cause.tb_next:
                cause = cause.tb_next
                file = cause.tb_frame.f_code.co_filename
                if "sdcli/" in file or "diffusers/" in file:
                    last = f"{Path(file).name}:{cause.tb_lineno}"
            self[name] = f"{told} at {last}"

    def __str__(self) -> str:
        return "\n".join(["", *(f"{name}: {problem}" for name, problem in self.items())])


@ON
def test_works(kind: str, tiny_folder: Path, adapters: Path) -> None:
    here = load(tiny_folder, "cpu", folders=[adapters])
    wanted = {name: made(here, [request(**changes)]) for name, changes in WORKS.items()}
    problems = Problems()
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind, folders=[adapters])
        assert engine.placement.device.type == kind
        for name, changes in WORKS.items():
            with problems.of(name):
                [picture] = made(engine, [request(**changes)])
                assert np.abs(picture - wanted[name][0]).max() <= ROUNDING
    assert not problems, str(problems)


@ON
@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_samplers(kind: str, dtype: str, tiny_folder: Path) -> None:
    rows = [*SAMPLERS, *SHELF]
    here = load(tiny_folder, "cpu")
    problems = Problems()
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind, dtype)
        for row in rows:
            with problems.of(row.name):
                [picture] = made(engine, [request(sampler=row.name)])
                assert picture.std() > 1
    assert not problems, str(problems)
