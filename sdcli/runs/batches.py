"""Which pictures are made at once: those that are alike, as many as are worth it."""

from __future__ import annotations

from collections.abc import Sequence

from sdcli.request import GenerationRequest
from sdcli.request.settings import Settings

from .costs import Costs
from .plan import Job
from .protocols import PictureEngine

# Where nothing was measured yet: beyond these more at once is seldom faster, and the first of them
# comes later.
_PIXELS_AT_ONCE = {"cuda": 8 * 1024 * 1024, "mps": 1024 * 1024, "cpu": 1024 * 1024}
_AT_FIRST = 8
_MOST_AT_ONCE = 16
_WORTH = 0.97  # of another size's cost: what is no better than that is no better
_QUICK = 0.002  # seconds of a call, below which chance decides
_TRIES = 4  # batches that are left to gain by what one tries


def by_model(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs of each model in each number format, in the order of their first ones."""
    lists: list[list[Job]] = []
    for job in jobs:
        of = job.model, job.dtype
        same = next((each for each in lists if (each[0].model, each[0].dtype) == of), None)
        if same is None:
            lists.append([job])
        else:
            same.append(job)
    return lists


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return groups of one model's jobs that can be made together."""
    lists: dict[str, list[Job]] = {}
    for job in jobs:
        lists.setdefault(repr(job.request.shared), []).append(job)
    return list(lists.values())


def batch_size(
    engine: PictureEngine,
    settings: Settings,
    request: GenerationRequest,
    *,
    remaining: int,
    costs: Costs,
) -> int:
    """Return how many pictures to make at once: as asked, or as many as fit and are worth it.

    `left` are still to be made, and `costs` are known. A sampler that chooses its own steps does so
    for each picture alone.
    """
    if request.adaptive:
        return 1
    if settings.batch_size != "auto":
        return settings.batch_size
    whole = engine.complete(request).passes[-1]
    pixels = (whole.width or 1) * (whole.height or 1)
    most = max(1, min(_MOST_AT_ONCE, engine.fits(request)))
    worth = min(_AT_FIRST, _PIXELS_AT_ONCE[engine.placement.device.type] // pixels)
    # Another size would have to be compiled first.
    costs = {} if settings.compile else costs
    return _cheapest(costs, max(1, min(worth, most)), most=most, remaining=remaining)


def _cheapest(costs: Costs, first: int, *, most: int, remaining: int) -> int:
    """Return the size at which a picture takes least, of equals the smallest.

    `first` before anything else, where so many are left; then twice the best and half of it, where
    enough are left to gain by it.
    """
    known = sorted(n for n, cost in costs.items() if n <= most and n * cost >= _QUICK)
    if not known or (first not in known and remaining >= first):
        return first
    best = known[0]
    for count in known:
        if costs[count] < _WORTH * costs[best]:
            best = count
    others = (count for count in (2 * best, best // 2) if 1 <= count <= most)
    untried = (count for count in others if count not in costs and remaining >= _TRIES * count)
    return next(untried, best)
