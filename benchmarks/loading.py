"""Times loading a checkpoint of Stable Diffusion 1's size, beside diffusers, and what it takes.

    python -m benchmarks.loading --work DIR [--repeats 5] [--cold]

A checkpoint of random weights (2 GB, fp16) is written to DIR once, as a single file and as a
folder. Each line is a process of its own, in its file's own number format on the CPU: `load` is
from the first byte to the last page touched, imports apart; `ready` from the process's start;
`peak` the most memory that it held beside what it held before loading. They run in turn (A B C A B
C …); medians. With --cold the files are first dropped from the system's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH, VOCABULARY = 768, 49_407  # one word less than CLIP's, so that no tokenizer is fetched
GROUPS = {
    "sdcli, single file": "ours_file",
    "diffusers, single file": "theirs_file",
    "sdcli, folder": "ours_folder",
    "diffusers, folder": "theirs_folder",
}


def main() -> None:
    """Print the table; or, called by itself, one measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for 4 GB of weights")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--measure", choices=GROUPS.values(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measure(options.measure, options.work)))
        return
    write(options.work)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in GROUPS}
    for _ in range(options.repeats):
        for name, kind in GROUPS.items():
            if options.cold:
                drop(options.work)
            rows[name].append(in_its_own_process(kind, options.work))
    size = (options.work / "model.safetensors").stat().st_size / 2**30
    print(f"{size:.2f} GiB on disk, {'cold' if options.cold else 'warm'} cache")
    print(f"{'':<24}{'load s':>9}{'ready s':>9}{'peak GiB':>10}{'of the file':>13}")
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in rows.items()
    }
    for name, found in medians.items():
        peak = found["peak"] / 2**30
        line = f"{name:<24}{found['load']:>9.2f}{found['ready']:>9.2f}"
        print(f"{line}{peak:>10.2f}{peak / size:>13.2f}")
    for form in ("single file", "folder"):
        ours, theirs = (medians[f"{who}, {form}"] for who in ("sdcli", "diffusers"))
        load, ready = (ours[key] / theirs[key] for key in ("load", "ready"))
        print(f"{form}: load {load:.2f} and ready {ready:.2f} of diffusers'")


def in_its_own_process(kind: str, work: Path) -> dict[str, float]:
    """One measurement of a way to load."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.loading", "--work", str(work), "--measure", kind]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - started
    found: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return {**found, "ready": whole}


def _measure(kind: str, work: Path) -> dict[str, float]:
    load = _LOADERS[kind](work)
    before = held()
    started = time.perf_counter()
    networks = load(work)
    for network in networks:
        for parameter in network.parameters():
            # One number of every page is enough to have it in memory.
            parameter.detach().flatten()[:: 4096 // parameter.element_size()].float().sum()
    return {"load": time.perf_counter() - started, "peak": held() - before}


def held() -> float:
    """The most memory that this process has held, bytes."""
    status = Path("/proc/self/status")
    if not status.is_file():  # getrusage counts what ran before exec, too, but is everywhere
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(most if sys.platform == "darwin" else most * 1024)
    lines = status.read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return float(peak) * 1024


def _ours(name: str) -> Callable[[Path], Callable[[Path], list[Any]]]:
    def imported(work: Path) -> Callable[[Path], list[Any]]:
        from sdcli.models import find
        from sdcli.models.prefetch import read_ahead
        from sdcli.startup import fast_torch_import

        read_ahead(find(str(work / name)))
        with fast_torch_import():
            from sdcli.engine import Engine

        def load(work: Path) -> list[Any]:
            with fast_torch_import():
                engine = Engine.load(str(work / name), device="cpu", dtype="fp16")
            parts = engine._components
            return list(parts.networks.values())

        return load

    return imported


def _theirs(*, single: bool) -> Callable[[Path], Callable[[Path], list[Any]]]:
    def imported(_: Path) -> Callable[[Path], list[Any]]:
        import torch
        from diffusers import StableDiffusionPipeline

        def load(work: Path) -> list[Any]:
            settings = {"torch_dtype": torch.float16, "local_files_only": True}
            if single:
                pipeline = StableDiffusionPipeline.from_single_file(
                    str(work / "model.safetensors"), config=str(work / "folder"), **settings
                )
            else:
                pipeline = StableDiffusionPipeline.from_pretrained(work / "folder", **settings)
            return [pipeline.unet, pipeline.vae, pipeline.text_encoder]

        return load

    return imported


_LOADERS = {
    "ours_file": _ours("model.safetensors"),
    "ours_folder": _ours("folder"),
    "theirs_file": _theirs(single=True),
    "theirs_folder": _theirs(single=False),
}


def write(work: Path) -> None:
    """Both forms of the checkpoint, unless they are there."""
    if (work / "model.safetensors").is_file():
        return
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from sdcli.engine.weights.convert import to_folder, to_single_file
    from sdcli.models import find

    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=64, cross_attention_dim=WIDTH, block_out_channels=(320, 640, 1280, 1280)
    )
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=512,
    )
    shape = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 12}
    text = CLIPTextModel(CLIPTextConfig(vocab_size=VOCABULARY, eos_token_id=2, **shape))
    draft = work / "draft"
    to_folder(find("builtin"), draft)  # its tokenizer, scheduler and list of parts
    for name, network in {"unet": unet, "vae": vae, "text_encoder": text}.items():
        network.half().save_pretrained(draft / name)
    draft.rename(work / "folder")
    to_single_file(find(str(work / "folder")), work / "model.safetensors")


def drop(work: Path) -> None:
    """Ask the system to forget the files' contents."""
    for path in work.rglob("*.safetensors"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
