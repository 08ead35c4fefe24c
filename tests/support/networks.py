"""The networks of a loaded engine, for tests that look inside."""

from __future__ import annotations

from collections.abc import Sequence

from sdcli.engine import Engine
from sdcli.engine.text.clip import Clip, ClipEncoder


def clips(engine: Engine) -> Sequence[Clip]:
    """Return the CLIPs of an engine of Stable Diffusion."""
    encoder = engine.text_encoder
    assert isinstance(encoder, ClipEncoder)
    return encoder.clips
