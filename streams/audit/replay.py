"""The audit of one partition: every answer decided again, and compared with what was published."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from core.router import Router
from core.routing.part import Answered
from schemas.encode import decode_answer
from schemas.state import Stamp
from streams.audit.changelog import LoggedBatch, batches
from streams.audit.findings import (
    Applied,
    Asked,
    Difference,
    Kind,
    PartitionFindings,
    StateDifference,
    Unverified,
)
from streams.audit.order import OrderError
from streams.audit.published import Published, Seen, answer_of, digest
from streams.audit.replayer import MissingInputsError, Replayer, Step, Tick, positions
from streams.audit.state import differs, logical
from streams.audit.topics import PartitionLogs, Snapshot, TopicLog, open_logs, read_one
from streams.durable.headers import log_record
from streams.durable.reading import LogRecord
from streams.settings import Settings

SHOWN: Final = 10
"""Differences that are described, of those that are counted."""
_AROUND: Final = 4
"""Inputs shown on each side of a difference."""


async def audit_partition(
    settings: Settings, partition: int, snapshot: Snapshot, asked: Asked, tick: Tick
) -> PartitionFindings:
    """Replay one partition as far as its topics allow. Raises AuditError."""
    decisions = settings.topics.decisions
    async with TopicLog(settings.brokers, decisions, partition, snapshot.decisions) as log:
        published = await Published.read(log.each())
    async with open_logs(settings, partition, snapshot) as logs:
        audit = _Audit(partition, logs, published, snapshot, asked, tick)
        findings = await audit.run()
    for difference in findings.differences:
        if difference.offset is not None:
            record = await read_one(settings, decisions, partition, difference.offset)
            _show(difference, record)
    return findings


def _show(difference: Difference, record: object) -> None:
    value: bytes | None = getattr(record, "value", None)
    difference.published = value
    answer = answer_of(value)
    if answer is not None:
        difference.route, difference.request_id = answer.route, answer.request_id
    difference.key_differs = difference.kind == "differs" and value == difference.replayed


@dataclass(slots=True)
class _Compared:
    """The answers of one step against the topic."""

    differences: list[Difference] = field(default_factory=list)
    absent: list[Difference] = field(default_factory=list)
    """Answers that the topic does not have."""
    deleted: int = 0
    """Those that the topic may have had."""
    equal: int = 0


class _Audit:
    """One run over one partition."""

    def __init__(
        self,
        partition: int,
        logs: PartitionLogs,
        published: Published,
        snapshot: Snapshot,
        asked: Asked,
        tick: Tick,
    ) -> None:
        self._logs = logs
        self._published = published
        self._snapshot = snapshot
        self._asked = asked
        self._tick = tick
        self._replayer = Replayer(logs, published, partial(Router, partition=partition))
        self._found = PartitionFindings(partition, repeated=published.repeated)
        self._started = False
        self._touched: set[bytes] = set()
        self._suspects: dict[bytes, int] = {}
        self._absent: list[Difference] = []
        self._recent: deque[Applied] = deque(maxlen=_AROUND)
        self._kept_from = published.surely_kept(snapshot.decisions.first)

    async def run(self) -> PartitionFindings:
        """Replay everything that is asked for."""
        replayer, found = self._replayer, self._found
        async for batch in batches(log_records(self._logs.changelog)):
            before = replayer.before
            if self._asked.ended(before):
                break
            if self._asked.begins(batch.stamp):
                await self._step(batch)
            replayer.log(batch)
            if replayer.router is not None:
                self._suspect(batch)
            self._touched = set()
            self._tick(sum(positions(batch.stamp)) - sum(positions(before)))
        found.ended_at = replayer.before.version
        self._compare_state()
        self._judge_absent(replayer.before)
        self._leftovers(replayer.before)
        return found

    async def _step(self, batch: LoggedBatch) -> None:
        replayer, found = self._replayer, self._found
        if replayer.router is None and not replayer.start():
            self._give_up(batch, "a frozen worker had written to the changelog meanwhile")
            return
        if positions(batch.stamp) == positions(replayer.before):
            return
        try:
            step = await replayer.step(batch)
        except MissingInputsError as error:
            self._give_up(batch, error.why, error.gone)
            return
        except OrderError as error:
            self._give_up(batch, str(error))
            return
        compared = self._compared(step)
        if step.assumed and (compared.differences or self._state_differs(batch)):
            self._give_up(
                batch,
                "compaction has removed the stamps that told the order of the inputs, the answers "
                f"leave the place of {step.assumed:,} of them open, and in the order of their "
                "timestamps replay gives something else",
            )
            return
        found.assumed += step.assumed
        found.inputs += len(step.applied)
        if not self._started:
            self._started, found.started_at = True, step.before.version
        found.equal += compared.equal
        found.compared += compared.equal + len(compared.differences)
        found.deleted += compared.deleted
        self._absent += compared.absent
        self._add(compared.differences, step)
        self._touched = step.touched
        self._recent.extend(step.applied[-_AROUND:])

    def _give_up(self, batch: LoggedBatch, why: str, gone: int = 0) -> None:
        """Leave out the stretch up to a batch: what comes after it starts from its state."""
        self._replayer.stop()
        self._suspects.clear()
        self._recent.clear()
        before, after = self._replayer.before.version, batch.stamp.version
        answers = sum(1 for seen in self._between(before, after) if self._covers(*seen))
        stretch, found = Unverified(before, after, why, gone, answers), self._found.unverified
        if not (found and found[-1].extended(stretch)):
            found.append(stretch)

    def _between(self, above: int, upto: int) -> Iterator[tuple[int, Seen]]:
        for version in self._published.after(above):
            if version > upto:
                return
            yield version, self._published.at(version)[0]

    def _covers(self, version: int, seen: Seen) -> bool:
        return self._asked.covers(version, seen.route, seen.timestamp)

    # ---- answers --------------------------------------------------------------------------

    def _compared(self, step: Step) -> _Compared:
        made = _Compared()
        wanted = dict(step.answers)
        for version in range(step.before.version + 1, step.after.version + 1):
            replayed, found = wanted.get(version), self._published.at(version)
            if replayed is None:
                made.differences += [
                    self._difference("surplus", version, seen, None)
                    for seen in found
                    if self._covers(version, seen)
                ]
                continue
            answer = decode_answer(replayed.value)
            if not self._asked.covers(version, answer.route, answer.timestamp):
                continue
            own = digest(replayed.key, replayed.value)
            others = [seen for seen in found if seen.digest != own]
            made.differences += [
                self._difference("differs", version, seen, replayed) for seen in others
            ]
            if found:
                made.equal += not others
            elif version < self._kept_from:
                made.deleted += 1
            else:
                missing = self._difference("missing", version, None, replayed)
                if len(self._absent) + len(made.absent) < SHOWN:
                    missing.around = self._around(step, version)
                made.absent.append(missing)
        return made

    def _difference(
        self, kind: Kind, version: int, seen: Seen | None, replayed: Answered | None
    ) -> Difference:
        difference = Difference(
            kind, self._found.partition, version, None if seen is None else seen.offset
        )
        if replayed is not None:
            answer = decode_answer(replayed.value)
            difference.route, difference.request_id = answer.route, answer.request_id
            difference.replayed = replayed.value
        return difference

    def _add(self, differences: list[Difference], step: Step | None = None) -> None:
        found = self._found
        found.different += len(differences)
        for difference in differences[: max(SHOWN - len(found.differences), 0)]:
            if step is not None:
                difference.around = self._around(step, difference.version)
            found.differences.append(difference)

    def _around(self, step: Step, version: int) -> list[Applied]:
        """The inputs next to a state version, as far as they are at hand."""
        at = version - step.before.version - 1
        before = [one for one in self._recent if one.version >= version - _AROUND]
        return before + step.applied[max(at - _AROUND, 0) : at + _AROUND + 1]

    def _judge_absent(self, last: Stamp) -> None:
        """Answers that replay gives and the topic has not: not yet, no more, or missing."""
        found, missing = self._found, []
        for one in self._absent:
            if one.version < self._kept_from:
                found.deleted += 1
            elif one.version > last.emitted:
                found.unpublished += 1
            else:
                missing.append(one)
        found.compared += len(missing)
        found.different += len(missing)
        merged = sorted([*found.differences, *missing], key=lambda one: one.version)
        found.differences = merged[:SHOWN]

    def _leftovers(self, last: Stamp) -> None:
        """What is published above the last stamp, and what is no answer at all."""
        found, asked = self._found, self._asked
        whole = not asked.ended(last)
        surplus = []
        for version in self._published.after(last.version) if whole else ():
            for seen in self._published.at(version):
                if not self._covers(version, seen):
                    continue
                if seen.offset < self._snapshot.settled:
                    surplus.append(self._difference("surplus", version, seen, None))
                else:
                    found.newer += 1
        if whole and asked.route is None:
            surplus += [
                Difference("unreadable", found.partition, 0, one.offset)
                for one in self._published.unreadable
            ]
        found.compared += len(surplus)
        self._add(surplus)
        if whole:
            found.waiting = sum(
                max(span.end - max(position, span.first), 0)
                for span, position in zip(self._snapshot.inputs, positions(last), strict=True)
            )

    # ---- state ----------------------------------------------------------------------------

    def _suspect(self, batch: LoggedBatch) -> None:
        """Note which keys differ after a batch. It may pass: a worker's part that was full does
        in the next one what replay has done already.
        """
        replayer = self._replayer
        for key in {*batch.puts, *self._touched, *self._suspects}:
            if self._differs(key):
                self._suspects.setdefault(key, replayer.before.version)
            else:
                self._suspects.pop(key, None)

    def _state_differs(self, batch: LoggedBatch) -> bool:
        logged = {**self._replayer.logged.items}
        for key, value in batch.puts.items():
            if value is None:
                logged.pop(key, None)
            else:
                logged[key] = value
        replayed = self._replayer.state.items
        return any(
            differs(key, logged, replayed, batch.stamp.reward_clock)
            for key in logged.keys() | replayed.keys()
        )

    def _differs(self, key: bytes) -> bool:
        replayer = self._replayer
        clock = replayer.before.reward_clock
        return differs(key, replayer.logged.items, replayer.state.items, clock)

    def _compare_state(self) -> None:
        """Compare the two states as a whole, where the replay has come to the end."""
        replayer, found = self._replayer, self._found
        if replayer.router is None or not replayer.exact:
            return
        found.state_keys = len(logical(replayer.logged.items.items()))
        keys = replayer.logged.items.keys() | replayer.state.items.keys()
        last = replayer.before.version
        found.state = sorted(
            (
                StateDifference(key, self._suspects.get(key, last))
                for key in keys
                if self._differs(key)
            ),
            key=lambda one: (one.first_at, one.key),
        )


async def log_records(log: TopicLog) -> AsyncIterator[LogRecord]:
    """The records of a changelog partition."""
    async for record in log.each():
        yield log_record(record)
