"""The research shelf: each scheduler of diffusers gives the picture that diffusers itself gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from quick import each_sampler

from sdcli.cli import main
from sdcli.engine import Engine
from sdcli.engine.diffusers_solver import DiffusersSolver
from sdcli.errors import UsageError
from sdcli.models.families import STABLE_DIFFUSION
from sdcli.request import GenerationRequest
from sdcli.sampling import Sampler, resolve
from sdcli.sampling.diffusers_rows import SHELF
from sdcli.sampling.noise_tables import scaled_linear

# Their models are of another kind, so that no Stable Diffusion pipeline runs them; or the noise is
# a path that diffusers grows from a seed of its own.
FOREIGN = (
    "IPNDMScheduler",
    "EDMEulerScheduler",
    "EDMDPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
)
OF_THE_PIPELINE = [row for row in SHELF if row.scheduler not in FOREIGN]


@pytest.fixture(scope="module")
def pipeline(tiny_folder: Path) -> StableDiffusionPipeline:
    """diffusers' own, on the tiny model."""
    found = StableDiffusionPipeline.from_pretrained(
        tiny_folder, torch_dtype=torch.float32, local_files_only=True
    )
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture(scope="module")
def scheduling(pipeline: StableDiffusionPipeline) -> Any:
    """The configuration of the model's own scheduler."""
    return pipeline.scheduler.config


@each_sampler(OF_THE_PIPELINE)
def test_the_picture_is_that_of_diffusers_own_pipeline(
    tiny: Engine, pipeline: StableDiffusionPipeline, scheduling: Any, row: Sampler
) -> None:
    """torch's own noise, so that both draw the same: at most 2 levels apart."""
    wanted = GenerationRequest(
        prompt="a red circle", sampler=row.name, steps=6, cfg_scale=3, seed=5, rng="cpu"
    )
    picture = tiny.generate(wanted)

    pipeline.scheduler = getattr(diffusers, row.scheduler).from_config(scheduling)
    pipeline.scheduler.register_to_config(clip_sample=False)
    oracle = pipeline(
        wanted.prompt,
        num_inference_steps=wanted.steps,
        guidance_scale=wanted.cfg_scale,
        generator=torch.Generator().manual_seed(wanted.seed),
        height=64,
        width=64,
        eta=row.options.get("eta", 0.0),
    ).images[0]

    difference = np.asarray(picture.image, np.int16) - np.asarray(oracle, np.int16)
    assert np.abs(difference).max() <= 2
    assert np.asarray(oracle).std() > 1


@pytest.mark.parametrize("row", SHELF, ids=lambda row: row.name)
def test_a_sure_model_gets_its_picture(row: Sampler) -> None:
    """Whatever a class asks and does, a model that believes in one picture ends there.

    Schedulers whose last timestep is not 0 σ keep that little noise; TCD and LCM believe less.
    """
    torch.manual_seed(0)
    truth = torch.rand(2, 4, 8, 8) - 0.5
    solver = DiffusersSolver(row, STABLE_DIFFUSION, scaled_linear(), steps=20)
    x = torch.randn(truth.shape) * solver.start_scale(solver.sigmas)
    asked: list[float] = []

    def denoise(_: torch.Tensor, sigma: float, /) -> torch.Tensor:
        asked.append(sigma)
        return truth

    for state in solver.solve(denoise, x, solver.sigmas, lambda *_: torch.randn(truth.shape)):
        x = state
    assert (x - truth).abs().max() < 0.15
    assert asked == list(solver.sigmas[:-1])
    assert len(asked) == solver.total_evaluations(solver.sigmas)


