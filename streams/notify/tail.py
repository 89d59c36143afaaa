"""Reads an output topic as people do: what is there, then what comes. Commits nothing."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

T = TypeVar("T")

_FETCH_MS: Final = 500


class TailError(Exception):
    """The topic cannot be read; the message says why."""


class Tail:
    """All partitions of a topic, as an async context; first ``history``, once, then ``live``.

    Raises TailError where the topic cannot be read.
    """

    def __init__(self, brokers: str, topic: str, partitions: int) -> None:
        self._topic = topic
        self._brokers = brokers
        self._tps = [TopicPartition(topic, number) for number in range(partitions)]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers, enable_auto_commit=False, auto_offset_reset="earliest"
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except KafkaError as error:
            raise self._unreadable(error) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._consumer.stop()

    async def history(
        self, since_ms: int | None, read: Callable[[Any], T | None], most: int | None
    ) -> list[T]:
        """What ``read`` makes of the records from a time on (None: from the beginning) up to the
        present end: the newest ``most`` (None: all) for which it is not None.

        In the order of the records' times, and within a partition in its own order.
        """
        try:
            return await self._history(since_ms, read, most)
        except KafkaError as error:
            raise self._unreadable(error) from error

    async def _history(
        self, since_ms: int | None, read: Callable[[Any], T | None], most: int | None
    ) -> list[T]:
        consumer = self._consumer
        consumer.assign(self._tps)
        ends = await consumer.end_offsets(self._tps)
        starts = await consumer.beginning_offsets(self._tps)
        if since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(self._tps, since_ms))
            for tp in self._tps:
                starts[tp] = ends[tp] if found[tp] is None else found[tp].offset
        for tp, start in starts.items():
            consumer.seek(tp, start)
        kept: list[deque[tuple[int, T]]] = []
        for tp in self._tps:
            mine: deque[tuple[int, T]] = deque(maxlen=most)
            kept.append(mine)
            while await consumer.position(tp) < ends[tp]:
                for records in (await consumer.getmany(tp, timeout_ms=_FETCH_MS)).values():
                    for record in records:
                        if record.offset < ends[tp] and (made := read(record)) is not None:
                            mine.append((record.timestamp, made))
            # What came meanwhile is for ``live``.
            consumer.seek(tp, max(ends[tp], starts[tp]))
        merged = [made for _, made in heapq.merge(*kept, key=lambda pair: pair[0])]
        return merged if most is None else merged[len(merged) - min(most, len(merged)) :]

    async def live(self) -> AsyncIterator[list[Any]]:
        """What comes, as it comes; twice a second an empty list where nothing does."""
        while True:
            try:
                found = await self._consumer.getmany(timeout_ms=_FETCH_MS)
            except KafkaError as error:
                raise self._unreadable(error) from error
            yield list(heapq.merge(*found.values(), key=lambda record: record.timestamp))

    def _unreadable(self, error: KafkaError) -> TailError:
        return TailError(f"{self._topic!r} at {self._brokers} cannot be read: {error!r}")
