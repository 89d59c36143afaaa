"""What was fetched and not yet applied, by partition; bounded in records and bytes."""

from __future__ import annotations

import asyncio
from typing import Any

from core.routing.part import Inputs

Records = list[Any]


class _Waiting:
    """The records of one partition, by topic, and how many at the front were applied already."""

    __slots__ = ("records", "taken")

    def __init__(self) -> None:
        self.records: tuple[Records, Records, Records] = ([], [], [])
        self.taken = [0, 0, 0]

    def __len__(self) -> int:
        return sum(map(len, self.records)) - sum(self.taken)


class Inbox:
    """Agents put batches in and wait while it is full; the engine takes slices out."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._partitions: dict[int, _Waiting] = {}
        self._records = 0
        self._bytes = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return self._records

    @property
    def partitions(self) -> list[int]:
        """Partitions with waiting records."""
        return [number for number, waiting in self._partitions.items() if len(waiting)]

    def put(self, kind: int, partition: int, records: Records) -> None:
        """Add records of one topic, in offset order."""
        waiting = self._partitions.get(partition)
        if waiting is None:
            waiting = self._partitions[partition] = _Waiting()
        waiting.records[kind].extend(records)
        self._records += len(records)
        self._bytes += sum(map(_size, records))
        self._filled.set()
        if self._records > self._max_records or self._bytes > self._max_bytes:
            self._drained.clear()

    async def wait_for_room(self) -> None:
        """Return when more may be put in."""
        await self._drained.wait()

    async def wait_for_records(self, seconds: float) -> bool:
        """Return True when records wait, False after ``seconds`` or ``wake``."""
        if not self._filled.is_set():
            try:
                await asyncio.wait_for(self._filled.wait(), seconds)
            except TimeoutError:
                return False
        if not self._records:
            self._filled.clear()
        return self._records > 0

    def wake(self) -> None:
        """Let the waiting engine look around."""
        self._filled.set()

    def slice(self, partition: int, most: int) -> Inputs:
        """The next records of a partition, at most ``most``; policies first, then requests."""
        waiting = self._partitions[partition]
        cut = []
        for records, taken in zip(waiting.records, waiting.taken, strict=True):
            part = records[taken : taken + most]
            most -= len(part)
            cut.append(part)
        return Inputs(*cut)

    def taken(self, partition: int, inputs: Inputs) -> None:
        """Remove what the router took of a slice."""
        waiting = self._partitions[partition]
        counts = (inputs.policies_taken, inputs.requests_taken, inputs.rewards_taken)
        slices = (inputs.policies, inputs.requests, inputs.rewards)
        for kind, (count, records) in enumerate(zip(counts, slices, strict=True)):
            waiting.taken[kind] += count
            self._records -= count
            self._bytes -= sum(map(_size, records[:count]))
            if waiting.taken[kind] == len(waiting.records[kind]):
                waiting.records[kind].clear()
                waiting.taken[kind] = 0
        if not self._records:
            self._filled.clear()
        self._check_room()

    def clear(self) -> None:
        """Drop everything: it will be read again from the state's positions."""
        self._partitions.clear()
        self._records = self._bytes = 0
        self._filled.clear()
        self._check_room()

    def _check_room(self) -> None:
        if self._records <= self._max_records // 2 and self._bytes <= self._max_bytes // 2:
            self._drained.set()


def _size(record: Any) -> int:
    return 64 + len(record.value or b"")
