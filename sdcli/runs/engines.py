"""Owns the model that is loaded while pictures are made, and its files' hashes: one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sdcli import models
from sdcli.cli import console as ui
from sdcli.models.hashes import Told
from sdcli.models.library import find_lora, in_texts, library
from sdcli.models.prefetch import read_ahead
from sdcli.request.settings import Settings
from sdcli.startup import crossing

from .plan import Job

if TYPE_CHECKING:
    from sdcli.engine import Engine


class Loaded:
    """The engine that the last job asked for; the next one takes its place if it differs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._what: tuple[models.Model, str] | None = None

    def other_than(self, folder: models.Model, dtype: str) -> bool:
        """Whether jobs of that model in that number format make this one go."""
        return self._what is not None and self._what != (folder, dtype)

    def of(self, folder: models.Model, dtype: str) -> Engine:
        """The engine of that model. Raises SdcliError if it cannot be loaded."""
        if self._engine is None or self._what != (folder, dtype):
            self._engine = None  # so that two are never held at once
            read_ahead(folder)
            settings = self._settings.model_copy(update={"dtype": dtype})
            with ui.status(f"loading {folder.name}"):
                self._engine = load_engine(folder, settings)
            self._what = folder, dtype
            if dtype == "auto" and self._engine.bf16_pays:
                ui.say("hint: --dtype bf16 is about twice as fast here; pictures differ slightly")
        return self._engine


def hashes_of(jobs: Sequence[Job], settings: Settings) -> Told:
    """Of the files that make the pictures of these jobs, all of one model."""
    if settings.no_metadata:
        return Told()
    model, folders = jobs[0].folder, settings.models_folders
    known = {item.name: item.path for item in library(folders, "embedding")}
    used = in_texts(known, {text for job in jobs for text in job.request.texts})
    tags = {tag.name for job in jobs for tag in job.request.tags}
    return Told(
        model=None if model.header is None else model.path,
        vae=model.vae.path if model.vae else None,
        loras={name: find_lora(name, folders) for name in sorted(tags)},
        embeddings={name: known[name] for name in used},
    )


def load_engine(folder: models.Model, settings: Settings) -> Engine:
    """Cross the wall: import torch and load the weights."""
    with crossing(compiling=settings.compile):
        from sdcli.engine import Engine

        return Engine.of(
            folder,
            device=settings.device,
            dtype=settings.dtype,
            offload=settings.offload,
            compile=settings.compile,
            graphs=settings.cuda_graphs,
            say=ui.warn,
            folders=settings.models_folders,
        )
