"""The records of one partition that wait to be applied, and how many of each topic come next.

Requests and rewards are applied in the order of their timestamps, as far as both are at hand: after
a backlog, decisions must not run hours ahead of their rewards. So what one topic has brought waits
while the other one's broker has earlier records that were not fetched yet (Kafka Streams calls this
task idling), but not longer than ``PATIENCE``.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from operator import attrgetter
from typing import Any, Final

from core.routing.part import Inputs

Records = list[Any]
REQUESTS: Final = 1
REWARDS: Final = 2
PATIENCE: Final = 1.0
"""Seconds."""
_timestamp: Final = attrgetter("timestamp")


class Waiting:
    """By topic: the records, and how many at the front were applied already."""

    __slots__ = ("_behind", "_known", "held_since", "records", "taken")

    def __init__(self) -> None:
        self.records: tuple[Records, Records, Records] = ([], [], [])
        self.taken = [0, 0, 0]
        self._behind = [False, False, False]
        self._known = [0.0, 0.0, 0.0]
        self.held_since: float | None = None
        """Since when records have waited for another topic's, if they do."""

    def __len__(self) -> int:
        return sum(map(len, self.records)) - sum(self.taken)

    def expect(self, kind: int) -> None:
        """The topic has records that were not fetched yet."""
        self._behind[kind] = True

    def put(self, kind: int, records: Records, *, behind: bool) -> None:
        """Add records in offset order; ``behind``: the topic has more already."""
        self.records[kind].extend(records)
        self._known[kind] = max(self._known[kind], float(records[-1].timestamp))
        self._behind[kind] = behind

    def give_up(self) -> None:
        """Wait for no topic any longer."""
        self._behind = [False, False, False]
        self.held_since = None

    @property
    def free(self) -> bool:
        """Whether some record may be applied now."""
        return any(self._counts(1))

    def slice(self, most: int) -> Inputs:
        """The next records, at most ``most``."""
        counts = self._counts(most)
        cut = (
            records[taken : taken + count]
            for records, taken, count in zip(self.records, self.taken, counts, strict=True)
        )
        return Inputs(*cut)

    def _counts(self, most: int) -> tuple[int, int, int]:
        """How many records of each topic come next."""
        policies = min(most, len(self.records[0]) - self.taken[0])
        most -= policies
        limit = min(
            (self._known[kind] for kind in (REQUESTS, REWARDS) if self._behind[kind]), default=inf
        )
        requests, rewards = (self._until(kind, limit, most) for kind in (REQUESTS, REWARDS))
        if requests + rewards > most:
            requests = self._merged(requests, rewards, most)
            rewards = most - requests
        return policies, requests, rewards

    def _until(self, kind: int, limit: float, most: int) -> int:
        """How many of the next records are not later than ``limit``, at most ``most``."""
        records, taken = self.records[kind], self.taken[kind]
        end = min(len(records), taken + most)
        if limit == inf:
            return end - taken
        return bisect_right(records, limit, taken, end, key=_timestamp) - taken

    def _merged(self, requests: int, rewards: int, most: int) -> int:
        """How many requests are among the ``most`` earliest of the next records."""
        asked, at = self.records[REQUESTS], self.taken[REQUESTS]
        learned, and_at = self.records[REWARDS], self.taken[REWARDS]
        low, high = max(0, most - rewards), min(most, requests)
        while low < high:
            middle = (low + high) // 2
            if asked[at + middle].timestamp <= learned[and_at + most - middle - 1].timestamp:
                low = middle + 1
            else:
                high = middle
        return low
