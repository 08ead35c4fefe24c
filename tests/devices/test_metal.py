"""The pretended Metal refuses what the true one does, and does the rest as the CPU does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from devices.kernels import operators
from devices.metal import Metal
from devices.pretended import OnDevice, Refused, pretended
from torch import Tensor
from torch.nn import functional as F

TABLE = torch.arange(4.0)
"""On the CPU; its items are views with an offset."""


def there(*shape: int) -> Tensor:
    return torch.ones(shape or (2, 3), device="mps")


def heads() -> tuple[Tensor, Tensor, Tensor]:
    """A query, a key and a value."""
    return there(1, 1, 2, 8), there(1, 1, 2, 8), there(1, 1, 2, 8)


def weight() -> Tensor:
    return there(4, 3, 3, 3).to(memory_format=torch.channels_last)


def in_a_thread() -> Tensor:
    there()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(there).result()


REFUSED: dict[str, Callable[[], Any]] = {
    "double": lambda: there().double(),
    "to float64": lambda: there().to(torch.float64),
    "zeros of float64": lambda: torch.zeros(2, dtype=torch.float64, device="mps"),
    "float64 of the CPU": lambda: torch.zeros(2, dtype=torch.float64).to("mps"),
    "float64 on the way down": lambda: there().to("cpu", torch.float64),
    "a tensor of float64": lambda: torch.tensor([0.5], dtype=torch.float64, device="mps"),
    "promotion to float64": lambda: there()[0, 0] * torch.tensor(2.0, dtype=torch.float64),
    "complex128": lambda: torch.zeros(2, dtype=torch.complex128, device="mps"),
    "float8": lambda: there().to(torch.float8_e4m3fn),
    "sums of uint16": lambda: torch.ones(2, dtype=torch.uint16, device="mps") + 1,
    "17 dimensions": lambda: there(*[1] * 17),
    "sparse": lambda: OnDevice(torch.eye(2).to_sparse(), Metal()),
    "4 GiB": lambda: there(1).expand(2**30, 1),
    "no kernel": lambda: torch.special.ndtri(there()),
    "a factorization": lambda: torch.linalg.ldl_factor(there(2, 2)),
    "eigenvalues": lambda: torch.linalg.eigvals(there(2, 2)),
    "logspace": lambda: torch.logspace(0, 1, 3, device="mps"),
    "mode": lambda: there().mode(),
    "Airy's function": lambda: torch.special.airy_ai(there()),
    "integer convolution": lambda: F.conv2d(there(1, 3, 4, 4).long(), there(4, 3, 3, 3).long()),
    "integer product": lambda: there(2, 2).long() @ there(2, 2).long(),
    "median of booleans": lambda: (there() > 0).median(),
    "a CPU tensor beside it": lambda: there() + torch.ones(3),
    "a CPU tensor in a list": lambda: torch.cat([there(), torch.ones(2, 3)]),
    "a CPU tensor in quantile": lambda: torch.quantile(there(), torch.ones(1)),
    "a CPU scalar in a product": lambda: torch.index_select(there(), 0, torch.tensor(0)),
    "a CPU scalar with an offset": lambda: there() * TABLE[2],
    "two CPU scalars": lambda: torch.addcmul(there(), TABLE[0], TABLE[0]),
    "adding to the CPU": lambda: torch.ones(2, 3).add_(there()),
    "a scalar of the CPU as a target": lambda: torch.tensor(1.0).add_(there()[0, 0]),
    "a CPU tensor indexed": lambda: TABLE[torch.zeros(1, dtype=torch.long, device="mps")],
    "values of the CPU": lambda: there().index_put_((torch.tensor([0]),), torch.ones(3)),
    "a generator of the CPU": lambda: torch.randn(2, generator=torch.Generator(), device="mps"),
    "a generator of Metal for the CPU": lambda: torch.randn(2, generator=torch.Generator("mps")),
    "up without waiting": lambda: torch.ones(2).to("mps", non_blocking=True),
    "down without waiting": lambda: there().to("cpu", non_blocking=True),
    "copied up without waiting": lambda: there(2).copy_(torch.ones(2), non_blocking=True),
    "copied down in another format": lambda: torch.ones(2).half().copy_(there(2)),
    "pinned": lambda: torch.empty(2, pin_memory=True),
    "numpy": lambda: there().numpy(),
    "a weight that lies otherwise": lambda: F.conv2d(there(1, 3, 4, 4), weight()),
    "an input that lies otherwise": lambda: F.conv2d(
        there(1, 4, 4, 3).permute(0, 3, 1, 2), there(4, 3, 3, 3)
    ),
    "sorting a transpose": lambda: there().T.sort(),
    "lerp from infinity": lambda: torch.lerp(there() / 0, there(), 0.5),
    "dropout in attention": lambda: F.scaled_dot_product_attention(*heads(), dropout_p=0.5),
    "a mask in causal attention": lambda: F.scaled_dot_product_attention(
        *heads(), attn_mask=there(2, 2), is_causal=True
    ),
    "uneven pooling": lambda: F.adaptive_avg_pool2d(there(1, 1, 5, 5), 2),
    "antialiased bytes": lambda: F.interpolate(
        there(1, 1, 4, 4).byte(), size=(2, 2), mode="bilinear", antialias=True
    ),
    "another library's operator": lambda: torch.ops.mkldnn._linear_pointwise(
        there(), there(3, 3), None, "none", [], ""
    ),
    "two threads": in_a_thread,
}

ALLOWED: dict[str, Callable[[], Tensor]] = {
    "CPU float64 cast on the way up": lambda: torch.ones(2, dtype=torch.float64).to(
        "mps", torch.float32
    ),
    "numbers of Python": lambda: torch.where(there() > 0, 1.0, there().half()) * 0.5,
    "a CPU scalar": lambda: there() * TABLE[0] + torch.tensor(2.0, dtype=torch.float64),
    "an index of the CPU": lambda: there()[torch.tensor([0, 1])],
    "integers": lambda: there().long().cumsum(1).sort().values,
    "a view": lambda: there()[:, 1:].unflatten(1, (1, -1)).transpose(0, 1),
    "what is written in place": lambda: there().index_put_(
        (torch.tensor([0], device="mps"),), there(3)
    ),
    "quantile": lambda: torch.quantile(there(), 0.5, dim=1),
    "linear": lambda: F.linear(there(), there(4, 3), there(4)),
    "attention": lambda: F.scaled_dot_product_attention(*heads()),
    "a layer": lambda: torch.nn.Conv2d(3, 4, 3).to("mps")(there(1, 3, 4, 4)),
    "a norm": lambda: torch.nn.GroupNorm(3, 3).to("mps", torch.bfloat16)(
        there(1, 3, 4, 4).bfloat16()
    ),
    "circular padding": lambda: F.pad(there(1, 3, 4, 4), (1, 1, 1, 1), mode="circular"),
    "enlarging": lambda: F.interpolate(
        there(1, 3, 4, 4), size=(8, 8), mode="bicubic", antialias=True
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_metal_refuses(rule: str) -> None:
    with pretended(Metal()), torch.no_grad(), pytest.raises(Refused):
        REFUSED[rule]()


@pytest.mark.parametrize("rule", ALLOWED)
def test_what_metal_does(rule: str) -> None:
    with pretended(Metal()), torch.no_grad():
        made = ALLOWED[rule]()
        assert made.device == torch.device("mps:0")
        assert made.is_mps
        assert torch.isfinite(made.cpu()).all()


def test_without_it_nothing_is_refused() -> None:
    with pretended(Metal()):
        pass
    assert torch.ones(2, dtype=torch.float64).double().sum() == 2
    assert not torch.backends.mps.is_available()


def test_views_share_what_they_are_of() -> None:
    with pretended(Metal()), torch.no_grad():
        whole = torch.zeros(2, 2, device="mps")
        part = whole[0]
        assert part.mul_(0).add_(3) is part
        whole[1] = part * 2
        assert whole.tolist() == [[3, 3], [6, 6]]
        assert (whole.sum().item(), whole[1].storage_offset()) == (18, 2)


def test_the_table_is_that_of_metal() -> None:
    """Some that are known: #145526 (2.7), #149378 (2.8), #181736."""
    table = operators()
    assert len(table) > 2000
    kernels = ("add.Tensor", "convolution_overrideable", "_upsample_bicubic2d_aa", "sort.stable")
    assert {name: table[name].metal for name in ("add.Tensor", "sort.stable")} == {
        "add.Tensor": "kernel",
        "sort.stable": "kernel",
    }
    assert table["_upsample_bicubic2d_aa"].metal == "kernel", kernels
    assert table["linalg_eig"].metal == "none"
    assert table["linear"].metal in ("composite", "kernel")
    assert not table["add.Tensor"].checked
    assert table["cat"].checked
