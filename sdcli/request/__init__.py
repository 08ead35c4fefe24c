"""The request: everything that is needed to make one picture again, as one schema."""

from .request import GenerationRequest

__all__ = ["GenerationRequest"]
