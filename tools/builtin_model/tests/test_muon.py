"""The optimiser of the shipped model's denoiser."""

from __future__ import annotations

import pytest
import torch

from tools.builtin_model.muon import Muon, even, is_matrix


@pytest.mark.parametrize("shape", [(3, 24, 64), (2, 64, 24), (1, 32, 32)])
def test_every_direction_becomes_equally_long(shape: tuple[int, ...]) -> None:
    """Whatever their lengths were, over two powers of ten."""
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    uneven = u * torch.logspace(0, -2, min(shape[1:])) @ v
    values = torch.linalg.svdvals(even(uneven))
    assert values.min() > 0.3
    assert values.max() < 1.4
    # A direction stays itself: the product with the exactly evened matrix is near the identity.
    assert torch.allclose((u @ v * even(uneven)).sum((1, 2)), values.sum(1), rtol=0.05)


def test_it_goes_downhill() -> None:
    torch.manual_seed(0)
    goal = torch.randn(32, 4, 3, 3)
    weight = torch.nn.Parameter(torch.zeros_like(goal))
    optimiser = Muon([weight], 0.1, weight_decay=0)
    before = (weight - goal).square().mean().item()
    for _ in range(100):
        weight.grad = (weight - goal).detach()
        optimiser.step()
    assert (weight - goal).square().mean().item() < before / 10


def test_small_and_flat_parameters_are_no_matrices() -> None:
    assert is_matrix(torch.zeros(64, 4, 3, 3))
    assert not is_matrix(torch.zeros(4, 64, 3, 3))
    assert not is_matrix(torch.zeros(64))
