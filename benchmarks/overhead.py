"""Times sdcli's loop against diffusers' StableDiffusionPipeline: same model, steps and batch.

    python -m benchmarks.overhead [--model builtin] [--steps 20] [--batch 1] [--repeats 15]

Both run in this process, in turn (A B A B …), so that a busy machine slows both alike; medians.
`loop` has the text embeddings given and ends at the latents; `picture` is from prompt to pixels.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

from sdcli.engine import Engine
from sdcli.request import GenerationRequest

PROMPT = "a red house in the snow at night"


def main() -> None:
    """Print the table, or JSON."""
    options = _options()
    engine = Engine.load(options.model)
    pipeline = _pipeline(engine)
    requests = [
        GenerationRequest(prompt=PROMPT, sampler="Euler", steps=options.steps, seed=seed)
        for seed in range(options.batch)
    ]
    embeddings = _embeddings(engine, options.batch)

    def our_loop() -> None:
        for _ in engine.start(requests):
            pass

    def our_picture() -> None:
        run = engine.start(requests)
        for _ in run:
            pass
        run.pictures()

    def their_loop() -> None:
        pipeline(
            **embeddings, num_inference_steps=options.steps, guidance_scale=7, output_type="latent"
        )

    def their_picture() -> None:
        pipeline([PROMPT] * options.batch, num_inference_steps=options.steps, guidance_scale=7)

    rows = {
        "loop": _race(our_loop, their_loop, options.repeats),
        "picture": _race(our_picture, their_picture, options.repeats),
    }
    if options.json:
        print(json.dumps({"device": str(engine.placement), **vars(options), "rows": rows}))
        return
    print(
        f"{options.model}, {engine.placement}, torch {torch.__version__}, "
        f"{options.steps} steps, batch {options.batch}, {options.repeats} repeats; ms"
    )
    print(f"{'':<9}{'sdcli':>18}{'diffusers':>20}{'ratio':>16}")
    for name, row in rows.items():
        print(f"{name:<9}{_cell(row['sdcli'])}{_cell(row['diffusers'])}{row['ratio']:>16.3f}")
    print(
        "median (least–most); ratio = median of diffusers / sdcli, pair by pair: above 1, we lead"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _pipeline(engine: Engine) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(
        engine.model.path, torch_dtype=engine.placement.dtype, local_files_only=True
    ).to(engine.placement.device)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace"
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _embeddings(engine: Engine, batch: int) -> dict[str, torch.Tensor]:
    encoder = engine.text_encoder
    return {
        "prompt_embeds": encoder(PROMPT).context.expand(batch, -1, -1),
        "negative_prompt_embeds": encoder("").context.expand(batch, -1, -1),
    }


def _race(ours: Callable[[], None], theirs: Callable[[], None], repeats: int) -> dict[str, Any]:
    for warm_up in (ours, theirs):
        warm_up()
    times: dict[str, list[float]] = {"sdcli": [], "diffusers": []}
    for _ in range(repeats):
        for name, run in (("sdcli", ours), ("diffusers", theirs)):
            started = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(1000 * (time.perf_counter() - started))
    ratios = [b / a for a, b in zip(times["sdcli"], times["diffusers"], strict=True)]
    return {**times, "ratio": statistics.median(ratios)}


def _cell(times: list[float]) -> str:
    return f"{statistics.median(times):>7.0f} ({min(times):.0f}–{max(times):.0f})".rjust(19)


if __name__ == "__main__":
    main()