@each_sampler(SHELF)
def test_few_steps_work(row: Sampler, subtests: pytest.Subtests) -> None:
    truth = torch.zeros(1, 4, 8, 8)
    for steps in (1, 2, 3):
        with subtests.test(steps=steps):
            solver = DiffusersSolver(row, STABLE_DIFFUSION, scaled_linear(), steps=steps)
            x = torch.randn(truth.shape) * solver.start_scale(solver.sigmas)
            for state in solver.solve(
                lambda x, sigma: truth, x, solver.sigmas, lambda *_: torch.randn(truth.shape)
            ):
                x = state
            assert torch.isfinite(x).all()


def test_a_name_on_both_shelves_is_ours() -> None:
    for name in ("ddim", "euler", "heun", "unipc", "deis", "lcm", "ddpm", "ipndm"):
        assert not resolve(name).scheduler
        assert resolve(f"diffusers:{name}").scheduler
    assert resolve("DDIMScheduler") == resolve("diffusers:ddim")
    assert resolve("multistep_dpm_solver") == resolve("DPMSolverMultistepScheduler")


def test_explain_tells_where_it_goes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["sdcli", "explain", "diffusers:heun", "--steps=4", "--json"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    facts = json.loads(capsys.readouterr().out)
    assert facts["evaluations"] == 7
    assert facts["steps"][0]["timestep"] == 999


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("diffusers:ddim", {"eta": 1.0}),
        ("diffusers:tcd", {"eta": 1.0}),
        ("diffusers:euler", {"s_churn": 20.0}),
        ("diffusers:ddpm", {"ensd": 5}),
    ],
)
def test_its_options_are_obeyed(tiny: Engine, sampler: str, options: dict[str, float]) -> None:
    plain = GenerationRequest(prompt="a", sampler=sampler, steps=4, seed=1)
    changed = GenerationRequest(**plain.model_dump(exclude=set(options)), **options)
    one, other = (np.asarray(tiny.generate(request).image) for request in (plain, changed))
    assert not np.array_equal(one, other)


def test_a_batch_changes_no_picture(tiny: Engine) -> None:
    requests = [
        GenerationRequest(prompt="a", sampler="diffusers:euler_ancestral", steps=4, seed=seed)
        for seed in (1, 2)
    ]
    run = tiny.start(requests)
    for _ in run:
        pass
    together = [np.asarray(picture.image, np.int16) for picture in run.pictures()]
    alone = [np.asarray(tiny.generate(request).image, np.int16) for request in requests]
    assert all(np.abs(a - b).max() <= 1 for a, b in zip(together, alone, strict=True))


def test_more_steps_than_a_distilled_model_learned_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot take 60 steps"):
        DiffusersSolver(resolve("LCMScheduler"), STABLE_DIFFUSION, scaled_linear(), steps=60)


@pytest.mark.parametrize("steps", [1, 4, 7, 50])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_our_tcd_walks_as_its_authors_do(steps: int, eta: float) -> None:
    """State for state; but the last one loses the noise of timestep 0, which theirs keeps."""
    ours = resolve("TCD")
    theirs = DiffusersSolver(
        resolve("TCDScheduler"), STABLE_DIFFUSION, scaled_linear(), steps=steps
    )
    sigmas = ours.sigmas(steps)
    assert theirs.sigmas == pytest.approx(sigmas, rel=1e-5)
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def denoise(x: torch.Tensor, sigma: float, /) -> torch.Tensor:
        return torch.tanh(x / (1 + sigma**2))

    def walk(solver: Sampler | DiffusersSolver, x: torch.Tensor) -> list[torch.Tensor]:
        stream = torch.Generator().manual_seed(1)
        levels = sigmas if solver is ours else theirs.sigmas
        return list(
            solver.solve(
                denoise, x, levels, lambda *_: torch.randn(x.shape, generator=stream), eta=eta
            )
        )

    unit = (1 + sigmas[0] ** 2) ** 0.5
    pairs = zip(walk(ours, start * unit), walk(theirs, start), sigmas[1:-1], strict=False)
    for mine, wanted, sigma in pairs:
        assert torch.allclose(mine / (1 + sigma**2) ** 0.5, wanted, atol=2e-5)
