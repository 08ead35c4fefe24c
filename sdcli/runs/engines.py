"""The model that is loaded while pictures are made, and its files' hashes: one at a time."""

from __future__ import annotations

from collections.abc import Sequence

from sdcli.models import Model
from sdcli.models.hashes import HashJob
from sdcli.models.library import hash_files
from sdcli.models.prefetch import read_ahead
from sdcli.notices import Say
from sdcli.request.settings import Settings
from sdcli.startup import fast_torch_import

from .events import Busy, Idle, Listener, Notice
from .plan import Job
from .protocols import PictureEngine


class Engines:
    """The engine that the last job asked for; the next one takes its place if it differs."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self._settings = settings
        self._listener = listener
        self._engine: PictureEngine | None = None
        self._loaded: tuple[Model, str] | None = None

    def replaces(self, model: Model, dtype: str) -> bool:
        """Return True if jobs of that model in that number format need another engine."""
        return self._loaded is not None and self._loaded != (model, dtype)

    def of(self, model: Model, dtype: str) -> PictureEngine:
        """Return the engine of that model. Raises SdcliError if it cannot be loaded."""
        if self._engine is None or self._loaded != (model, dtype):
            self._engine = None  # so that two are never held at once
            read_ahead(model)
            settings = self._settings.model_copy(update={"dtype": dtype})
            self._listener(Busy(f"loading {model.name}"))
            try:
                self._engine = load_engine(model, settings, self._warn)
            finally:
                self._listener(Idle())
            self._loaded = model, dtype
            if dtype == "auto" and self._engine.bf16_pays:
                hint = "hint: --dtype bf16 is about twice as fast here; pictures differ slightly"
                self._listener(Notice(hint))
        return self._engine

    def _warn(self, text: str) -> None:
        self._listener(Notice(text, warning=True))


def hash_jobs(jobs: Sequence[Job], settings: Settings) -> HashJob:
    """Begin to hash the files that make the pictures of these jobs, all of one model."""
    if settings.no_metadata:
        return HashJob()
    texts = {text for job in jobs for text in job.request.texts}
    loras = {tag.name for job in jobs for tag in job.request.tags}
    return hash_files(jobs[0].model, settings.models_folders, texts=texts, loras=loras)


def load_engine(model: Model, settings: Settings, warn: Say) -> PictureEngine:
    """Cross the wall: import torch and load the weights."""
    with fast_torch_import(compiling=settings.compile):
        from sdcli.engine import Engine

        return Engine.of(
            model,
            device=settings.device,
            dtype=settings.dtype,
            offload=settings.offload,
            compile=settings.compile,
            graphs=settings.cuda_graphs,
            say=warn,
            folders=settings.models_folders,
        )
