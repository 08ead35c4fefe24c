"""No sampler makes the host wait for the device: counted in what torch dispatches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from quick import each_sampler, slow
from torch.utils._python_dispatch import TorchDispatchMode

from sdcli.engine import Engine
from sdcli.request import GenerationRequest
from sdcli.sampling import Sampler

# What reads a number of a tensor, or makes a shape of its values: on a card each of them waits.
WAITING = {
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_dim",
    "_unique2", "item",
}  # fmt: skip
STEPS = 6


class Waits(TorchDispatchMode):
    """Counts the operations that would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        self.seen[name] += name in WAITING
        return func(*args, **(kwargs or {}))


def test_a_wait_is_seen() -> None:
    with Waits() as waits:
        float(torch.ones(2).sum())
        bool((torch.ones(2) > 0).all())
    assert +waits.seen == {"_local_scalar_dense": 2}


@each_sampler()
def test_no_step_waits_for_the_device(tiny: Engine, row: Sampler) -> None:
    """DPM adaptive must: the length of its next step depends on the error of each try."""
    request = GenerationRequest(
        prompt="a", sampler=row.name, steps=STEPS, seed=1, width=64, height=64
    )
    tiny.generate(request.model_copy(update={"sampler": "Euler", "steps": 1}))  # packs, compares
    run = tiny.start([request])
    tries = 0
    with Waits() as waits:
        for step in run:
            tries += 1
            if tries == STEPS or step.done == 1:
                break  # what comes after the last step, a look for NaN, waits once a run
    assert sum(waits.seen.values()) == (tries if row.adaptive else 0)


@pytest.mark.parametrize(
    "changes",
    [{"deep_cache": 3, "ngms": 99}, slow({"deep_cache": 3}), slow({"token_merging_ratio": 0.5})],
)
def test_no_gain_waits_for_it(builtin: Engine, changes: dict[str, Any]) -> None:
    request = GenerationRequest(prompt="[a|b]", steps=STEPS, seed=1, **changes)
    builtin.generate(request)  # weights are packed at the first call, and compared
    with Waits() as waits:
        for step in builtin.start([request]):
            if step.done == 1:
                break
    assert not +waits.seen
