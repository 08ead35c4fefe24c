"""SamplingFields: the part of a request that says how its noise becomes a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from sdcli.request.fields import ModelSize, field_error, flag
from sdcli.sampling import AUTOMATIC, SAMPLERS

if TYPE_CHECKING:
    from sdcli.request.request import GenerationRequest


class SamplingFields(BaseModel):
    """Sampler, schedule, guidance, seed and noise, each with its flag, its limits and its help."""

    sampler: Annotated[
        str,
        Field(description="Any A1111 name, old or new, or an alias; see `sdcli samplers`."),
        flag("--sampler", "-S", panel="Sampling", metavar="NAME"),
    ] = SAMPLERS[0].name
    scheduler: Annotated[
        str,
        Field(description="Schedule type; Automatic is the sampler's own."),
        flag("--scheduler", panel="Sampling", metavar="NAME"),
    ] = AUTOMATIC
    steps: Annotated[
        int,
        Field(ge=1, le=1000, description="Sampling steps, 1 to 1000."),
        flag("--steps", panel="Sampling", metavar="N"),
    ] = 20
    cfg_scale: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            description="How closely to follow the prompt; 1 turns guidance off at half the cost.",
        ),
        flag("--cfg-scale", "--cfg", panel="Sampling", metavar="X"),
    ] = 7.0
    seed: Annotated[
        int,
        Field(ge=0, lt=2**64, description="Number, list or range (7 or 1,2,5-8); -1 is random."),
        flag("--seed", "-s", panel="Sampling", metavar="SEEDS"),
    ]
    eta: Annotated[
        float | None,
        Field(ge=0, description="How much noise to add back at each step."),
        flag("--eta", panel="Sampling", metavar="X"),
    ] = None
    s_churn: Annotated[
        float | None,
        Field(ge=0, description="Noise to add before each step, spread over the run."),
        flag("--s-churn", panel="Sampling", metavar="X"),
    ] = None
    s_tmin: Annotated[
        float | None,
        Field(ge=0, description="Lowest sigma at which churn acts."),
        flag("--s-tmin", panel="Sampling", metavar="SIGMA"),
    ] = None
    s_tmax: Annotated[
        float | None,
        Field(gt=0, description="Highest sigma at which churn acts."),
        flag("--s-tmax", panel="Sampling", metavar="SIGMA"),
    ] = None
    s_noise: Annotated[
        float | None,
        Field(gt=0, description="Strength of the added noise."),
        flag("--s-noise", panel="Sampling", metavar="X"),
    ] = None
    rtol: Annotated[
        float | None,
        Field(gt=0, le=1, description="Relative error tolerance of a step."),
        flag("--rtol", panel="Sampling", metavar="X"),
    ] = None
    atol: Annotated[
        float | None,
        Field(gt=0, le=1, description="Absolute error tolerance of a step."),
        flag("--atol", panel="Sampling", metavar="X"),
    ] = None
    max_evals: Annotated[
        int | None,
        Field(ge=1, description="Stop after this many model calls and keep the best estimate."),
        flag("--max-evals", panel="Sampling", metavar="N"),
    ] = None
    sigma_min: Annotated[
        float | None,
        Field(gt=0, description="Last sigma of the schedule."),
        flag("--sigma-min", panel="Sampling", metavar="SIGMA"),
    ] = None
    sigma_max: Annotated[
        float | None,
        Field(gt=0, description="First sigma of the schedule."),
        flag("--sigma-max", panel="Sampling", metavar="SIGMA"),
    ] = None
    rho: Annotated[
        float | None,
        Field(gt=0, description="Curvature of the Karras schedule."),
        flag("--rho", panel="Sampling", metavar="X"),
    ] = None
    sigmas: Annotated[
        tuple[float, ...] | None,
        Field(description="Your own sigmas instead of a schedule: decreasing, comma separated."),
        flag("--sigmas", panel="Sampling", metavar="LIST"),
    ] = None
    timesteps: Annotated[
        tuple[float, ...] | None,
        Field(description="Your own timesteps, or sections:10,15,20 to respace them."),
        flag("--timesteps", panel="Sampling", metavar="LIST"),
    ] = None
    rng: Annotated[
        Literal["nv", "cpu", "gpu"],
        Field(description="Noise source; nv matches an NVIDIA card on every device."),
        flag("--rng", panel="Sampling", metavar="nv|cpu|gpu"),
    ] = "nv"
    ensd: Annotated[
        int,
        Field(
            ge=0,
            lt=2**32,
            description="A1111's eta noise seed delta: added to the seed after the first noise.",
        ),
        flag("--ensd", panel="Sampling", metavar="N"),
    ] = 0


_PANEL = "Variations"


class VariationFields(BaseModel):
    """What A1111 has under "Extra": another seed's noise mixed in, and noise of another size."""

    variation_strength: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="How far to go from the seed's noise toward the variation seed's.",
        ),
        flag("--variation-strength", panel=_PANEL, metavar="0-1"),
    ] = 0.0
    variation_seed: Annotated[
        int | None,
        Field(ge=0, lt=2**64, description="Seed of the variation; -1, or none, is random."),
        flag("--variation-seed", panel=_PANEL, metavar="SEED"),
    ] = None
    seed_resize: Annotated[
        ModelSize | None,
        Field(description="Keep the composition that this seed has at another size."),
        flag("--seed-resize", panel=_PANEL, metavar="WxH"),
    ] = None


def check_variation(request: GenerationRequest) -> None:
    """Raise a field error for a variation that lacks its seed or its strength, or a bad size."""
    if request.variation_strength and request.variation_seed is None:
        raise field_error("variation_strength", "there is no variation seed")
    if request.variation_seed is not None and not request.variation_strength:
        raise field_error("variation_seed", "it has no effect at variation strength 0")
    if request.variation_strength and request.invert:
        raise field_error("variation_strength", "an inversion starts from the picture's own noise")
    if request.seed_resize is not None and request.invert:
        raise field_error("seed_resize", "an inversion starts from the picture's own noise")
