"""A world: everything that is at one moment, and how far the exploration goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from streams.durable.local import follow
from streams.durable.reading import LogRecord
from tests.model.fake_log import FakeLog, Feed, Sink, feed
from tests.model.incarnation import Copy, Incarnation, Version
from tests.model.lineage import Truth


class Bounds(NamedTuple):
    """How far the exploration goes."""

    feed: Feed = feed()
    owners: int = 2
    claims: int = 2
    """Tries per owner."""
    compactions: int = 1
    heartbeats: int = 0
    standbys: int = 0
    batch: int = 2
    """The most input records of one cycle. The policy comes with the first and does not count."""
    window: int = 1
    """Durable parts that may wait to be published when the next is appended."""
    fine: bool = False
    """Every step by itself. Otherwise a batch that lands where it should is acked and stored at
    once, which its place in the log decides anyway, and all outputs of a part go at once."""
    lag: bool = True
    """Compaction keeps to the bound."""
    strict: bool = True
    """A wrong epoch or dirty set is a violation by itself, before it does harm."""
    tombstones: str = "kept"
    """kept; aged: compaction drops them once no copy is older; dropped: at any time."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything there is."""

    log: FakeLog
    truth: Truth
    incarnations: tuple[Incarnation, ...]
    digests: tuple[int, ...]
    pool: frozenset[int]
    """The saved local copies that a process may start from."""
    sink: Sink
    left: tuple[int, int, int]
    """Compactions, heartbeats, standbys."""
    epochs: frozenset[int]
    """Of the good claims."""

    def key(self) -> Any:
        """Equal for worlds that can go on alike."""
        who, sink = tuple(sorted(self.digests)), self.sink.published
        return self.log, self.truth.number, who, self.pool, sink, self.left, self.epochs


class Copies:
    """Saved local copies by number, and what they become when they follow a log."""

    def __init__(self) -> None:
        self._ids: dict[Any, int] = {}
        self._versions: dict[int, Version] = {}
        self._ends: dict[tuple[int, int], int] = {}

    def id(self, value: Any) -> int:
        """A number for a value; equal values have the same."""
        return self._ids.setdefault(value, len(self._ids))

    def number(self, version: Version) -> int:
        """The number of a saved copy."""
        number = self.id(version)
        self._versions[number] = version
        return number

    def __getitem__(self, number: int) -> Version:
        return self._versions[number]

    def ends(
        self, log: FakeLog, numbers: Iterable[int], before: FakeLog | None = None
    ) -> dict[int, int]:
        """What saved copies become by following a log to its end.

        They may follow in two steps: if the log was ``before``, what that made of them is known.
        """
        here = self.id(log.records)
        there = here if before is None else self.id(before.records)
        added = () if before is None else log.records[len(before.records) :]
        found = {}
        for number in numbers:
            end = self._ends.get((here, number))
            if end is None:
                middle = self._ends.get((there, number))
                start, records = (number, log.records) if middle is None else (middle, added)
                end = self._ends[here, number] = self._follow(start, records)
            found[number] = end
        return found

    def _follow(self, number: int, records: Iterable[LogRecord]) -> int:
        known = (self.id(records), number)
        end = self._ends.get(known)
        if end is None:
            local = Copy(self._versions[number])
            follow(local, records)
            end = self._ends[known] = self.number(local.version())
        return end
