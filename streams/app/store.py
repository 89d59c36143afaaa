"""The state table's store: one RocksDB per partition, written only as the protocol allows.

Faust recovers it, keeps standbys of it and assigns its partitions; what it may write is decided in
``streams.durable``. RocksDB's write-ahead log is off: the changelog is the log, and a crash loses
at most a suffix of writes, which recovery reads again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import rocksdict
from faust.stores import rocksdb
from faust.types import TP, EventT

from streams.durable.headers import log_record
from streams.durable.local import follow
from streams.durable.reading import ForeignLogError, Progress
from streams.settings import TOMBSTONES_MS

log = logging.getLogger(__name__)
_FOREIGN: Final = (
    "the local state {path} was read from another changelog: {error}. The topic was recreated, or "
    "the data directory belongs to another installation: delete it, or give another --data-dir"
)
_SIZES: Final = ("estimate-num-keys", "estimate-live-data-size", "cur-size-all-mem-tables")
_PROGRESS_KEY: Final = b"\x00progress"
_Stored = tuple[int, int, list[bytes], int]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class PartitionState:
    """The local copy of one partition (see ``streams.durable.local.LocalState``)."""

    def __init__(self, path: Path, cache: rocksdict.Cache) -> None:
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003
        options.set_write_buffer_size(8 * 1024 * 1024)
        options.set_max_write_buffer_number(3)
        options.set_max_open_files(256)
        table = rocksdict.BlockBasedOptions()
        table.set_block_cache(cache)
        table.set_bloom_filter(10, block_based=False)
        options.set_block_based_table_factory(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = rocksdict.Rdict(str(path), options)
        self._unlogged = rocksdict.WriteOptions()
        setattr(self._unlogged, "disable_wal", True)  # noqa: B010 - its stub calls it a method
        self._progress = self._load()

    def _load(self) -> Progress:
        stored = self._db.get(_PROGRESS_KEY)
        if stored is None:
            return Progress()
        next_offset, epoch, dirty, as_of = _decode(stored)
        return Progress(next_offset, epoch, frozenset(dirty), as_of)

    def get(self, key: bytes) -> bytes | None:
        """See LocalState."""
        value: bytes | None = self._db.get(key)
        return value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See LocalState."""
        iterator = self._db.iter()
        iterator.seek(prefix)
        while iterator.valid():
            key = iterator.key()
            if not key.startswith(prefix):
                return
            yield key, iterator.value()
            iterator.next()

    def progress(self) -> Progress:
        """See LocalState."""
        return self._progress

    def write(self, puts: Mapping[bytes, bytes | None], progress: Progress) -> None:
        """See LocalState."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in puts.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        next_offset, epoch, dirty, as_of = progress
        batch.put(_PROGRESS_KEY, _encode((next_offset, epoch, sorted(dirty), as_of)))
        self._db.write(batch, self._unlogged)
        self._progress = progress

    def size(self) -> tuple[int, int]:
        """Keys and bytes, as RocksDB estimates them."""
        keys, *sizes = (self._db.property_int_value(f"rocksdb.{name}") or 0 for name in _SIZES)
        return keys, sum(sizes)

    def close(self) -> None:
        """Write out what is in memory, so that the next start has less to read again."""
        self._db.flush()
        self._db.close()


def open_partition(path: Path, cache: rocksdict.Cache, now_ms: int) -> PartitionState:
    """The local copy at ``path``; an outdated one is thrown away, and everything read again.

    The changelog keeps tombstones for ``TOMBSTONES_MS``. A copy that last read it longer ago may
    hold keys that were deleted meanwhile, and nothing would tell it. Half of that leaves time for
    reading on.
    """
    state = PartitionState(path, cache)
    as_of = state.progress().as_of
    if as_of and now_ms - as_of > TOMBSTONES_MS // 2:
        log.warning(
            "the local state %s was last up to date %.0f hours ago, which is too long: reading the "
            "whole changelog instead",
            path,
            (now_ms - as_of) / 3_600_000,
        )
        state.close()
        shutil.rmtree(path)
        state = PartitionState(path, cache)
    return state


class StateStore(rocksdb.Store):
    """Faust's RocksDB store with the reading rule, and no other way to write."""

    _cache: rocksdict.Cache
    fail: Callable[[BaseException], None]

    def prepare(self, cache_bytes: int, fail: Callable[[BaseException], None]) -> None:
        """Share one block cache among all partitions; ``fail`` is told what must end the worker."""
        self._cache = rocksdict.Cache(cache_bytes)
        self.fail = fail

    def _open_for_partition(self, partition: int) -> PartitionState:
        path = self.partition_path(partition)
        return open_partition(path, self._cache, int(time.time() * 1000))

    def local(self, partition: int) -> PartitionState:
        """The local copy of an assigned partition."""
        state: PartitionState = self._db_for_partition(partition)
        return state

    def persisted_offset(self, tp: TP) -> int | None:
        """The changelog offset of the last record in the local copy."""
        next_offset = self.local(tp.partition).progress().next_offset
        return next_offset - 1 if next_offset else None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Does nothing: the offset is written with the data."""

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],  # noqa: ARG002
        to_value: Callable[[Any], Any],  # noqa: ARG002
    ) -> None:
        """Read events, each a list of changelog records, into the local copies."""
        by_partition: defaultdict[int, list[Any]] = defaultdict(list)
        for event in batch:
            records: Any = event.message.value
            by_partition[event.message.partition].extend(records)
        for partition, records in by_partition.items():
            try:
                follow(self.local(partition), map(log_record, records))
            except ForeignLogError as error:
                # Faust's recovery would log an error and go on.
                path = self.partition_path(partition)
                self.fail(RuntimeError(_FOREIGN.format(path=path, error=error)))

    def revoke_partitions(self, table: Any, tps: set[TP]) -> None:
        """Close the local copies of partitions that went to others."""
        for tp in tps:
            if tp.topic in table.changelog_topic.topics:
                state = self._dbs.pop(tp.partition, None)
                if state is not None:
                    state.close()

    async def stop(self) -> None:
        """Close all local copies."""
        for state in self._dbs.values():
            state.close()
        self._dbs.clear()
