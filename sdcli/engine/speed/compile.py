"""Compiling a backbone: block by block, by torch.compile, whose work is kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from platformdirs import user_cache_path

from sdcli.engine.backbones import Backbone, required
from sdcli.engine.device import Placement
from sdcli.errors import UsageError

from .packing import packs

_CACHE = "TORCHINDUCTOR_CACHE_DIR"  # torch's own variable, which wins
_SHAPES = 64  # of one kind of block: some fifteen for each size of picture


def compile_blocks(backbone: Backbone, placement: Placement, say: Callable[[str], None]) -> bool:
    """Let torch compile each block of a backbone at its first call of a shape; whether it will.

    Blocks, not the whole network: like ones share their code, so that it takes a fraction of the
    time, and nearly all that is to be gained is in them. Where weights are packed for oneDNN
    nothing is gained, as was measured, and nothing is compiled. Raises UsageError where torch
    cannot compile, or there are no such blocks.
    """
    if packs(placement):
        say("--compile gains nothing on this CPU, where weights are packed already: not compiling")
        return False
    _check(placement.device.type)
    blocks = required(backbone.capabilities.compiled_blocks, "--compile", backbone)
    cache = _cache()
    limits: Any = getattr(torch, "_dynamo", None) and torch._dynamo.config
    if hasattr(limits, "recompile_limit"):  # else torch gives up compiling a little earlier
        limits.recompile_limit = max(limits.recompile_limit, _SHAPES)
    for block in backbone.network.modules():
        if isinstance(block, blocks):
            block.forward = torch.compile(block.forward, dynamic=False)
    say(
        "compiling takes a minute or two at the first step of each new picture size, and "
        f"seconds if {cache} has it from an earlier run"
    )
    return True


def _cache() -> str:
    """Return the folder of compiled code: one that stays, unless another was chosen."""
    try:
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        temporary = default_cache_dir()  # which torch sets as if it were chosen
    except ImportError:  # torch's own, which has moved before
        temporary = ""
    if os.environ.get(_CACHE, temporary) == temporary:
        os.environ[_CACHE] = str(user_cache_path("sdcli", appauthor=False) / "code")
    return os.environ[_CACHE]


def _check(device: str) -> None:
    if device == "mps":
        raise UsageError("--compile: torch compiles for CUDA and for CPUs", "leave --compile out")
    try:
        if device == "cuda":
            from torch.utils._triton import has_triton

            able = has_triton()
        else:
            from torch._inductor.cpp_builder import get_cpp_compiler

            able = bool(get_cpp_compiler())
    except RuntimeError:  # what torch raises where it finds no compiler
        able = False
    except ImportError:  # torch's own question, which may move: it will say so itself
        able = True
    if not able:
        needed = "Triton" if device == "cuda" else "a C++ compiler"
        raise UsageError(
            f"--compile: torch needs {needed} for this, and cannot find it", "leave --compile out"
        )
