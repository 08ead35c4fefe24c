"""The pretended card refuses what the true one does, and does the rest as the CPU does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from devices.cuda import Cuda
from devices.pretended import Refused, pretended
from torch import Tensor
from torch.nn import functional as F

TABLE = torch.arange(4.0)
"""On the CPU."""


def there(*shape: int) -> Tensor:
    return torch.ones(shape or (2, 3), device="cuda")


def zero() -> Tensor:
    return torch.zeros(1, dtype=torch.long)


def in_a_thread() -> Tensor:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result() + there()


REFUSED: dict[str, Callable[[], Any]] = {
    "a CPU tensor beside it": lambda: there() + torch.ones(3),
    "a CPU mask": lambda: there().masked_fill(torch.ones(2, 3) > 0, 1.0),
    "a CPU condition": lambda: torch.where(torch.ones(2, 3) > 0, there(), 0.0),
    "cat": lambda: torch.cat([there(), torch.ones(2, 3)]),
    "stack": lambda: torch.stack([torch.ones(2, 3), there()]),
    "a product": lambda: there() @ torch.ones(3, 2),
    "a bias": lambda: F.linear(there(), there(4, 3), torch.ones(4)),
    "a layer": lambda: torch.nn.Conv2d(3, 4, 3)(there(1, 3, 4, 4)),
    "ids of the CPU": lambda: F.embedding(zero(), there()),
    "index_select": lambda: there().index_select(0, zero()),
    "gather": lambda: there().gather(1, zero()[None]),
    "a scalar where none is taken": lambda: torch.index_select(there(), 0, torch.tensor(0)),
    "quantile": lambda: torch.quantile(there(), torch.ones(1)),
    "two CPU scalars": lambda: torch.addcmul(there(), TABLE[1], TABLE[2]),
    "adding to the CPU": lambda: torch.ones(2, 3).add_(there()),
    "a scalar of the CPU as a target": lambda: torch.tensor(1.0).add_(there()[0, 0]),
    "out on the CPU": lambda: torch.add(there(), 1, out=torch.empty(2, 3)),
    "a CPU tensor indexed": lambda: TABLE[zero().to("cuda")],
    "values of the CPU": lambda: there().index_put_((zero(),), torch.ones(3)),
    "a generator of the CPU": lambda: torch.randn(2, generator=torch.Generator(), device="cuda"),
    "a generator of the card for the CPU": lambda: torch.randn(
        2, generator=torch.Generator("cuda")
    ),
    "numpy": lambda: there().numpy(),
    "down without waiting": lambda: there().to("cpu", non_blocking=True),
    "copied down without waiting": lambda: torch.ones(2).copy_(there(2), non_blocking=True),
    "another library's operator": lambda: torch.ops.mkldnn._linear_pointwise(
        there(), there(3, 3), None, "none", [], ""
    ),
}

ALLOWED: dict[str, Callable[[], Tensor]] = {
    "float64": lambda: there().double(),
    "a CPU scalar, any": lambda: there() * TABLE[2],
    "an index of the CPU": lambda: there()[torch.tensor([0, 1])],
    "a target indexed by the CPU": lambda: there().index_put_((zero(),), there(3)),
    "one value of the CPU": lambda: there().index_put_((zero(),), torch.tensor(1.0)),
    "a fill by a CPU scalar": lambda: there().masked_fill(there() > 0, TABLE[2]),
    "up without waiting": lambda: torch.ones(2).to("cuda", non_blocking=True),
    "a generator of the card": lambda: torch.randn(
        2, generator=torch.Generator("cuda").manual_seed(1), device="cuda"
    ),
    "two threads": in_a_thread,
    "a layer": lambda: torch.nn.Conv2d(3, 4, 3).to("cuda")(there(1, 3, 4, 4)),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_a_card_refuses(rule: str) -> None:
    with pretended(Cuda()), torch.no_grad(), pytest.raises(Refused):
        REFUSED[rule]()


@pytest.mark.parametrize("rule", ALLOWED)
def test_what_a_card_does(rule: str) -> None:
    with pretended(Cuda()), torch.no_grad():
        made = ALLOWED[rule]()
        assert made.device == torch.device("cuda:0")
        assert made.is_cuda
        assert torch.isfinite(made.cpu()).all()


def test_without_it_there_is_no_card() -> None:
    before = torch.cuda.is_available()
    with pretended(Cuda()):
        assert torch.cuda.is_available()
    assert torch.cuda.is_available() is before
