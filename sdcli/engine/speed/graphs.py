"""CUDA graphs of a backbone: a call's kernels recorded once, and launched as one from then on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sdcli.engine.backbones import Backbone
from sdcli.engine.text import Conditioning

from .attention import prompts_read_anew

Replay = Callable[[], object]
Recorder = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
"""From what is to be recorded to what does it again, and the tensor that then has the output."""

_WARM_UP = 3  # calls in which libraries choose their kernels


def on_cuda(device: torch.device) -> Recorder:
    """Return what records the kernels launched on that card, as torch's documentation asks for.

    Streams and graphs are those of the current device; what runs on another is not recorded, and a
    replay gives its old output, without an error (pytorch #87894).
    """

    def record(work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        with torch.cuda.device(device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    work()
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Another thread may be decoding the pictures before.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                output = work()

        def replay() -> None:
            with torch.cuda.device(device):
                graph.replay()

        return replay, output

    return record


@dataclass(frozen=True, slots=True)
class _Recorded:
    inputs: dict[str, Tensor]
    replay: Replay
    output: Tensor


class Graphs:
    """In the place of a backbone whose weights and layers stay as they are; else `forget` first.

    A graph for each shape of its inputs. An output lasts until the next call.
    """

    def __init__(self, backbone: Backbone, record: Recorder) -> None:
        self._backbone = backbone
        self._record = record
        self._known: dict[tuple[Any, ...], _Recorded] = {}

    def predict(self, x: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """Predict as the backbone does."""
        inputs = {"x": x, "t": t, **conditioning.tensors()}
        key = tuple((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items())
        if key not in self._known:
            self._known[key] = self._recorded(inputs, conditioning)
        known = self._known[key]
        for name, tensor in inputs.items():
            known.inputs[name].copy_(tensor)
        known.replay()
        return known.output

    def _recorded(self, inputs: dict[str, Tensor], conditioning: Conditioning) -> _Recorded:
        own = {name: tensor.clone() for name, tensor in inputs.items()}
        own_conditioning = conditioning.with_tensors(own)

        def work() -> Tensor:
            # Other prompts will be put in the place of these.
            with prompts_read_anew(self._backbone.network):
                return self._backbone.predict(own["x"], own["t"], own_conditioning)

        return _Recorded(own, *self._record(work))

    def forget(self) -> None:
        """Record anew from now on."""
        self._known.clear()
