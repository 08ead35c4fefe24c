"""Sdcli's side: the engine as the command line loads it."""

from __future__ import annotations

import inspect
from typing import Any

from .race import Failed
from .setup import BOTH, COMPILED, EAGER, GRAPHS, GUIDANCE, PROMPT, Setup

_ASKED = {EAGER: (), COMPILED: ("compile",), GRAPHS: ("graphs",), BOTH: ("compile", "graphs")}


class Ours:
    """A loaded engine."""

    def __init__(self, setup: Setup) -> None:
        from sdcli.models import find
        from sdcli.models.prefetch import read_ahead
        from sdcli.startup import fast_torch_import

        read_ahead(find(setup.model))
        with fast_torch_import():
            from sdcli.engine import Engine

            wanted = _ASKED[setup.mode]
            able = inspect.signature(Engine.load).parameters
            if missing := [word for word in wanted if word not in able]:
                raise Failed(f"Engine.load takes no {missing[0]}= in this version")
            ways: dict[str, Any] = dict.fromkeys(wanted, True)
            self._engine = Engine.load(setup.model, device=setup.device, dtype=setup.dtype, **ways)
        self._size = setup.size

    def step(self, pictures: int, steps: int) -> object:
        """The engine keeps what it has read of a prompt, so this reads none but the first time."""
        run = self._engine.start(self._requests(pictures, steps))
        for _ in run:
            pass
        return run

    def picture(self, pictures: int, steps: int) -> object:
        """With the prompt read anew."""
        self._engine.text_encoder.forget()
        run: Any = self.step(pictures, steps)
        return run.pictures()

    def decode(self) -> object:
        """As the engine's own decode, but for the way from pixels to a picture."""
        import torch

        vae = self._engine._components.networks["vae"]
        latents = torch.zeros(
            1, 4, self._size // 8, self._size // 8, dtype=vae.dtype, device=vae.device
        )
        with torch.inference_mode():
            return vae.decode(latents, return_dict=False)

    def _requests(self, pictures: int, steps: int) -> list[Any]:
        from sdcli.request import GenerationRequest

        size = {"width": self._size, "height": self._size}
        how = {"sampler": "Euler", "steps": steps, "cfg_scale": GUIDANCE}
        return [
            GenerationRequest(prompt=PROMPT, seed=seed, **size, **how) for seed in range(pictures)
        ]
