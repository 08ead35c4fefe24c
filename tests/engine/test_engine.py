"""The engine on a tiny random model: batches, guidance, prediction types, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from quick import each_sampler
from tiny import write_tiny_model

from sdcli.engine import Engine, Picture
from sdcli.engine.text import Conditioning
from sdcli.engine.text.clip import ClipEncoder
from sdcli.engine.vae.codec import pad_around
from sdcli.errors import SdcliError, UsageError
from sdcli.models.latents import LatentSpace
from sdcli.request import GenerationRequest
from sdcli.sampling import SAMPLERS, Sampler


def pixels(picture: Picture) -> np.ndarray:
    """The picture as signed numbers, so that differences do not wrap."""
    return np.asarray(picture.image, dtype=np.int16)


def together(engine: Engine, *requests: GenerationRequest) -> list[Picture]:
    """Pictures made at once."""
    run = engine.start(requests)
    for _ in run:
        pass
    return run.pictures()


def request(**values: object) -> GenerationRequest:
    """A short run."""
    return GenerationRequest(**{"prompt": "a fox", "seed": 7, "steps": 5, **values})


def test_the_same_request_gives_the_same_pixels(tiny: Engine) -> None:
    assert np.array_equal(pixels(tiny.generate(request())), pixels(tiny.generate(request())))


@pytest.mark.parametrize("more", [{}, {"hires_scale": 2}, {"sampler": "Heun"}])
def test_the_last_preview_is_the_picture(tiny: Engine, more: dict[str, object]) -> None:
    run = tiny.start([request(**{"width": 64, "height": 64, "sampler": "Euler", **more})])
    assert run.preview() is None
    seen = []
    for _ in run:
        image = run.preview()
        assert image is not None
        seen.append(np.asarray(image, dtype=np.int16))
    assert seen[0].shape == (64, 64, 3)
    assert len({image.tobytes() for image in seen}) > 1
    assert np.abs(pixels(run.pictures()[0]) - seen[-1]).max() <= 1


@pytest.mark.parametrize("other", [{"seed": 8}, {"prompt": "a dog"}, {"negative_prompt": "fog"}])
def test_another_request_gives_another_picture(tiny: Engine, other: dict[str, object]) -> None:
    changed = tiny.generate(request(**other))
    assert not np.array_equal(pixels(tiny.generate(request())), pixels(changed))


@each_sampler(row for row in SAMPLERS if not row.adaptive)
def test_a_batch_changes_no_picture(tiny: Engine, row: Sampler, subtests: pytest.Subtests) -> None:
    """Different seeds and prompts at once, against each alone."""
    for cfg_scale in (1, 7):
        requests = [
            request(seed=seed, prompt=f"a fox {seed}", sampler=row.name, cfg_scale=cfg_scale)
            for seed in (3, 11, 12)
        ]
        for one, wanted in zip(together(tiny, *requests), requests, strict=True):
            with subtests.test(cfg_scale=cfg_scale, seed=wanted.seed):
                assert np.abs(pixels(one) - pixels(tiny.generate(wanted))).max() <= 1


def test_a_sampler_that_chooses_its_steps_takes_one_picture_at_a_time(tiny: Engine) -> None:
    alone = request(sampler="DPM adaptive", max_evals=13)
    with pytest.raises(UsageError, match="one picture at a time"):
        tiny.start([alone, alone])
    said: list[str] = []
    run = tiny.start([alone], say=said.append)
    steps = list(run)
    assert "before the end" in said[0]
    assert {step.steps for step in steps} == {None}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert 4 <= run.pictures()[0].evaluations <= 13


def test_steps_taken_and_taken_back_are_counted(tiny: Engine) -> None:
    run = tiny.start([request(sampler="DPM adaptive", rtol=0.02)])
    tries = len(list(run))
    [picture] = run.pictures()
    assert picture.tries is not None
    assert picture.tries.accepted + picture.tries.rejected == tries
    assert picture.evaluations == 3 * tries
    assert tiny.generate(request()).tries is None


def test_scale_1_skips_the_negative_half(tiny: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """At half the cost, the negative prompt means nothing."""
    rows: list[int] = []
    unet = tiny._components.backbone.network
    forward = unet.forward

    def watching(sample: torch.Tensor, *args: object, **kwargs: object) -> object:
        rows.append(len(sample))
        return forward(sample, *args, **kwargs)

    monkeypatch.setattr(unet, "forward", watching)
    with_negative = tiny.generate(request(cfg_scale=1, negative_prompt="fog"))
    assert set(rows) == {1}
    assert np.array_equal(pixels(with_negative), pixels(tiny.generate(request(cfg_scale=1))))
    rows.clear()
    tiny.generate(request(cfg_scale=2))
    assert set(rows) == {2}


def test_scale_0_is_the_negative_prompts_picture(tiny: Engine) -> None:
    ignored = tiny.generate(request(prompt="x", negative_prompt="a fox", cfg_scale=0))
    alone = tiny.generate(request(prompt="a fox", cfg_scale=1))
    assert np.abs(pixels(ignored) - pixels(alone)).max() <= 1


def test_prompts_of_any_length_work(tiny: Engine) -> None:
    """The tiny tokenizer spells: 200 letters are three chunks, against one for the negative."""
    long = "x" * 199
    changed = tiny.generate(request(prompt=long + "y"))
    assert not np.array_equal(pixels(tiny.generate(request(prompt=long + "z"))), pixels(changed))


def test_steps_and_evaluations_are_reported(tiny: Engine) -> None:
    run = tiny.start([request(sampler="Heun", steps=4)])
    steps = list(run)
    assert [step.index for step in steps] == [1, 2, 3, 4]
    assert [step.evaluations for step in steps] == [2, 4, 6, 7]
    assert {step.steps for step in steps} == {4}
    assert [step.done for step in steps] == [2 / 7, 4 / 7, 6 / 7, 1]
    assert run.pictures()[0].evaluations == 7


def test_a_picture_carries_the_request_that_makes_it_again(tiny: Engine) -> None:
    picture = tiny.generate(request())
    assert (picture.request.width, picture.request.height) == (64, 64)
    assert picture.image.size == (64, 64)
    assert np.array_equal(pixels(tiny.generate(picture.request)), pixels(picture))


def test_sizes_need_not_be_square(tiny: Engine) -> None:
    assert tiny.generate(request(width=72, height=104)).image.size == (72, 104)


def test_text_is_encoded_once(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.load(str(tiny_folder), device="cpu")
    encoder = engine._components.text_encoder
    assert isinstance(encoder, ClipEncoder)
    encoded: list[tuple[str, ...]] = []
    encode = encoder._encode

    def counted(texts: tuple[str, ...], *options: Any) -> list[Conditioning]:
        encoded.append(texts)
        return encode(texts, *options)

    monkeypatch.setattr(encoder, "_encode", counted)
    together(engine, request(seed=1), request(seed=2))
    engine.generate(request(seed=3))
    assert encoded == [("a fox",), ("",)]


def test_v_prediction_is_read_off_the_scheduler(tiny_folder: Path, tmp_path: Path) -> None:
    """The same weights mean another picture."""
    folder = write_tiny_model(tmp_path / "v", prediction="v_prediction")
    engine = Engine.load(str(folder), device="cpu")
    assert engine.model.prediction == "v_prediction"
    plain = Engine.load(str(tiny_folder), device="cpu")
    assert not np.array_equal(pixels(engine.generate(request())), pixels(plain.generate(request())))


def test_what_differs_in_more_than_prompt_and_seed_is_refused(tiny: Engine) -> None:
    with pytest.raises(UsageError, match="prompts and seeds only"):
        tiny.start([request(), request(steps=6)])


def test_nan_is_an_error_and_no_black_picture(
    tiny: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = tiny._components.backbone.network
    monkeypatch.setattr(
        unet, "forward", lambda sample, *_, **__: (torch.full_like(sample, torch.nan),)
    )
    with pytest.raises(SdcliError, match="NaN"):
        tiny.generate(request())


def test_a_vae_that_fails_in_half_precision_goes_on_in_fp32(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.load(str(tiny_folder), device="cpu", dtype="bf16")
    vae = engine._components.networks["vae"]
    decode = vae.decode

    def overflowing(latent: torch.Tensor, **kwargs: object) -> tuple[torch.Tensor]:
        [decoded] = decode(latent, **kwargs)
        return (decoded if vae.dtype == torch.float32 else decoded * torch.nan,)

    monkeypatch.setattr(vae, "decode", overflowing)
    said: list[str] = []
    run = engine.start([request()], say=said.append)
    for _ in run:
        pass
    [picture] = run.pictures()
    assert len(said) == 1
    assert "fp32" in said[0]
    assert pixels(picture).std() > 0


def test_running_out_of_memory_is_told(tiny: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tiny._components.backbone.network, "forward", full)
    with pytest.raises(SdcliError, match="out of memory while sampling") as caught:
        tiny.generate(request())
    assert caught.value.code == "memory"
    assert "--batch-size" in caught.value.hint


def test_pixels_are_truncated_as_a1111_does(tiny: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdcli.engine.vae.codec import decode

    class Flat:
        dtype = torch.float32

        def decode(self, latent: torch.Tensor, **_: object) -> tuple[torch.Tensor]:
            return (torch.tensor([-2.0, 0.0, 0.999]).reshape(1, 3, 1, 1),)

    [image] = decode(Flat(), torch.zeros(1, 4, 1, 1), space=LatentSpace(scale=1.0), say=print)
    assert isinstance(image, Image.Image)
    assert image.getpixel((0, 0)) == (0, 127, 254)


def test_what_a_sampler_sees_on_its_way(builtin: Engine, tmp_path: Path) -> None:
    """Without noise it is the picture itself; the more noise, the less of it."""
    picture = Image.new("RGB", (128, 128), "white")
    picture.paste((220, 40, 40), (32, 32, 96, 96))
    drawn = np.asarray(picture, np.float64)
    seen = [np.asarray(image, np.float64) for image in builtin.noised(picture, [0, 0.5, 2, 14.6])]
    errors = [np.square(image - drawn).mean() for image in seen]
    assert errors == sorted(errors)
    assert errors[0] < 100  # 28 dB
    assert errors[-1] > 20 * errors[0]


def test_clip_skip_is_a_text_encoder_without_its_last_layers(tiny: Engine, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.model.path, tmp_path / "shorter"))
    path = folder / "text_encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 1}))
    shorter = Engine.load(str(folder), device="cpu")
    wanted = shorter.text_encoder("a fox").context
    assert torch.equal(tiny.text_encoder("a fox", skip=2).context, wanted)
    one, two = (np.asarray(tiny.generate(request(clip_skip=skip)).image) for skip in (1, 2))
    assert not np.array_equal(one, two)
    with pytest.raises(UsageError, match="has 2 layers"):
        tiny.generate(request(clip_skip=3))


@torch.inference_mode()
def test_with_tiling_what_leaves_at_one_edge_enters_at_the_other(tiny: Engine) -> None:
    """Noise that is moved round moves the picture round, and no seam tells where it began."""
    parts = tiny._components
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    context = tiny.text_encoder("a fox").context

    def seen(latents: torch.Tensor) -> torch.Tensor:
        said = parts.backbone.network(
            latents, 500, encoder_hidden_states=context, return_dict=False
        )[0]
        decoded: torch.Tensor = parts.networks["vae"].decode(said, return_dict=False)[0]
        return decoded

    for wanted in (True, False):
        pad_around(parts.backbone.network, wanted)
        pad_around(parts.networks["vae"], wanted)
        moved = seen(x.roll((2, 4), (2, 3))).roll((-16, -32), (2, 3))
        assert torch.allclose(moved, seen(x), atol=1e-4) is wanted
    one, two = (np.asarray(tiny.generate(request(tiling=on)).image) for on in (True, False))
    assert not np.array_equal(one, two)
