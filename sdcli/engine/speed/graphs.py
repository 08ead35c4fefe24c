"""Owns CUDA graphs of a UNet: a call's kernels recorded once, and launched as one from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .attention import prompts_read_anew

Replay = Callable[[], object]
Recorder = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]
"""From what is to be recorded to what does it again, and the tensor that then has the answer."""

_WARM_UP = 3  # calls in which libraries choose their kernels


def on_cuda(device: torch.device) -> Recorder:
    """What records the kernels launched on that card, as torch's documentation asks for.

    Streams and graphs are those of the current device; what runs on another is not recorded, and a
    replay gives its old answer, without an error (pytorch #87894).
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
                answer = work()

        def replay() -> None:
            with torch.cuda.device(device):
                graph.replay()

        return replay, answer

    return record


@dataclass(frozen=True, slots=True)
class _Recorded:
    given: dict[str, Tensor]
    replay: Replay
    answer: Tensor


class Graphs:
    """In the place of a UNet whose weights and layers stay as they are; else `forget` first.

    A graph for each shape of what it is given. Its answer lasts until the next call.
    """

    def __init__(self, unet: Any, record: Recorder) -> None:
        self._unet = unet
        self._record = record
        self._known: dict[tuple[Any, ...], _Recorded] = {}

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: Tensor,
        added_cond_kwargs: Mapping[str, Tensor] | None,
        return_dict: bool,
    ) -> tuple[Tensor]:
        """As the UNet's without its `return_dict`."""
        assert not return_dict
        given = {
            "sample": sample,
            "timestep": timestep,
            "encoder_hidden_states": encoder_hidden_states,
            **(added_cond_kwargs or {}),
        }
        key = tuple((name, tensor.shape, tensor.dtype) for name, tensor in given.items())
        if key not in self._known:
            self._known[key] = self._recorded(given)
        known = self._known[key]
        for name, tensor in given.items():
            known.given[name].copy_(tensor)
        known.replay()
        return (known.answer,)

    def _recorded(self, given: dict[str, Tensor]) -> _Recorded:
        own = {name: tensor.clone() for name, tensor in given.items()}
        asked = dict(own)
        usual = {name: asked.pop(name) for name in ("sample", "timestep", "encoder_hidden_states")}

        def work() -> Tensor:
            with prompts_read_anew(self._unet):  # for other prompts will be put in their place
                said = self._unet(**usual, added_cond_kwargs=asked or None, return_dict=False)
            answer: Tensor = said[0]
            return answer

        return _Recorded(own, *self._record(work))

    def forget(self) -> None:
        """Record anew from now on."""
        self._known.clear()
