"""Owners, copies and shells that break one rule each of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from core.routing.part import Inputs, Part
from schemas.state import ABSENT, CLAIM_KEY, OUTBOX, STAMP_KEY, Claim, Stamp, encode_state
from streams.durable.owner import Batch, Gap, Owner
from streams.durable.reading import LogRecord, Progress, stored_value
from tests.model.fake_log import outputs
from tests.model.incarnation import Copy, Incarnation
from tests.model.model import Model
from tests.model.world import World

NO_KEYS: frozenset[bytes] = frozenset()


class NoContinuityCheck(Owner):
    def acked(self, base: int) -> Gap | None:
        super().acked(base)
        return None


class NoClaimCheck(Owner):
    def claimed(self, base: int) -> Gap | None:
        self._progress = self._progress._replace(next_offset=base)
        return super().claimed(base)


class EmittedEarly(Owner):
    def seal(self, part: Part) -> Batch:
        self._emitted = part.stamp.version
        return super().seal(part)


class NoLiveRepair(Owner):
    def judge(self, gap: Gap, records: Sequence[LogRecord]) -> None:
        super().judge(gap, records)
        assert self._acked is not None
        self._acked = self._acked._replace(dirty=NO_KEYS)


class NoRepairAfterRecovery(Owner):
    def claimed(self, base: int) -> Gap | None:
        gap = super().claimed(base)
        if gap is None:
            self._progress = self._progress._replace(dirty=NO_KEYS)
            self._local.write({}, self._progress)
        return gap


class _Resealing(Owner):
    """Sends other records than it should, and keeps them likewise."""

    def reseal(self, records: list[tuple[bytes, bytes | None]]) -> Any:
        raise NotImplementedError

    def seal(self, part: Part) -> Batch:
        batch = super().seal(part)
        self._flying = self.reseal(batch.records)
        return batch._replace(records=self._flying)


class TombstoneInsteadOfMarker(_Resealing):
    def reseal(self, records: list[tuple[bytes, bytes | None]]) -> Any:
        return [(key, None if value == ABSENT else value) for key, value in records]


class RepairSkipsAbsentKeys(_Resealing):
    def reseal(self, records: list[tuple[bytes, bytes | None]]) -> Any:
        return [(key, value) for key, value in records if value != ABSENT]


class BatchWithoutStamp(_Resealing):
    def reseal(self, records: list[tuple[bytes, bytes | None]]) -> Any:
        return [(key, value) for key, value in records if key != STAMP_KEY]


class MissingOffsetsIgnored(Owner):
    def judge(self, gap: Gap, records: Sequence[LogRecord]) -> None:
        there = {record.offset: record for record in records}
        nobodys = [LogRecord(o, CLAIM_KEY, None, 0) for o in range(gap.start, gap.end)]
        super().judge(gap, [there.get(record.offset, record) for record in nobodys])


class ClaimCarriesStamp(Owner):
    def claim(self) -> Batch:
        batch = super().claim()
        stamp = self._local.get(STAMP_KEY) or encode_state(Stamp())
        return batch._replace(records=[*batch.records, (STAMP_KEY, stamp)])

    def claimed(self, base: int) -> Gap | None:
        gap = super().claimed(base)
        if gap is not None:
            return gap._replace(end=gap.end + 1)
        self._progress = self._progress._replace(next_offset=base + 2)
        stamp = self._local.get(STAMP_KEY) or encode_state(Stamp())
        self._local.write({STAMP_KEY: stamp}, self._progress)
        return None


class SameEpochAgain(Owner):
    def claim(self) -> Batch:
        first = self._epoch
        batch = super().claim()
        if not first:
            return batch
        self._epoch = first
        claim = encode_state(Claim(first, self._id))
        return batch._replace(records=[(CLAIM_KEY, claim)], epoch=first)


class DroppedBeforeEmitted(Owner):
    def apply(self, inputs: Inputs) -> Part:
        emitted, self._emitted = self._emitted, 1 << 60
        try:
            return super().apply(inputs)
        finally:
            self._emitted = emitted


class OutboxDeletedBeforeAck(Owner):
    def store(self) -> None:
        assert self._flying is not None
        self._outbox_done += [k for k, v in self._flying if k[:1] == OUTBOX and v is not None]
        super().store()


class OutboxNotPublishedAgain(Owner):
    def start(self) -> Part:
        return super().start()._replace(outbox=[])


class DecisionsNotPublishedAgain(Owner):
    def start(self) -> Part:
        return super().start()._replace(decisions=[])


class CommitsWhatWasApplied(Owner):
    def store(self) -> None:
        super().store()
        self.committable_requests = self._stamp.requests


class StampSkipped(Owner):
    def start(self) -> Part:
        part = super().start()
        state = self.router.state
        state.next_policy = state.next_request = state.next_reward = 0
        return part


class NoStoredEpoch(Copy):
    def version(self) -> Any:
        version = super().version()
        return version._replace(progress=version.progress._replace(highest_epoch=0))


class NoStoredDirtySet(Copy):
    def version(self) -> Any:
        version = super().version()
        return version._replace(progress=version.progress._replace(dirty=NO_KEYS))


class PublishBeforeAck(Model):
    def _send(self, world: World, number: int, one: Incarnation, batch: Batch) -> World:
        world = super()._send(world, number, one, batch)
        if one.flying is not None:
            for output in outputs(one.flying[0]):
                world = replace(world, sink=world.sink.publish(number, output))
        return world


class NaiveSplit(Model):
    def _send(self, world: World, number: int, one: Incarnation, batch: Batch) -> World:
        if one.flying is None:
            return super()._send(world, number, one, batch)
        *puts, stamp = batch.records
        half = super()._send(world, number, one, batch._replace(records=puts))
        base = one.base
        self._checks.step(world, half)
        world = super()._send(half, number, one, batch._replace(records=[stamp]))
        one.base = base
        return world


def read_on_without_ignoring(
    progress: Progress, records: Iterable[LogRecord]
) -> tuple[dict[bytes, bytes | None], Progress]:
    """No ignore rule."""
    puts: dict[bytes, bytes | None] = {}
    next_offset, highest, dirty, _ = progress
    for record in records:
        next_offset, highest = record.offset + 1, max(highest, record.epoch)
        puts[record.key] = stored_value(record.value)
    return puts, Progress(next_offset, highest, dirty - frozenset(puts))
