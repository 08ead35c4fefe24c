"""Denoisers: what is made of a UNet's output, and the guidance around it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sdcli.engine.backbones.unet import UNet
from sdcli.engine.denoise.denoiser import Denoiser
from sdcli.engine.denoise.wrappers import consistent
from sdcli.engine.text import Conditioning
from sdcli.engine.text.schedule import Line, Script
from sdcli.sampling.noise_tables import scaled_linear
from sdcli.sampling.paths import EPSILON, PATHS, Prediction

TABLE = scaled_linear()


def still(value: float = 0.0, length: int = 77, dtype: torch.dtype = torch.float32) -> Line:
    """A line that is told one thing throughout."""
    return Line(((0, Conditioning(torch.full((1, length, 4), value, dtype=dtype))),))


def script(lines: list[Line]) -> Script:
    return Script(lines)


class Oracle:
    """A UNet that knows the clean picture and says ε or v exactly; keeps what it was asked."""

    def __init__(self, clean: Tensor, prediction: Prediction) -> None:
        self.clean = clean
        self.prediction = prediction
        self.asked: list[tuple[Tensor, Tensor]] = []

    def __call__(self, x: Tensor, t: Tensor, **_: Any) -> tuple[Tensor]:
        self.asked.append((x, t))
        sigma = TABLE.sigma(t[0].item())
        alpha = 1 / math.sqrt(sigma**2 + 1)
        noise = (x.float() - alpha * self.clean) / (alpha * sigma)
        if self.prediction == "epsilon":
            return (noise,)
        return (alpha * noise - alpha * sigma * self.clean,)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 14.0])
def test_an_exact_unet_gives_the_clean_picture(prediction: Prediction, sigma: float) -> None:
    clean = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    unet = Oracle(clean, prediction)
    denoise = Denoiser(
        UNet(unet), script([still(), still()]), path=PATHS[prediction], timestep=TABLE.timestep
    )
    noisy = clean + sigma * torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(denoise(noisy, sigma), clean, atol=2e-3 * max(1, sigma))


def test_the_unet_is_asked_at_fractional_timesteps() -> None:
    unet = Oracle(torch.zeros(1, 4, 8, 8), "epsilon")
    denoise = Denoiser(UNet(unet), script([still()]), path=EPSILON, timestep=TABLE.timestep)
    denoise(torch.ones(1, 4, 8, 8), TABLE.sigma(500.5))
    [(_, t)] = unet.asked
    assert t.shape == (1,)
    assert t.item() == pytest.approx(500.5, abs=1e-2)


def test_in_half_precision_the_timestep_is_rounded_as_a1111_does() -> None:
    unet = Oracle(torch.zeros(1, 4, 8, 8), "epsilon")
    lines = [still(dtype=torch.float16)]
    denoise = Denoiser(UNet(unet), script(lines), path=EPSILON, timestep=TABLE.timestep)
    denoise(torch.ones(1, 4, 8, 8), TABLE.sigma(700.3))
    [(x, t)] = unet.asked
    assert (x.dtype, t.dtype) == (torch.float16, torch.float16)
    assert t.item() == 700.5  # halves are all that float16 holds there


def test_bf16_keeps_the_timestep() -> None:
    unet = Oracle(torch.zeros(1, 4, 8, 8), "epsilon")
    lines = [still(dtype=torch.bfloat16)]
    denoise = Denoiser(UNet(unet), script(lines), path=EPSILON, timestep=TABLE.timestep)
    assert denoise(torch.ones(1, 4, 8, 8), 14.0).dtype == torch.float32
    [(x, t)] = unet.asked
    assert (x.dtype, t.dtype) == (torch.bfloat16, torch.float32)


class Echo:
    """A UNet that says the first number it is told, row by row, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def __call__(
        self, x: Tensor, t: Tensor, encoder_hidden_states: Tensor, **_: Any
    ) -> tuple[Tensor]:
        assert len(x) == len(t) == len(encoder_hidden_states)
        self.asked.append(tuple(encoder_hidden_states.shape))
        return (encoder_hidden_states[:, 0, 0].reshape(-1, 1, 1, 1).expand_as(x),)


def test_rows_of_different_lengths_are_asked_apart_and_keep_their_places() -> None:
    unet = Echo()
    lines = [still(1.0), still(2.0, length=154), still(3.0)]
    denoise = Denoiser(UNet(unet), script(lines), path=EPSILON, timestep=TABLE.timestep)
    said = -denoise(torch.zeros(3, 4, 8, 8), 1.0)
    assert said[:, 0, 0, 0].tolist() == [1.0, 2.0, 3.0]
    assert unet.asked == [(2, 77, 4), (1, 154, 4)]
    assert denoise.evaluations == 1


def test_a_line_is_told_another_thing_when_its_call_comes() -> None:
    unet = Echo()
    first, second = still(1.0).at(0), still(2.0).at(0)
    lines = [Line(((2, first), (9, second))), still(5.0)]
    denoise = Denoiser(UNet(unet), script(lines), path=EPSILON, timestep=TABLE.timestep)
    said = [-denoise(torch.zeros(2, 4, 8, 8), 1.0)[:, 0, 0, 0] for _ in range(12)]
    # After the last stretch, which ends with call 9, A1111 is told the first one again.
    assert [row[0].item() for row in said] == [1.0] * 3 + [2.0] * 7 + [1.0] * 2
    assert {row[1].item() for row in said} == {5.0}


def test_a_consistency_model_believes_x_itself_where_no_noise_is_left() -> None:
    def five(x: Tensor, _: float) -> Tensor:
        return torch.full_like(x, 5.0)

    x = torch.full((1, 1, 1, 1), 3.0)
    assert consistent(five, lambda sigma: 0.0)(x, 0.03).item() == 3.0
    late = consistent(five, lambda sigma: 999.0)(x, 14.6).item()
    assert late == pytest.approx(5.0, abs=1e-5)
