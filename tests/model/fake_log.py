"""One changelog partition, the input topics before it and the output topics after it, as values.

Everything here is immutable, so that the exploration may keep and compare whole worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from core.routing.part import Inputs, Part
from schemas.state import CLAIM_KEY, Output
from streams.durable.owner import Batch, Gap
from streams.durable.reading import LogRecord

T0 = 1_750_000_000_000
ROUTE = "r"


class FakeLog(NamedTuple):
    """A partition with atomic appends. When an append is acked is up to the caller."""

    records: tuple[LogRecord, ...] = ()
    end: int = 0
    bound: int = 0
    """Compaction goes no further: the end of the last batch known to be clean (rule 13)."""

    def append(self, batch: Batch) -> tuple[FakeLog, int]:
        """The log with the batch at its end, and the batch's base offset."""
        new = tuple(
            LogRecord(self.end + place, key, value, batch.epoch)
            for place, (key, value) in enumerate(batch.records)
        )
        return self._replace(records=self.records + new, end=self.end + len(new)), self.end

    def clean_up_to(self, offset: int) -> FakeLog:
        """The log once nothing below ``offset`` waits for a repair."""
        return self._replace(bound=max(self.bound, offset))

    def between(self, start: int, end: int | None = None) -> Iterator[LogRecord]:
        """What still exists of a stretch."""
        end = self.end if end is None else end
        return (record for record in self.records if start <= record.offset < end)

    def read(self, gap: Gap) -> list[LogRecord]:
        """What still exists of a gap."""
        return list(self.between(gap.start, gap.end))

    def compactions(self, *, tombstones: bool = False, lag: bool = True) -> Iterator[FakeLog]:
        """What the log may become: segments below some offset lose what was written again later.

        The newest record of a key stays; with ``tombstones``, unless it is one. ``lag=False`` lets
        compaction go beyond the bound.
        """
        bound = self.bound if lag else self.end
        newest = {record.key: record.offset for record in self.records if record.offset < bound}
        cuts = {record.offset + 1 for record in self.records if record.key == CLAIM_KEY}
        found = set()
        for cut in sorted(cuts | {bound}):
            if cut > bound:
                break
            kept = tuple(
                record
                for record in self.records
                if record.offset >= cut
                or (
                    newest[record.key] == record.offset
                    and not (tombstones and record.value is None)
                )
            )
            if len(kept) < len(self.records) and kept not in found:
                found.add(kept)
                yield self._replace(records=kept)


class InputEvent(NamedTuple):
    """One record of an input topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Feed(NamedTuple):
    """The three input topics: policies, requests, rewards."""

    topics: tuple[tuple[InputEvent, ...], ...]

    def slice(self, positions: Iterable[int], counts: Iterable[int], overlap: int = 0) -> Inputs:
        """So many records from each position on, after ``overlap`` that were read before."""
        return Inputs(
            *(
                list(topic[max(0, at - overlap) : at + count])
                for topic, at, count in zip(self.topics, positions, counts, strict=True)
            )
        )

    @property
    def ends(self) -> tuple[int, ...]:
        """The offset after the last record of each topic."""
        return tuple(map(len, self.topics))


def feed(
    requests: int = 2,
    rewards: int = 1,
    *,
    duplicate: bool = False,
    rejected: bool = False,
    early: bool = False,
    max_open: int = 1_000_000,
    algorithm: str = "thompson_beta",
) -> Feed:
    """Events of one route with one policy.

    ``duplicate`` adds a request with the first one's id, ``rejected`` puts one before the others
    that names no arm of the policy, ``early`` adds a reward whose request never comes.
    """
    policy = {
        "route": ROUTE,
        "version": 1,
        "arms": [{"id": "a", "model": "m/a"}, {"id": "b", "model": "m/b"}],
        "algorithm": {"name": algorithm},
        "context": {"features": []},
        "reward": {"max_open": max_open},
        "drift": {"on": []},
    }
    asked: list[dict[str, Any]] = [{"request_id": f"q{number}"} for number in range(requests)]
    if rejected:
        asked.insert(0, {"request_id": "bad", "candidates": ["nobody"]})
    if duplicate:
        asked.append({"request_id": "q0"})
    told: list[dict[str, Any]] = [
        {"request_id": f"q{number}", "quality": 0.25 + number / 2} for number in range(rewards)
    ]
    if early:
        told.append({"request_id": "never", "quality": 1.0})
    return Feed((_topic([policy]), _topic(asked), _topic(told)))


def _topic(events: list[dict[str, Any]]) -> tuple[InputEvent, ...]:
    return tuple(
        InputEvent(offset, T0 + offset, ROUTE.encode(), orjson.dumps({"route": ROUTE, **event}))
        for offset, event in enumerate(events)
    )


def outputs(part: Part) -> list[Output]:
    """What a part publishes, in order."""
    answers = [Output("decisions", answer.key, answer.value) for answer in part.decisions]
    return answers + part.outbox


class Sink(NamedTuple):
    """What was published; by whom is for the trace only, and no part of the state."""

    published: frozenset[Output] = frozenset()
    by: tuple[tuple[int, Output], ...] = ()

    def publish(self, who: int, output: Output) -> Sink:
        """The sink with one more message."""
        return Sink(self.published | {output}, (*self.by, (who, output)))


_request_ids: dict[bytes, str] = {}


def request_id(output: Output) -> str | None:
    """Whose answer an output is; None if it is none."""
    if output.role != "decisions":
        return None
    found = _request_ids.get(output.value)
    if found is None:
        found = _request_ids[output.value] = orjson.loads(output.value)["request_id"]
    return found
