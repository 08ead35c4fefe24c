"""The hires fix on a model: what the second pass begins from, and what comes out."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sdcli.engine import Engine, Run, TwoPasses
from sdcli.engine.noise.streams import NvStream
from sdcli.engine.upscaler import enlarged_latents, open_upscaler
from sdcli.engine.vae.codec import decode, encode
from sdcli.errors import ModelError, UsageError
from sdcli.images.upscalers import LATENT_UPSCALERS, LatentUpscaler
from sdcli.prompts.schedule import Pass, timeline
from sdcli.request import GenerationRequest

CPU = torch.device("cpu")


def request(**changes: Any) -> GenerationRequest:
    values = {"prompt": "a fox", "seed": 7, "steps": 4, "width": 64, "height": 64}
    return GenerationRequest(**(values | {"hires_scale": 1.5, "cfg_scale": 2} | changes))


def begun(engine: Engine, wanted: GenerationRequest) -> tuple[torch.Tensor, TwoPasses]:
    """The latents that the second pass begins from, without noise, and the finished run."""
    run = engine.start([wanted])
    assert isinstance(run, TwoPasses)
    list(run)
    assert run._second is not None
    return run._second._begin.picture(), run


@pytest.mark.parametrize("row", LATENT_UPSCALERS, ids=lambda row: row.name)
def test_latents_are_enlarged_as_torch_does(tiny: Engine, row: LatentUpscaler) -> None:
    found, run = begun(tiny, request(hires_upscaler=row.name))
    first = tiny.start([request(hires_scale=None)])
    assert isinstance(first, Run)
    list(first)
    assert torch.equal(run._first.latents, first.latents)
    assert torch.equal(found, enlarged_latents(first.latents, (12, 12), row))
    assert run.pictures()[0].image.size == (96, 96)


@pytest.mark.parametrize(("name", "how"), [("Lanczos", 1), ("Nearest", 0)])
def test_pixels_are_decoded_enlarged_and_encoded(tiny: Engine, name: str, how: int) -> None:
    found, run = begun(tiny, request(hires_upscaler=name))
    vae, space = tiny._components.networks["vae"], tiny.model.latents
    [picture] = decode(vae, run._first.latents, space=space, say=print)
    large = picture.resize((96, 96), Image.Resampling(how))
    assert torch.equal(found, encode(vae, large, space=space, device=CPU))


def test_what_covers_too_much_is_cut_at_both_sides(tiny: Engine) -> None:
    found, run = begun(tiny, request(hires_scale=None, hires_size="96x136"))
    whole = enlarged_latents(run._first.latents, (17, 17), LATENT_UPSCALERS[0])
    assert torch.equal(found, whole[:, :, :, 2:14])
    assert run.pictures()[0].image.size == (96, 136)


def test_the_second_pass_has_the_seeds_noise_of_its_size_and_all_its_steps(tiny: Engine) -> None:
    wanted = request(hires_steps=3, sampler="Euler", hires_strength=0.5)
    found, run = begun(tiny, wanted)
    second = run._begin(found)
    assert second._tail is not None
    sigma = wanted.second().tail(tiny.model.table).sigmas[0]
    start = second._begin.noised(second._tail, second._sampler)
    assert torch.allclose(start, found + sigma * NvStream(7).next((4, 12, 12)), atol=1e-4)
    assert run.evaluations == 4 + 3


def test_a_picture_is_its_requests_and_counts_both_passes(tiny: Engine) -> None:
    wanted = request(hires_steps=3, sampler="Euler")
    run = tiny.start([wanted])
    steps = list(run)
    assert [step.index for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert {step.steps for step in steps} == {7}
    assert steps[-1].done == 1
    [made] = run.pictures()
    assert made.request == wanted
    assert made.evaluations == 7


def test_at_strength_0_the_enlarged_picture_comes_out(tiny: Engine) -> None:
    found, run = begun(tiny, request(hires_strength=0))
    [expected] = decode(
        tiny._components.networks["vae"], found, space=tiny.model.latents, say=print
    )
    assert np.array_equal(np.asarray(run.pictures()[0].image), np.asarray(expected))


def test_pictures_of_a_batch_are_each_as_made_alone(tiny: Engine) -> None:
    requests = [request(seed=seed) for seed in (1, 2, 3)]
    run = tiny.start(requests)
    list(run)
    for together, alone in zip(run.pictures(), requests, strict=True):
        apart = np.asarray(together.image, int) - np.asarray(tiny.generate(alone).image, int)
        assert np.abs(apart).max() <= 1


def test_times_go_on_in_the_second_pass(tiny: Engine) -> None:
    """A1111: fractions from 1 to 2 are the second pass's, and whole numbers go on counting."""
    edited = request(prompt="[a:b:1.5]", sampler="Euler")
    run = tiny.start([edited])
    list(run)
    assert isinstance(run, TwoPasses)
    first, second = run._first._counted._script, run._second._counted._script  # type: ignore[union-attr]
    assert torch.equal(first.at(0)[0].conditioning.context, first.at(3)[0].conditioning.context)
    assert not torch.equal(
        second.at(0)[0].conditioning.context, second.at(3)[0].conditioning.context
    )
    assert [s.until for s in timeline("[a:b:1.5]", Pass(4, 4))] == [2, 4]


