"""Muon: momentum whose every direction is made equally long (Jordan et al. 2024).

What a caption says of a small figure is a faint direction among strong ones. Adam learns the strong
ones first; with Muon the text decides pictures after hundreds of steps instead of thousands.
torch.optim.Muon takes matrices alone, and most of a UNet is convolutions.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

LEAST_SIDE = 16  # of a matrix: smaller ones have too few directions
# Newton–Schulz coefficients by Jordan et al.: five rounds bring singular values to 0.7 … 1.2.
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 5


def is_matrix(parameter: Tensor) -> bool:
    """Whether it is a matrix, or a convolution that can be seen as one."""
    if parameter.ndim < 2:
        return False
    return min(len(parameter), parameter[0].numel()) >= LEAST_SIDE


class Muon(torch.optim.Optimizer):
    """Updates have the length that AdamW's usually have, so that the two can share a rate."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        defaults = {"lr": rate, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # without a closure
        """One step along the evened momentum."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["mean"] = torch.zeros_like(parameter)
                state["mean"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(state["mean"], group["momentum"]).flatten(1)
                alike[tuple(ahead.shape)].append((parameter, ahead))
            for shape, pairs in alike.items():
                evened = even(torch.stack([ahead for _, ahead in pairs]))
                length = 0.2 * max(shape) ** 0.5  # AdamW's usual root mean square
                for (parameter, _), update in zip(pairs, evened, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update.view_as(parameter), alpha=-group["lr"] * length)


def even(matrices: Tensor) -> Tensor:
    """(N, rows, columns): the same matrices with all singular values brought near 1."""
    wide = matrices.size(1) <= matrices.size(2)
    x = (matrices if wide else matrices.mT).bfloat16()
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = A * x + (B * square + C * square @ square) @ x
    return (x if wide else x.mT).float().contiguous()
