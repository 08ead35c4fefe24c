"""The rows of whole processes: what is felt after Enter."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial

from sdcli.models import find

from .clock import process
from .race import OURS, THEIRS, LeftOut, Row
from .setup import GUIDANCE, PROMPT

_IMPORT = "from diffusers import StableDiffusionPipeline"
_ENGINE = "import sdcli.startup as wall\nwith wall.fast_torch_import():\n    import sdcli.engine"
_STEPS = 20
# DDIM, for the scheduler that the folder names calls the model once more than it has steps.
_PICTURES = f"""
import sys
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
model, count, folder = sys.argv[1:]
pipeline = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32)
pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
pipeline.set_progress_bar_config(disable=True)
prompts = [{PROMPT!r}] * int(count)
made = pipeline(prompts, num_inference_steps={_STEPS}, guidance_scale={GUIDANCE})
for number, image in enumerate(made.images):
    image.save(f"{{folder}}/{{number}}.png")
"""


def rows(_: argparse.Namespace) -> Iterator[Row | LeftOut]:
    """Commands beside importing the pipeline; then pictures of the model that ships."""
    theirs = partial(process, "-c", _IMPORT)
    commands: dict[str, Callable] = {
        "--help": partial(process, "-m", "sdcli", "--help"),
        "samplers": partial(process, "-m", "sdcli", "samplers"),
        "imports of gen": partial(process, "-c", _ENGINE),
    }
    for name, ours in commands.items():
        yield Row(name, "s", {OURS: ours, THEIRS: theirs})
    with tempfile.TemporaryDirectory() as folder:
        made = ["-m", "sdcli", "gen", PROMPT, "--device", "cpu", "--cfg", str(GUIDANCE)]
        made += ["-S", "DDIM", "--steps", str(_STEPS), "-o", f"{folder}/"]
        model = str(find("builtin").path)
        for count in (1, 8):
            columns = {
                OURS: partial(process, *made, "-c", str(count)),
                THEIRS: partial(process, "-c", _PICTURES, model, str(count), folder),
            }
            name = f"start to exit, {count} picture{'s' if count > 1 else ''}"
            yield Row(name, "s", columns)
