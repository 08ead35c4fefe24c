"""Every kind of work on a pretended Metal and a pretended card: nothing that they refuse is asked.

The numbers are the CPU's, so the pictures are too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from devices.cuda import Cuda
from devices.metal import Metal
from devices.pretended import Device, pretended
from devices.works import MASKED, WORKS, request, write_pictures
from families import write_family
from PIL import Image
from quick import slow

from sdcli.engine import Engine, Run
from sdcli.engine.vae.strips import decode_in_strips
from sdcli.models import find
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, SHELF

DEVICES: dict[str, Callable[[], Device]] = {"mps": Metal, "cuda": Cuda}
ON = pytest.mark.parametrize("kind", DEVICES)
ROUNDING = 1  # levels: a CPU's own layers are packed, a device's are not
# Whatever a card refuses of tensors that meet, Metal refuses too.
METAL_FIRST = pytest.mark.parametrize("kind", ["mps", slow("cuda")])


def load(model: Path, device: str, dtype: str = "fp32", **more: Any) -> Engine:
    return Engine.of(find(str(model)), device=device, dtype=dtype, **more)


def made(engine: Engine, *requests: GenerationRequest) -> list[np.ndarray]:
    run = engine.start(requests)
    for _ in run:
        pass
    return [np.asarray(picture.image, np.int16) for picture in run.pictures()]


class Problems(dict[str, str]):
    """What went wrong, by the name of the work: all of it is told at once."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            place, trace = "", error.__traceback__
            while trace:
                file = Path(trace.tb_frame.f_code.co_filename)
                if {"sdcli", "diffusers"}.intersection(file.parts):
                    place = f"{file.name}:{trace.tb_lineno}"
                trace = trace.tb_next
            self[name] = f"{type(error).__name__}: {error} at {place}"

    def __str__(self) -> str:
        return "\n".join(["", *(f"{name}: {problem}" for name, problem in self.items())])


@pytest.fixture(scope="module")
def on_the_cpu(
    tiny_folder: Path, adapters: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, np.ndarray]:
    """The picture of every work."""
    engine = load(tiny_folder, "cpu", folders=[adapters])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("pictures"))
        write_pictures(Path.cwd())
        return {name: made(engine, request(**changes))[0] for name, changes in WORKS.items()}


@pytest.mark.slow
@METAL_FIRST
def test_works(
    kind: str, tiny_folder: Path, adapters: Path, on_the_cpu: Mapping[str, np.ndarray]
) -> None:
    problems = Problems()
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind, folders=[adapters])
        assert engine.placement.device.type == kind
        for name, changes in WORKS.items():
            with problems.of(name):
                [picture] = made(engine, request(**changes))
                assert np.abs(picture - on_the_cpu[name]).max() <= ROUNDING
    assert not problems, str(problems)


@pytest.mark.slow
@ON
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_works_in_half_precision(kind: str, dtype: str, tiny_folder: Path, adapters: Path) -> None:
    problems = Problems()
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind, dtype, folders=[adapters])
        for name, changes in WORKS.items():
            with problems.of(name):
                made(engine, request(**changes))
    assert not problems, str(problems)


@pytest.mark.slow
@ON
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_every_sampler(
    kind: str, dtype: str, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Solver, noise and guidance; the UNet, which is the same for all, is a product.

    On Metal diffusers' schedulers step on the CPU, on a card they do not: those are asked of both.
    """
    problems = Problems()
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind, dtype)
        unet = engine._components.backbone.network
        monkeypatch.setattr(
            unet, "forward", lambda x, t, **_: (x * 0.5 + t.to(x.dtype)[:, None, None, None] / 1e4,)
        )
        for row in SHELF if kind == "cuda" and dtype == "fp16" else (*SAMPLERS, *SHELF):
            with problems.of(row.name):
                run = engine.start([request(sampler=row.name, steps=4)])
                assert isinstance(run, Run)
                for _ in run:
                    pass
                assert run.latents.device == torch.device(kind, 0)
                assert run.latents.cpu().std() > 0
    assert not problems, str(problems)


@pytest.mark.slow
@ON
@pytest.mark.parametrize("family", ["sdxl-inpainting", "sd1-inpainting", "sd2-v", "sdxl"])
def test_families(kind: str, family: str, tmp_path: Path) -> None:
    folder = write_family(tmp_path / "model", family)
    changes = MASKED if family.endswith("inpainting") else {}
    with pretended(DEVICES[kind]()):
        [picture] = made(load(folder, kind, "fp16"), request(**changes, steps=1))
    assert picture.shape == (64, 64, 3)


@METAL_FIRST
def test_batches_previews_and_what_else_a_run_gives(kind: str, tiny_folder: Path) -> None:
    wanted = [request(seed=1), request(seed=2, prompt="[a|b]", negative_prompt="a " * 90)]
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind)
        run = engine.start(wanted)
        assert isinstance(run, Run)
        previews = [run.preview() for _ in run]
        assert len(run.pictures()) == 2
        assert all(isinstance(preview, Image.Image) for preview in previews)
        shown = engine.noised(Image.open("in.png"), [1.0, 0.0])
        assert engine.fits(wanted[0]) >= 1
        vae, latents = engine._components.networks["vae"], run.latents[:1]
        strips = decode_in_strips(vae, latents)
        whole = vae.decode(latents, return_dict=False)[0]
    assert len(shown) == 2
    assert torch.allclose(strips, whole.held, atol=1e-4)


@pytest.mark.slow
def test_a_cards_own_noise(tiny_folder: Path) -> None:
    problems = Problems()
    with pretended(Cuda()):
        engine = load(tiny_folder, "cuda")
        for sampler in ("Euler a", "DPM++ SDE", "diffusers:dpm_solver_sde", "diffusers:ddpm"):
            with problems.of(sampler):
                made(engine, request(sampler=sampler, rng="gpu", steps=3))
    assert not problems, str(problems)


@pytest.mark.slow
@ON
@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloaded(
    kind: str, offload: str, tiny_folder: Path, on_the_cpu: Mapping[str, np.ndarray]
) -> None:
    with pretended(DEVICES[kind]()):
        engine = load(tiny_folder, kind, offload=offload)
        pictures: Sequence[np.ndarray] = made(engine, request())
    assert np.abs(pictures[0] - on_the_cpu["txt2img"]).max() <= ROUNDING
