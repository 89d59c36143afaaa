"""Requests and rewards for the router and the owner, made beforehand: what is counted is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from core.routing.part import Inputs, Part
from streams.durable.local import MemoryState
from streams.durable.owner import Batch, Owner
from streams.monitor.monitor import Monitor
from tests.benchmarks.events import Workload

START_MS = 1_795_570_000_000
ALGORITHMS = ("linucb", "thompson_gaussian")
ROUTES = 4


class Record(NamedTuple):
    """One record as a Kafka client gives it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Bench:
    """One owner of one partition, monitored as in a worker, with the records that come next."""

    def __init__(self, algorithm: str) -> None:
        self.workload = Workload(algorithm, routes=ROUTES)
        self.state = MemoryState()
        self.monitor = Monitor()
        self.monitor.take([0], START_MS)
        self.owner = Owner(
            0,
            "bench",
            self.state,
            max_part_bytes=2**30,
            max_routes=1_000,
            observer=self.monitor.of(0),
        )
        self.owner.claim()
        self.owner.claimed(0, START_MS)
        self.owner.start()
        self._next = [0, 0, 0]
        self._log_end = 1
        self._asked = 0
        self.open: list[tuple[str, bytes, str]] = []
        """Id, route and arm of the decisions without a reward."""
        self.cycle(self.policies())

    def _records(self, kind: int, events: Sequence[tuple[bytes, bytes]]) -> list[Record]:
        first = self._next[kind]
        self._next[kind] += len(events)
        return [
            Record(offset, START_MS + offset, key, value)
            for offset, (key, value) in enumerate(events, start=first)
        ]

    def policies(self) -> Inputs:
        """The policies of all routes."""
        return Inputs(policies=self._records(0, self.workload.policies()))

    def requests(self, count: int) -> Inputs:
        """The next ``count`` requests."""
        events = [self.workload.request("r", self._asked + n) for n in range(count)]
        self._asked += count
        return Inputs(requests=self._records(1, events))

    def rewards(self, count: int) -> Inputs:
        """The rewards of the ``count`` oldest open decisions."""
        due, self.open = self.open[:count], self.open[count:]
        events = [
            (key, self.workload.reward(request_id, number, key, arm))
            for number, (request_id, key, arm) in enumerate(due)
        ]
        return Inputs(rewards=self._records(2, events))

    def apply(self, inputs: Inputs) -> Part:
        """Only what the router does."""
        part = self.owner.apply(inputs)
        assert inputs.left == 0, "the part has room for all"
        return part

    def finish(self, part: Part) -> Batch:
        """The rest of a cycle; returns what would go into the changelog."""
        batch = self.owner.seal(part)
        assert self.owner.acked(self._log_end) is None, "nobody else writes"
        self._log_end += len(batch.records)
        self.owner.store()
        self.owner.published(part, batch.number)
        for answered in part.decisions:
            answer = orjson.loads(answered.value)
            self.open.append((answer["request_id"], answered.key, answer["arm"]))
        return batch

    def cycle(self, inputs: Inputs) -> Batch:
        """One whole cycle."""
        return self.finish(self.apply(inputs))

    def warm(self, count: int = 64) -> None:
        """Some decisions and rewards, so that nothing is counted that happens only once."""
        self.cycle(self.requests(count))
        self.cycle(self.rewards(count))
        self.monitor.rank(START_MS + count)  # busy routes have a history from now on