def test_old_times_are_read_as_before_1_6(tiny: Engine) -> None:
    """There 1.0 is step 1, where since then it is the whole of the run."""
    new = tiny.generate(request(hires_scale=None, prompt="[a:b:1.0]"))
    old = tiny.generate(request(hires_scale=None, prompt="[a:b:1.0]", old_timelines=True))
    plain = tiny.generate(request(hires_scale=None, prompt="[a:b:1]"))
    assert np.array_equal(np.asarray(old.image), np.asarray(plain.image))
    assert not np.array_equal(np.asarray(old.image), np.asarray(new.image))


@pytest.fixture
def spandrel(monkeypatch: pytest.MonkeyPatch) -> Any:
    """spandrel, an extra; of torchvision it needs two names, for networks that enlarge nothing."""
    try:
        import torchvision  # type: ignore[import-not-found] # noqa: F401
    except (ImportError, RuntimeError):  # RuntimeError: one for another build of torch
        functional = types.ModuleType("torchvision.transforms.functional")
        functional.InterpolationMode = functional.rotate = functional.normalize = None  # type: ignore[attr-defined]
        for name in ("torchvision", "torchvision.transforms"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        monkeypatch.setitem(sys.modules, functional.__name__, functional)
    return pytest.importorskip("spandrel")


def test_a_networks_file_enlarges_pictures(spandrel: Any, tmp_path: Path, tiny: Engine) -> None:
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    torch.manual_seed(0)
    network = SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    torch.save(network.state_dict(), tmp_path / "2x.pth")
    enlarge = open_upscaler(str(tmp_path / "2x.pth"), CPU)
    picture = Image.new("RGB", (24, 16), (200, 40, 90))
    large = enlarge(picture, (48, 32))
    with torch.no_grad():
        levels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
        expected = network(levels).clamp(0, 1)[0].permute(1, 2, 0) * 255
    assert np.abs(np.asarray(large, float) - expected.numpy()).max() <= 0.5
    assert enlarge(picture, (100, 70)).size == (100, 70)
    made = tiny.generate(request(hires_upscaler=str(tmp_path / "2x.pth")))
    assert made.image.size == (96, 96)


def test_a_file_that_is_no_network_is_told(spandrel: Any, tmp_path: Path) -> None:
    (tmp_path / "2x.pth").write_bytes(b"hello")
    with pytest.raises(ModelError, match="cannot read the upscaler"):
        open_upscaler(str(tmp_path / "2x.pth"), CPU)


def test_what_reads_networks_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UsageError, match="is not installed") as error:
        open_upscaler(str(tmp_path / "2x.pth"), CPU)
    assert "upscalers" in error.value.hint
