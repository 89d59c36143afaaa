"""The reading rule of the changelog, for recovery and standbys alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.state import ABSENT


class ForeignLogError(Exception):
    """The changelog is not the one that the local copy was read from."""


class LogRecord(NamedTuple):
    """One record of a changelog partition."""

    offset: int
    key: bytes
    value: bytes | None
    epoch: int
    timestamp: int = 0
    """When the broker appended it; ms since the epoch."""


class Progress(NamedTuple):
    """How far a local copy has read; stored atomically with its data."""

    next_offset: int = 0
    highest_epoch: int = 0
    dirty: frozenset[bytes] = frozenset()
    """Keys whose newest record in the log was ignored: the next owner must write them again."""
    as_of: int = 0
    """When the broker appended the last record read. Older than the log keeps tombstones, the copy
    may hold keys whose deletion it will never read; ms since the epoch, 0 if not known."""


def stored_value(value: bytes | None) -> bytes | None:
    """What a changelog value means: the marker for "absent" and a tombstone both mean None."""
    return None if value is None or value == ABSENT else value


def read_on(
    progress: Progress, records: Iterable[LogRecord]
) -> tuple[dict[bytes, bytes | None], Progress]:
    """The puts that records of the log make, and the progress after them.

    A record of an epoch lower than the highest seen was written by a process that no longer owned
    the partition: it is ignored, and its key becomes dirty. Records below ``next_offset`` were read
    before.

    Raises ForeignLogError if the last record read before is there but was appended at another time.
    """
    next_offset, highest, dirty, as_of = progress
    touched = set(dirty)
    puts: dict[bytes, bytes | None] = {}
    for record in records:
        if record.offset < next_offset:
            last = record.offset == next_offset - 1
            if last and as_of and record.timestamp and record.timestamp != as_of:
                raise ForeignLogError(
                    f"the record at offset {record.offset} is another than the local copy has read"
                )
            continue
        next_offset = record.offset + 1
        as_of = max(as_of, record.timestamp)
        if record.epoch < highest:
            touched.add(record.key)
            continue
        highest = record.epoch
        puts[record.key] = stored_value(record.value)
        touched.discard(record.key)
    return puts, Progress(next_offset, highest, frozenset(touched), as_of)
