"""Crossing the wall leaves the garbage collector as it was, with less to look at."""

from __future__ import annotations

import gc

import pytest

from sdcli.startup import fast_torch_import


def test_what_is_made_there_is_never_looked_at_again() -> None:
    try:
        with fast_torch_import():
            assert not gc.isenabled()
            kept: list[list[int]] = [[] for _ in range(1000)]
        assert gc.isenabled()
        looked_at = {id(item) for item in gc.get_objects()}
        assert not any(id(item) in looked_at for item in kept)
    finally:
        gc.unfreeze()


def test_garbage_is_collected_again_after_a_failure() -> None:
    try:
        with pytest.raises(ValueError, match="no model"), fast_torch_import():
            raise ValueError("no model")
        assert gc.isenabled()
    finally:
        gc.unfreeze()
