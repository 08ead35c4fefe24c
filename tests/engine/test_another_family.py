"""A family of another kind is new classes and rows: a rectified flow with a network of its own.

Its network knows the clean latents and predicts exactly, so that every run must end at them; its
blocks allow nothing of what a UNet's do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from toys import RectifiedFlow

from sdcli.engine import Engine, Run
from sdcli.engine.adapters.lora import Loras
from sdcli.engine.backbones import Capabilities
from sdcli.engine.device import Placement
from sdcli.engine.speed.graphs import Graphs
from sdcli.engine.text import Conditioning, TextEncoder
from sdcli.engine.vae.codec import Codec
from sdcli.engine.weights.components import Components
from sdcli.errors import UsageError
from sdcli.models import Model
from sdcli.models.families import Family
from sdcli.models.latents import LatentSpace
from sdcli.prompts.emphasis import Emphasis
from sdcli.request import GenerationRequest
from sdcli.sampling import TrainingTable
from sdcli.sampling.paths import PATHS

SPACE = LatentSpace(channels=16, factor=8, scale=0.36, shift=0.12, multiple=16)
SIGMAS = tuple((i + 1) / 1000 for i in range(1000))
TABLE = TrainingTable(SIGMAS, tuple(float(np.log(sigma)) for sigma in SIGMAS))
CPU = torch.device("cpu")


class Transformer:
    """A Backbone that predicts n − x₀ of a picture that it knows."""

    name = "transformer"
    dtype = torch.float32
    capabilities = Capabilities()

    def __init__(self, clean: Tensor) -> None:
        self.network = nn.Linear(1, 1)
        self.clean = clean
        self.guidances: list[Tensor] = []

    def prepare(self, conditioning: Conditioning, *, width: int, height: int) -> Conditioning:
        rows = len(conditioning.context)
        return Conditioning(conditioning.context, None, {"guidance": torch.full((rows,), 3.5)})

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        self.guidances.append(conditioning.extras["guidance"])
        sigma = TABLE.sigma(float(t[0]))
        return (x - self.clean) / sigma

    def numbers(self, places: int) -> int:
        return places

    def attention_table(self, places: int) -> int:
        return places**2


class Letters(TextEncoder):
    """Reads a prompt as its length, and learns no words."""

    widths = ()

    def encode(
        self,
        texts: tuple[str, ...],
        *,
        skip: int = 1,
        negative: bool = False,
        emphasis: Emphasis = "original",
    ) -> list[Conditioning]:
        return [Conditioning(torch.full((1, 5, 4), float(len(text)))) for text in texts]

    def learn(self, name: str, vectors: Sequence[Tensor]) -> None:
        raise AssertionError

    def forget(self) -> None: ...

    def release(self) -> None: ...


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    flow: Any = "flow"
    monkeypatch.setattr("sdcli.models.model.PATHS", {**PATHS, flow: RectifiedFlow()})
    family = Family("toy", "toy flow", 4, flow, 64, SPACE, channels=16)
    model = Model("toy", Path(), family, flow, 64, SPACE, TABLE, {}, {}, ())
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        latent_channels=16,
    ).eval()
    backbone = Transformer(torch.randn(1, 16, 8, 8))
    networks = {"transformer": backbone.network, "vae": vae}
    codec = Codec(vae, space=SPACE, device=CPU)
    components = Components(networks, backbone, codec, Letters(), Loras(model, networks))
    return Engine(model, Placement(CPU, torch.float32), components)


def request(**asked: Any) -> GenerationRequest:
    usual = {"prompt": "a fox", "seed": 1, "steps": 5, "sampler": "Euler", "cfg_scale": 4}
    return GenerationRequest(**(usual | asked))


def latents_of(engine: Engine, **asked: Any) -> Tensor:
    run = engine.start([request(**asked)])
    assert isinstance(run, Run)
    for _ in run:
        pass
    return run.latents


def clean(engine: Engine) -> Tensor:
    backbone = engine._components.backbone
    assert isinstance(backbone, Transformer)
    return backbone.clean


@pytest.mark.parametrize(
    ("sampler", "off"),
    # The grids of the last two end a thousandth above 0.
    [("Euler", 2e-4), ("Heun", 2e-4), ("DPM++ 2M", 2e-4), ("DDIM", 0.02), ("UniPC", 0.02)],
)
def test_runs_end_at_what_the_network_knows(engine: Engine, sampler: str, off: float) -> None:
    latents = latents_of(engine, sampler=sampler)
    assert latents.shape == (1, 16, 8, 8)
    assert torch.allclose(latents, clean(engine), atol=off)


def test_pictures_are_those_latents_shifted_and_scaled(engine: Engine) -> None:
    [wanted] = engine._components.codec.decode(clean(engine), tiling=False, say=print)
    found = engine.start([request()])
    list(found)
    assert np.abs(np.asarray(found.pictures()[0].image, int) - np.asarray(wanted, int)).max() <= 1
    vae = engine._components.networks["vae"]
    with torch.inference_mode():
        raw = vae.decode(clean(engine) / 0.36 + 0.12).sample
    levels = ((raw[0] + 1) / 2).clamp(0, 1).mul(255).byte().permute(1, 2, 0)
    assert np.array_equal(np.asarray(wanted), levels.numpy())


def test_a_picture_enters_a_run_along_the_path(engine: Engine, picture: Path) -> None:
    """At σ it has (1 − σ) of the picture; a run of no step gives it back."""
    run = engine.start([request(init_img=str(picture), strength=0.5)])
    assert isinstance(run, Run)
    begin, tail, sampler = run._begin, run._tail, run._sampler
    assert tail is not None
    own, sigma = begin.picture(), tail.sigmas[0]
    assert 0 < sigma < 1
    noise = (begin.noised(tail, sampler) - (1 - sigma) * own) / sigma
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    assert torch.allclose(latents_of(engine, init_img=str(picture)), clean(engine), atol=2e-4)


def test_the_networks_own_inputs_reach_it(engine: Engine) -> None:
    latents_of(engine)
    backbone = engine._components.backbone
    assert isinstance(backbone, Transformer)
    assert {tuple(each.tolist()) for each in backbone.guidances} == {(3.5, 3.5)}


def test_its_calls_can_be_recorded(engine: Engine) -> None:
    """Whatever conditioning consists of is put in place of what was recorded."""
    seen: list[Tensor] = []

    class Echo(Transformer):
        def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
            seen.append(conditioning.context)
            return x + conditioning.context[:, :1, :1, None] + conditioning.extras["guidance"][0]

    def record(work: Any) -> tuple[Any, Tensor]:
        output = work().clone()
        return lambda: output.copy_(work()), output

    backbone = Echo(torch.zeros(1))
    graphs = Graphs(backbone, record)
    x, t = torch.randn(2, 16, 8, 8), torch.zeros(2)
    for number in (1.0, 2.0):
        given = backbone.prepare(Conditioning(torch.full((2, 5, 4), number)), width=64, height=64)
        assert torch.equal(graphs.predict(x, t, given), x + number + 3.5)
    assert len({context.data_ptr() for context in seen}) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"deep_cache": 2}, "--deep-cache: this model's transformer does not support it"),
        ({"pag_scale": 2.0}, "--pag-scale: this model's transformer does not support it"),
        ({"width": 72, "height": 64}, "both sides must be multiples of 16"),
    ],
    ids=["DeepCache", "PAG", "size"],
)
def test_what_it_cannot_do_is_refused(engine: Engine, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        engine.start([request(**asked)])
    assert message in f"{caught.value.message} {caught.value.hint}"


def test_token_merging_changes_nothing_and_says_so(engine: Engine) -> None:
    notices: list[str] = []
    engine.start([request(token_merging_ratio=0.5)], say=notices.append)
    assert notices == ["token merging has no effect on toy flow"]


def test_sizes_of_a_picture_to_begin_from_are_those_of_the_family(
    engine: Engine, picture: Path, tmp_path: Path
) -> None:
    from PIL import Image

    Image.open(picture).resize((90, 75)).save(tmp_path / "odd.png")
    found = engine.complete(request(init_img=str(tmp_path / "odd.png")))
    assert (found.width, found.height) == (80, 64)
