"""The local copy of a partition on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import rocksdict

from streams.app.store import PartitionState, open_partition
from streams.durable.headers import epoch_header, log_record
from streams.durable.reading import Progress
from streams.settings import TOMBSTONES_MS

NOW = 1_790_000_000_000


@pytest.fixture
def cache() -> rocksdict.Cache:
    return rocksdict.Cache(1 << 20)


def _written(path: Path, cache: rocksdict.Cache, as_of: int) -> Progress:
    state = PartitionState(path, cache)
    progress = Progress(7, 3, frozenset((b"b", b"a")), as_of)
    state.write({b"Dr\0q": b"one", b"Dr\0r": b"two", b"E": b"other"}, progress)
    state.write({b"Dr\0r": None}, progress)
    state.close()
    return progress


def test_data_and_progress_come_back(tmp_path: Path, cache: rocksdict.Cache) -> None:
    progress = _written(tmp_path / "p.db", cache, NOW)
    state = open_partition(tmp_path / "p.db", cache, NOW)
    assert state.progress() == progress
    assert list(state.scan(b"D")) == [(b"Dr\0q", b"one")]
    assert state.get(b"Dr\0r") is None
    state.close()


@pytest.mark.parametrize(("age", "kept"), [(0, True), (TOMBSTONES_MS // 2 + 1, False)])
def test_a_copy_that_missed_tombstones_is_thrown_away(
    tmp_path: Path, cache: rocksdict.Cache, age: int, kept: bool
) -> None:
    _written(tmp_path / "p.db", cache, NOW - age)
    state = open_partition(tmp_path / "p.db", cache, NOW)
    assert (state.get(b"E") is not None) == kept
    assert (state.progress() == Progress()) != kept
    state.close()


def test_the_epoch_travels_in_the_header() -> None:
    class Record:
        offset, key, value, timestamp = 5, b"k", b"v", NOW
        headers = epoch_header(70_000, "abc")

    assert log_record(Record()) == (5, b"k", b"v", 70_000, NOW)
