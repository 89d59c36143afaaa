"""The changelog as the batches that its owners have written: what survived of them, in order."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import NamedTuple

from schemas.state import CLAIM_KEY, STAMP_KEY, Stamp, decode_stamp
from streams.durable.reading import LogRecord, Progress, read_on


class LoggedBatch(NamedTuple):
    """One batch that ended with a stamp, and whatever else was read since the batch before.

    Where compaction has removed stamps, it holds what is left of several batches.
    """

    puts: Mapping[bytes, bytes | None]
    stamp: Stamp
    progress: Progress
    """After it."""

    @property
    def exact(self) -> bool:
        """Whether the log, read up to here, tells the whole state.

        Compaction keeps the newest stamp below the point up to which it has cleaned, and takes
        away nothing that was still valid at that stamp. But a key may be in doubt for a moment
        after a process that no longer owned the partition has written to it.
        """
        return not self.progress.dirty - {CLAIM_KEY, STAMP_KEY}


class BatchReader:
    """Turns records of a changelog, given in order, into batches."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._puts: dict[bytes, bytes | None] = {}

    def read(self, record: LogRecord) -> LoggedBatch | None:
        """The batch that ends with this record, if one does.

        Records of a process that no longer owned the partition are passed over, as in recovery.
        """
        puts, self._progress = read_on(self._progress, [record])
        self._puts.update(puts)
        if record.key != STAMP_KEY or STAMP_KEY not in puts:
            return None
        batch = LoggedBatch(self._puts, decode_stamp(puts[STAMP_KEY] or b""), self._progress)
        self._puts = {}
        return batch


async def batches(records: AsyncIterable[LogRecord]) -> AsyncIterator[LoggedBatch]:
    """The batches of a changelog partition."""
    reader = BatchReader()
    async for record in records:
        batch = reader.read(record)
        if batch is not None:
            yield batch


def batches_of(records: Iterable[LogRecord]) -> Iterator[LoggedBatch]:
    """The same of records that are all there."""
    reader = BatchReader()
    for record in records:
        batch = reader.read(record)
        if batch is not None:
            yield batch
