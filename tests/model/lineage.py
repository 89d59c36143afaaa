"""What must be: the state of the valid batches, and the replay that it has to equal."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from core.router import Router
from core.routing.part import Inputs
from schemas.state import (
    BOOKKEEPING,
    CLAIM_KEY,
    DECISION,
    STAMP_KEY,
    Output,
    RouteRecord,
    Stamp,
    decode_decision,
    decode_route,
    decode_stamp,
    route_key,
)
from streams.durable.local import MemoryState
from streams.durable.owner import Batch, Owner
from streams.durable.reading import Progress, stored_value
from tests.model.fake_log import ROUTE, Feed, outputs

LIMITS: dict[str, Any] = {"max_part_bytes": 1 << 19, "max_routes": 100}
Items = dict[bytes, bytes]


class ViolationError(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


class Replayed(NamedTuple):
    """The result of a sequence of input records, applied one by one to a router of its own."""

    items: Items
    outputs: frozenset[Output]
    stamp: Stamp


@cache
def replay(feed: Feed, order: tuple[tuple[int, int], ...]) -> Replayed:
    """Apply records, each (topic, offset)."""
    items: Items = {}
    router = Router(items.get, **LIMITS)
    found: list[Output] = []
    for topic, offset in order:
        lists: list[list[Any]] = [[], [], []]
        lists[topic].append(feed.topics[topic][offset])
        part = router.handle(Inputs(*lists), 0)
        put(items, part.puts)
        found += outputs(part)
    return Replayed(visible(items, router.state.stamp()), frozenset(found), router.state.stamp())


def put(items: Items, puts: dict[bytes, bytes | None]) -> None:
    """Apply puts."""
    for key, value in puts.items():
        if value is None:
            items.pop(key, None)
        else:
            items[key] = value


def visible(items: Items, stamp: Stamp) -> Items:
    """The items without what the router treats as absent: when that is dropped is up to it."""
    state = Router(items.get, **LIMITS).state
    state.resume(stamp)
    counters = items.get(route_key(ROUTE))
    decided = 0 if counters is None else decode_route(counters).decided
    return {
        key: value
        for key, value in items.items()
        if key[:1] not in BOOKKEEPING
        and (key[:1] != DECISION or state.remembers(decode_decision(value), decided))
    }


class Truth:
    """What the log means: the fold of all records ever appended, by the reading rule."""

    def __init__(self, feed: Feed, owner: type[Owner] = Owner) -> None:
        self.feed = feed
        self.owner = owner
        self.epoch = 0
        self.items: Items = {}
        self.stamp = Stamp()
        self.dirty: frozenset[bytes] = frozenset()
        self.stale: frozenset[bytes] = frozenset()
        """Keys that a stale owner ever wrote."""
        self.order: tuple[tuple[int, int], ...] = ()
        """The input records that the valid batches applied, in order."""
        self.replayed = replay(feed, ())
        self.recoverable: frozenset[Output] = frozenset()
        """What a new owner would publish at its start."""
        self._next: dict[tuple[Any, int], Truth] = {}
        self.number = 0
        """Equal for equal truths."""
        self._numbers: dict[Any, int] = {}

    def after(self, batch: Batch) -> Truth:
        """The truth with one more batch in the log. Raises ViolationError if it is bad."""
        known = (tuple(batch.records), batch.epoch)
        found = self._next.get(known)
        if found is None:
            found = self._next[known] = self._append(batch)
        return found

    def _append(self, batch: Batch) -> Truth:
        new = Truth(self.feed, self.owner)
        new.__dict__.update(self.__dict__, _next={})
        keys = frozenset(key for key, _ in batch.records)
        if batch.epoch < self.epoch:
            new.dirty, new.stale = self.dirty | keys, self.stale | keys
        else:
            new.epoch, new.dirty = batch.epoch, self.dirty - keys
            new.items = dict(self.items)
            put(new.items, {key: stored_value(value) for key, value in batch.records})
            if keys != {CLAIM_KEY}:
                new._judge()
        body = frozenset(item for item in new.items.items() if item[0] != CLAIM_KEY)
        key = (new.epoch, body, new.dirty, new.stale, new.order)
        new.number = self._numbers.setdefault(key, len(self._numbers) + 1)
        return new

    def _judge(self) -> None:
        """A valid batch: its state must be the replay of the inputs that its stamp says."""
        before, stored = self.stamp, self.items.get(STAMP_KEY)
        self.stamp = stamp = Stamp() if stored is None else decode_stamp(stored)
        for topic, (start, end) in enumerate(zip(positions(before), positions(stamp), strict=True)):
            if end < start:
                raise ViolationError("I3", f"the stamp goes back from {before} to {stamp}")
            self.order += tuple((topic, offset) for offset in range(start, end))
        self.replayed = want = replay(self.feed, self.order)
        if clocks(stamp) != clocks(want.stamp):
            raise ViolationError("I3", f"the stamp {stamp} should be {want.stamp}")
        found = visible(self.items, stamp)
        if found != want.items:
            if counts(found) != counts(want.items):
                raise ViolationError(
                    "I2", f"rewards {counts(found)}, should be {counts(want.items)}"
                )
            raise ViolationError("I3", f"{differing(found, want.items)} differ from the replay")
        self.recoverable = frozenset(start_of(self.owner, self.items))


def start_of(owner: type[Owner], items: Items) -> list[Output]:
    """What an owner that recovered these items publishes at its start."""
    local = MemoryState()
    local.write(items, Progress())
    try:
        return outputs(owner(0, "a new one", local, **LIMITS).start())
    except AssertionError as error:
        raise ViolationError("crash", f"no owner can start from the log: {error}") from error


def positions(stamp: Stamp) -> tuple[int, int, int]:
    """The next offset of each input topic."""
    return stamp.policies, stamp.requests, stamp.rewards


def clocks(stamp: Stamp) -> tuple[Any, ...]:
    """What of a stamp is the router's."""
    return stamp.version, positions(stamp), stamp.request_clock, stamp.reward_clock


def counts(items: Items) -> tuple[int, ...]:
    """How many rewards were counted, by what they were."""
    record = items.get(route_key(ROUTE))
    route = RouteRecord() if record is None else decode_route(record)
    return route.joined, route.duplicates, route.late, route.contradicting, route.unlearned


def differing(left: Items, right: Items) -> list[bytes]:
    """The keys under which two states differ."""
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
