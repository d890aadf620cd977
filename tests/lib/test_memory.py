"""The garbage collector of a long-running process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from hub.lib import memory


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_collector_runs_less_often_while_modules_load() -> None:
    before = gc.get_threshold()
    frozen = gc.get_freeze_count()
    memory.collect_less_often()
    assert gc.get_threshold() == (memory.GENERATION_0_THRESHOLD, *before[1:])
    assert gc.get_freeze_count() == frozen, "garbage is still found"


def test_collector_skips_loaded_objects_and_runs_less_often() -> None:
    before = gc.get_threshold()
    memory.keep_loaded_objects()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == (memory.GENERATION_0_THRESHOLD, *before[1:])
