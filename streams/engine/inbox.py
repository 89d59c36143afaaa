"""What was fetched and not yet applied, by partition; bounded in records and bytes per topic."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from core.routing.part import Inputs
from streams.engine.waiting import PATIENCE, Records, Waiting

_KINDS = 3


class Inbox:
    """Agents put batches in and wait while there are too many of their topic's; the engine takes
    slices out.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records // 2
        self._max_bytes = max_bytes // 2
        self._partitions: dict[int, Waiting] = {}
        self._records = [0] * _KINDS
        self._bytes = [0] * _KINDS
        self._filled = asyncio.Event()
        self._drained = [asyncio.Event() for _ in range(_KINDS)]
        self._check_room()

    def __len__(self) -> int:
        return sum(self._records)

    @property
    def size(self) -> int:
        """Bytes of all waiting records, about."""
        return sum(self._bytes)

    def waiting(self, kind: int) -> tuple[int, int | None]:
        """Of one topic: how many records wait, and the timestamp of the oldest in ms."""
        count, oldest = 0, None
        for waiting in self._partitions.values():
            records, taken = waiting.records[kind], waiting.taken[kind]
            if taken < len(records):
                count += len(records) - taken
                at = records[taken].timestamp
                oldest = at if oldest is None else min(oldest, at)
        return count, oldest

    @property
    def partitions(self) -> list[int]:
        """Partitions with records that may be applied now."""
        return [n for n, waiting in self._partitions.items() if len(waiting) and waiting.free]

    def expect(self, kind: int, partition: int) -> None:
        """The topic has records of the partition that were not fetched yet."""
        self._of(partition).expect(kind)

    def put(self, kind: int, partition: int, records: Records, *, behind: bool = False) -> None:
        """Add records of one topic, in offset order; ``behind``: the topic has more already."""
        self._of(partition).put(kind, records, behind=behind)
        self._records[kind] += len(records)
        self._bytes[kind] += sum(map(_size, records))
        self._filled.set()
        if self._records[kind] > self._max_records or self._bytes[kind] > self._max_bytes:
            self._drained[kind].clear()

    def _of(self, partition: int) -> Waiting:
        waiting = self._partitions.get(partition)
        if waiting is None:
            waiting = self._partitions[partition] = Waiting()
        return waiting

    async def wait_for_room(self, kind: int) -> None:
        """Return when more of a topic may be put in."""
        await self._drained[kind].wait()

    async def wait_for_records(self, seconds: float) -> bool:
        """Return True when records may be applied, False after ``seconds`` or ``wake``."""
        if self.partitions:
            return True
        self._filled.clear()
        held = self._hold(time.monotonic())
        try:
            await asyncio.wait_for(self._filled.wait(), min(seconds, held))
        except TimeoutError:
            self._give_up(time.monotonic())
        return bool(self.partitions)

    def _hold(self, now: float) -> float:
        """Note what waits for another topic's records; the seconds until the first may not."""
        left = PATIENCE
        for waiting in self._partitions.values():
            if len(waiting):
                waiting.held_since = waiting.held_since or now
                left = min(left, waiting.held_since + PATIENCE - now)
        return max(left, 0.001)

    def _give_up(self, now: float) -> None:
        for waiting in self._partitions.values():
            if waiting.held_since is not None and now - waiting.held_since >= PATIENCE:
                waiting.give_up()

    def wake(self) -> None:
        """Let the waiting engine look around."""
        self._filled.set()

    def slice(self, partition: int, most: int) -> Inputs:
        """The next records of a partition, at most ``most``: policies first, then by time."""
        waiting = self._partitions[partition]
        waiting.held_since = None
        return waiting.slice(most)

    def taken(self, partition: int, inputs: Inputs) -> None:
        """Remove what the router took of a slice."""
        waiting = self._partitions[partition]
        counts = (inputs.policies_taken, inputs.requests_taken, inputs.rewards_taken)
        slices: tuple[Any, ...] = (inputs.policies, inputs.requests, inputs.rewards)
        for kind, (count, records) in enumerate(zip(counts, slices, strict=True)):
            waiting.taken[kind] += count
            self._records[kind] -= count
            self._bytes[kind] -= sum(map(_size, records[:count]))
            if waiting.taken[kind] == len(waiting.records[kind]):
                waiting.records[kind].clear()
                waiting.taken[kind] = 0
        self._check_room()

    def drop(self, partition: int) -> None:
        """Forget a partition that this worker has lost."""
        waiting = self._partitions.pop(partition, None)
        if waiting is None:
            return
        for kind, (records, taken) in enumerate(zip(waiting.records, waiting.taken, strict=True)):
            self._records[kind] -= len(records) - taken
            self._bytes[kind] -= sum(map(_size, records[taken:]))
        self._check_room()

    def clear(self) -> None:
        """Drop everything: it will be read again from the state's positions."""
        self._partitions.clear()
        self._records = [0] * _KINDS
        self._bytes = [0] * _KINDS
        self._filled.clear()
        self._check_room()

    def _check_room(self) -> None:
        for kind, drained in enumerate(self._drained):
            few = self._records[kind] <= self._max_records // 2
            if few and self._bytes[kind] <= self._max_bytes // 2:
                drained.set()


def _size(record: Any) -> int:
    return 64 + len(record.value or b"")
