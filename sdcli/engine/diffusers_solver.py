"""The adapter that lets a scheduler of diffusers take a sampler's place."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sdcli.errors import UsageError
from sdcli.sampling import Denoise, Noise, Sampler
from sdcli.sampling.noise_tables import TrainingTable
from sdcli.sampling.schedules.spacings import uniform
from sdcli.sampling.trace import TracedStep

# Pixels are clipped to their range; latents have none.
_ALWAYS = {"prediction_type": "epsilon", "clip_sample": False}


class DiffusersSolver:
    """A scheduler class of diffusers with a Sampler's methods.

    It runs as `pipe.scheduler = Class.from_config(pipe.scheduler.config)` would, but calls the
    denoiser, and draws its noise from the image's own stream. `timesteps` are set
    instead of a number of steps where given; few classes take them. Raises UsageError for a number
    of steps that the class does not take.
    """

    def __init__(
        self,
        sampler: Sampler,
        config: Mapping[str, Any],
        table: TrainingTable,
        *,
        steps: int,
        timesteps: Sequence[int] | None = None,
    ) -> None:
        self._dialect = _DIALECTS.get(sampler.scheduler, _Epsilon)(table)
        self.scheduler = self._dialect.make(_class_of(sampler), config, steps)
        stops = {"num_inference_steps": steps} if timesteps is None else {"timesteps": timesteps}
        try:
            self.scheduler.set_timesteps(**stops)
        except (ValueError, IndexError) as error:
            raise UsageError(f"{sampler.name} cannot take {steps} steps: {error}") from error
        levels = enumerate(self.scheduler.timesteps)
        self.sigmas = (*(self._dialect.sigma(self.scheduler, i, t) for i, t in levels), 0.0)

    def start_scale(self, sigmas: tuple[float, ...]) -> float:
        """Return what the first, unit-variance noise is multiplied by."""
        return float(self.scheduler.init_noise_sigma)

    def total_evaluations(self, sigmas: tuple[float, ...]) -> int:
        """Return the number of model calls of the run."""
        return len(sigmas) - 1

    def trace(self, sigmas: tuple[float, ...]) -> list[TracedStep]:
        """Return the model calls of the run; each is a step to diffusers."""
        return [TracedStep((sigma,)) for sigma in sigmas[:-1]]

    def solve(
        self,
        denoise: Denoise[Tensor],
        x: Tensor,
        sigmas: tuple[float, ...],
        noise: Noise[Tensor],
        **options: float,
    ) -> Iterator[Tensor]:
        """Yield the scheduler's state after every model call; the last one is the picture."""
        scheduler, dialect = self.scheduler, self._dialect
        device = x.device
        # Schedulers multiply x by items of tables on the CPU. Of those Metal takes the first number
        # of the table, without an error, until torch 2.14 (pytorch #187229, diffusers #14368).
        home = torch.device("cpu") if device.type == "mps" else device

        def draw(start: float, end: float, /) -> Tensor:
            return noise(start, end).to(home)

        x = x.to(home)
        along_a_path = hasattr(scheduler, "noise_sampler")
        if along_a_path:
            scheduler.noise_sampler = lambda start, end: draw(float(start), float(end))
        for t, (sigma, sigma_next) in zip(scheduler.timesteps, pairwise(sigmas), strict=True):
            latents = dialect.latents(scheduler.scale_model_input(x, t), x, sigma)
            denoised = denoise(latents.to(device), sigma).to(home)
            output = dialect.output(denoised, latents, sigma)
            with nullcontext() if along_a_path else _OurNoise(draw, sigma, sigma_next):
                x = scheduler.step(output, t, x, return_dict=False, **options)[0]
            yield x.to(device)


class _OurNoise(TorchFunctionMode):
    """Inside it torch draws normal noise from an image's own stream, not from torch's generator."""

    def __init__(self, noise: Noise[Tensor], sigma: float, sigma_next: float) -> None:
        super().__init__()
        self._draw = partial(noise, sigma, sigma_next)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in (torch.randn, torch.randn_like):
            return self._draw()
        return func(*args, **(kwargs or {}))


class _Epsilon:
    """What most classes do: they give the model latents of unit variance, and take its noise."""

    def __init__(self, table: TrainingTable) -> None:
        self._table = table

    def make(self, scheduler: type[Any], config: Mapping[str, Any], steps: int) -> Any:
        known = inspect.signature(scheduler.__init__).parameters
        settings = {**config, **_ALWAYS}
        return scheduler(**{key: value for key, value in settings.items() if key in known})

    def sigma(self, scheduler: Any, index: int, timestep: Tensor) -> float:
        return self._table.sigma(float(timestep))

    def latents(self, scaled: Tensor, x: Tensor, sigma: float) -> Tensor:
        """Return x₀ + σ·noise, of the scheduler's model input and its state."""
        return scaled * math.sqrt(1 + sigma**2)

    def output(self, denoised: Tensor, latents: Tensor, sigma: float) -> Tensor:
        """Return the model output that the scheduler takes, of x̂₀ and those latents."""
        return (latents - denoised) / sigma


class _Angle(_Epsilon):
    """IPNDM's: latents of unit variance, velocity as the output, and no table of its own."""

    def make(self, scheduler: type[Any], config: Mapping[str, Any], steps: int) -> Any:
        self._sigmas = uniform(steps, table=self._table)
        return scheduler(trained_betas=[s / math.sqrt(1 + s**2) for s in self._sigmas])

    def sigma(self, scheduler: Any, index: int, timestep: Tensor) -> float:
        return self._sigmas[index]

    def output(self, denoised: Tensor, latents: Tensor, sigma: float) -> Tensor:
        epsilon = super().output(denoised, latents, sigma)
        return (epsilon - sigma * denoised) / math.sqrt(1 + sigma**2)


class _Preconditioned(_Epsilon):
    """EDM's: latents x₀ + σ·noise, and the output that c_skip and c_out make x̂₀ of."""

    def make(self, scheduler: type[Any], config: Mapping[str, Any], steps: int) -> Any:
        return scheduler(sigma_min=self._table.sigma_min, sigma_max=self._table.sigma_max)

    def sigma(self, scheduler: Any, index: int, timestep: Tensor) -> float:
        # Rounding may carry the ends out of the table.
        sigma = float(scheduler.sigmas[index])
        return min(max(sigma, self._table.sigma_min), self._table.sigma_max)

    def latents(self, scaled: Tensor, x: Tensor, sigma: float) -> Tensor:
        return x

    def output(self, denoised: Tensor, latents: Tensor, sigma: float) -> Tensor:
        spread = 0.5  # the classes' own sigma_data
        variance = sigma**2 + spread**2
        return (denoised - latents * (spread**2 / variance)) * (
            math.sqrt(variance) / (sigma * spread)
        )


_DIALECTS: dict[str, type[_Epsilon]] = {
    "IPNDMScheduler": _Angle,
    "EDMEulerScheduler": _Preconditioned,
    "EDMDPMSolverMultistepScheduler": _Preconditioned,
}


def _class_of(sampler: Sampler) -> type[Any]:
    import diffusers

    scheduler: type[Any] = getattr(diffusers, sampler.scheduler)
    # In place of a class that it cannot import diffusers has one that names what it lacks.
    for package in getattr(scheduler, "_backends", []):
        if package != "torch":
            raise UsageError(
                f"{sampler.name} needs {package}, which is not installed", f"pip install {package}"
            )
    return scheduler
