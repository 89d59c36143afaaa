"""The owner of one partition, step by step: claim, apply, seal, append, ack, store, publish.

The caller does the I/O between the steps and keeps their order. One batch is in flight at a time;
the next part may be applied to memory meanwhile, but it is sealed and appended after the ack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from core.router import NO_NAMES, Router
from core.routing.observer import Observer
from core.routing.part import Inputs, Part
from core.search import DIRECT, Solver
from schemas.state import (
    ABSENT,
    CLAIM_KEY,
    OUTBOX,
    STAMP_KEY,
    Claim,
    Output,
    Stamp,
    decode_claim,
    decode_outbox,
    decode_stamp,
    encode_state,
    outbox_key,
)
from streams.durable.local import LocalState
from streams.durable.reading import LogRecord, Progress, stored_value

Sources = tuple[tuple[str, str], ...]
"""Name and id of each input topic, in the order in which a cycle applies them."""


_OTHERS: Final = (
    "Every installation has a --name and a --topic-prefix of its own: give this worker another "
    "--name, or the --topic-prefix of before"
)
_RECREATED: Final = (
    "If that was on purpose, give all workers another --name: they begin afresh with what these "
    "topics hold. What was learned stays in the old changelog, for no one to read; `thalweg "
    "warm-start` can make policies from a log of past calls"
)


class StaleOwnerError(Exception):
    """Another worker owns the partition by now: this one must drop it and publish nothing."""


class HaltError(Exception):
    """The changelog does not behave as it must: the worker has to stop."""


class Gap(NamedTuple):
    """A stretch of the changelog that somebody else wrote, to be read and judged."""

    start: int
    end: int


class Batch(NamedTuple):
    """Records to append to the changelog atomically, under one epoch."""

    records: list[tuple[bytes, bytes | None]]
    epoch: int
    owner: str
    number: int = 0
    """Which batch of the partition it is; 0 for a claim."""


class Owner:
    """One owner of one partition, from its claim until it is dropped.

    Call ``claim`` and ``claimed`` until the claim stands, then ``start``, then for each part
    ``apply``, ``seal``, (append), ``acked`` (and ``judge`` if it returned a gap), ``store``,
    (publish), ``published``.
    """

    def __init__(
        self,
        partition: int,
        owner_id: str,
        local: LocalState,
        *,
        max_part_bytes: int,
        max_routes: int,
        topics: Mapping[str, str] = NO_NAMES,
        sources: Sources = (),
        solver: Solver = DIRECT,
        observer: Observer | None = None,
    ) -> None:
        self.partition = partition
        self._id = owner_id
        self._local = local
        self._limits = {"max_part_bytes": max_part_bytes, "max_routes": max_routes}
        self._topics = topics
        self._sources = sources
        self._solver = solver
        self._observer = observer
        self._progress = local.progress()
        self._epoch = 0
        self._router: Router | None = None
        self._ahead: list[dict[bytes, bytes | None]] = []
        self._flying: list[tuple[bytes, bytes | None]] | None = None
        self._acked: Progress | None = None
        self._stamp = Stamp()
        self._sealed = Stamp()
        self._emitted = 0
        self._told = 0
        self._outbox_found: list[bytes] = []
        self._outbox_done: list[bytes] = []
        self._requests_at: list[tuple[int, int]] = []
        self.committable_requests = 0

    # ---- claim ----------------------------------------------------------------------------

    def claim(self) -> Batch:
        """The claim to append; the local copy must have been read to the end of the log.

        Raises HaltError if the state was made of records of other topics than this owner reads.
        """
        self._progress = self._local.progress()
        self._epoch = self._progress.highest_epoch + 1
        stored = self._local.get(CLAIM_KEY)
        if stored is not None:
            _check_sources(decode_claim(stored).sources, self._sources)
        return Batch([(CLAIM_KEY, self._claim_record())], self._epoch, self._id)

    def _claim_record(self) -> bytes:
        return encode_state(Claim(self._epoch, self._id, self._sources))

    def claimed(self, base: int, at_ms: int = 0) -> Gap | None:
        """Judge where the claim landed, and when: None if it stands.

        Otherwise the gap, with the claim itself, must be read into the local copy with
        ``follow``, and a new claim be made.
        """
        expected = self._progress.next_offset
        if base < expected:
            raise HaltError(_went_back(self.partition, base, expected))
        if base > expected:
            return Gap(expected, base + 1)
        self._progress = Progress(
            base + 1, self._epoch, self._progress.dirty - frozenset((CLAIM_KEY,)), at_ms
        )
        self._local.write({CLAIM_KEY: self._claim_record()}, self._progress)
        return None

    def start(self) -> Part:
        """Restore the router; returns the outputs that may not have been published yet."""
        self._router = Router(
            self._read,
            partition=self.partition,
            topics=self._topics,
            solver=self._solver,
            observer=self._observer,
            **self._limits,
        )
        self._router.restore(self._local.scan)
        stored = self._local.get(STAMP_KEY)
        self._stamp = Stamp() if stored is None else decode_stamp(stored)
        self._emitted = self._told = self._stamp.emitted
        self.committable_requests = 0
        outbox: list[Output] = []
        for key, value in self._local.scan(OUTBOX):
            outbox.extend(decode_outbox(value))
            self._outbox_found.append(key)
        self._requests_at = [(self._stamp.version, self._stamp.requests)]
        again = self._router.unpublished(self._emitted)
        return again._replace(outbox=outbox)

    # ---- cycle ----------------------------------------------------------------------------

    @property
    def router(self) -> Router:
        """The state machine; only after ``start``."""
        assert self._router is not None, "start the owner first"
        return self._router

    @property
    def positions(self) -> tuple[int, int, int]:
        """The next offset to read of the policy, request and reward topic."""
        return self.router.positions

    @property
    def durable(self) -> Stamp:
        """The newest stamp that is known to be in the changelog."""
        return self._stamp

    @property
    def must_repair(self) -> bool:
        """Whether a stale writer's records must be overwritten at once."""
        return bool(self._progress.dirty)

    @property
    def has_news(self) -> bool:
        """Whether an idle owner should write its stamp: more was published than it says."""
        return self._emitted > self._told or bool(self._outbox_done)

    def _read(self, key: bytes) -> bytes | None:
        for puts in reversed(self._ahead):
            if key in puts:
                return puts[key]
        return self._local.get(key)

    def apply(self, inputs: Inputs) -> Part:
        """Apply input records in memory, as many as fit one batch."""
        part = self.router.handle(inputs, self._emitted)
        self._ahead.append(part.puts)
        return part

    def seal(self, part: Part) -> Batch:
        """The batch that makes a part durable: puts, outbox, repairs, and the stamp at its end."""
        assert self._flying is None, "one batch in flight at a time"
        assert self._acked is None, "store the last batch first"
        puts: dict[bytes, bytes | None] = dict.fromkeys(self._outbox_done)
        self._outbox_done = []
        number = self._stamp.batch + 1
        puts.update(part.puts)
        if part.outbox:
            puts[outbox_key(number)] = encode_state(part.outbox)
        for key in self._progress.dirty:
            if key not in (STAMP_KEY, CLAIM_KEY) and puts.get(key) is None:
                value = None if key in puts else self._local.get(key)
                puts[key] = ABSENT if value is None else value
        records = list(puts.items())
        if CLAIM_KEY in self._progress.dirty:
            records.append((CLAIM_KEY, self._claim_record()))
        self._sealed = msgspec.structs.replace(part.stamp, emitted=self._emitted, batch=number)
        self._told = self._emitted
        records.append((STAMP_KEY, encode_state(self._sealed)))
        self._flying = records
        return Batch(records, self._epoch, self._id, number)

    def heartbeat(self) -> Part:
        """A part without input: its batch carries the stamp, and repairs if there are any."""
        part = Part({}, [], [], self.router.state.stamp())
        self._ahead.append(part.puts)
        return part

    def acked(self, base: int, at_ms: int = 0) -> Gap | None:
        """Judge where the batch landed, and when: None if as expected, else a gap to judge."""
        assert self._flying is not None, "nothing is in flight"
        expected = self._progress.next_offset
        if base < expected:
            raise HaltError(_went_back(self.partition, base, expected))
        self._acked = Progress(base + len(self._flying), self._epoch, frozenset(), at_ms)
        return None if base == expected else Gap(expected, base)

    def judge(self, gap: Gap, records: Sequence[LogRecord]) -> None:
        """Judge what somebody else wrote before the batch.

        Raises StaleOwnerError if a newer owner wrote there, or if a record is gone, since it could
        have been a newer owner's. What an older owner wrote is overwritten by the next batch.
        """
        assert self._flying is not None, "nothing is in flight"
        assert self._acked is not None, "no ack was judged"
        offsets = {record.offset for record in records}
        if any(offset not in offsets for offset in range(gap.start, gap.end)):
            raise StaleOwnerError(
                f"partition {self.partition}: records of the changelog before this worker's batch "
                "are gone, so a newer owner may have written them"
            )
        if any(record.epoch > self._epoch for record in records):
            raise StaleOwnerError(
                f"partition {self.partition}: another worker has claimed it, since this one was "
                "paused or cut off for longer than the session timeout"
            )
        written = {key for key, _ in self._flying}
        foreign = frozenset(record.key for record in records) - written
        self._acked = self._acked._replace(dirty=foreign)

    def store(self) -> None:
        """Write the acked batch to the local copy."""
        assert self._flying is not None, "nothing is in flight"
        assert self._acked is not None, "no ack was judged"
        puts = {key: stored_value(value) for key, value in self._flying}
        self._local.write(puts, self._acked)
        self._progress, self._acked, self._flying = self._acked, None, None
        self._stamp = self._sealed
        self._ahead.pop(0)
        self._requests_at.append((self._stamp.version, self._stamp.requests))

    def published(self, part: Part, batch: int) -> None:
        """Note that all outputs of a part were acked; parts must be noted in order.

        ``batch`` is the number of the batch that made it durable; 0 for what ``start`` gave.
        """
        self._emitted = max(self._emitted, part.stamp.version)
        if not batch:
            self._outbox_done, self._outbox_found = self._outbox_found, []
        elif part.outbox:
            self._outbox_done.append(outbox_key(batch))
        while self._requests_at and self._requests_at[0][0] <= self._emitted:
            self.committable_requests = self._requests_at.pop(0)[1]


def _went_back(partition: int, base: int, expected: int) -> str:
    return (
        f"the changelog of partition {partition} acknowledged offset {base} where {expected} or "
        "later was due: the topic was recreated or lost records. Stop all workers; if the topic "
        "was recreated on purpose, delete the workers' data directories; otherwise restore it"
    )


def _check_sources(then: Sources, now: Sources) -> None:
    """Raise HaltError unless the topics are the same, as far as both sides know them."""
    if not then or not now:
        return
    others, recreated = [], []
    for (old, old_id), (new, new_id) in zip(then, now, strict=True):
        if old != new:
            others.append(f"then {old}, now {new}")
        elif old_id and new_id and old_id != new_id:
            recreated.append(f"{new} was recreated: its id was {old_id}, and is {new_id}")
    if not others and not recreated:
        return
    advice = _OTHERS if others else _RECREATED
    listed = "\n  ".join([*others, *recreated])
    raise HaltError(
        "the state was made of other input topics than this worker reads, so its positions in them "
        f"mean nothing here:\n  {listed}\n{advice}"
    )
