"""Owns what a job is known by in a journal, today and when its file is run again."""

from __future__ import annotations

import hashlib
from collections import Counter

from sdcli.models import Model
from sdcli.models.hashes import digest_of

from .planning import Job, Plan


class Keys:
    """The keys of a plan's jobs: of what is asked for, of the model's files, of those alike before.

    Neither the job's number nor its row is in them, so rows may be added to a file and moved.
    """

    def __init__(self, plan: Plan) -> None:
        counts: Counter[str] = Counter()
        self._before: dict[int, int] = {}
        for job in plan.jobs:
            self._before[job.number] = counts[job.identity]
            counts[job.identity] += 1
        self._models: list[tuple[Model, str]] = []

    def of(self, job: Job) -> str:
        """64 hexadecimal digits. Raises ModelError for a model's file that cannot be read."""
        parts = (job.identity, self._digest(job.folder), str(self._before[job.number]))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _digest(self, model: Model) -> str:
        for known, digest in self._models:
            if known == model:
                return digest
        self._models.append((model, digest_of(model)))
        return self._models[-1][1]
