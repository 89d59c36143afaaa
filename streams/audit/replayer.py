"""Drives a router over the inputs of one partition, from stamp to stamp of its changelog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from core.router import Router
from core.routing.memory import Read
from core.routing.part import Answered, Inputs, Part
from schemas.encode import decode_answer
from schemas.state import Stamp
from streams.audit.changelog import LoggedBatch
from streams.audit.findings import TOPICS, Applied
from streams.audit.order import Reconstruction
from streams.audit.published import Published
from streams.audit.topics import PartitionLogs
from streams.durable.local import MemoryState
from streams.durable.reading import Progress

NO_LIMIT: Final = 1 << 62
"""Parts end where the stamps say, not where a worker's limits would cut them."""
_MOST_AT_ONCE: Final = 2_000


class MakeRouter(Protocol):
    """Makes a router over stored state."""

    def __call__(self, read: Read, *, max_part_bytes: int) -> Router: ...  # noqa: D102


class MissingInputsError(Exception):
    """Inputs that the partition applied are gone from the topics."""

    def __init__(self, gone: int, why: str) -> None:
        super().__init__(f"{gone:,} inputs before it are gone from the topics ({why})")
        self.gone = gone
        self.why = why


@dataclass(slots=True)
class Step:
    """What replay made of the inputs between two stamps."""

    before: Stamp
    after: Stamp
    applied: list[Applied] = field(default_factory=list)
    answers: list[tuple[int, Answered]] = field(default_factory=list)
    """To the step's own requests, one each, with their state versions."""
    touched: set[bytes] = field(default_factory=set)
    """Keys that replay has written."""
    assumed: int = 0
    """Inputs whose place only their timestamps tell; 0 where the order is known."""

    def take(self, part: Part) -> None:
        """Keep what one part leads to."""
        self.touched.update(part.puts)
        repeated = [Answered(out.key, out.value) for out in part.outbox if out.role == "decisions"]
        for answered in (*part.decisions, *repeated):
            version = decode_answer(answered.value).state_version
            if version > self.before.version:
                self.answers.append((version, answered))


class Replayer:
    """Replays one partition. ``logged`` is the changelog's state, as of the last ``log``."""

    def __init__(self, logs: PartitionLogs, published: Published, make: MakeRouter) -> None:
        self._logs = logs
        self._published = published
        self._make = make
        self.logged = MemoryState()
        self.exact = True
        """Whether ``logged`` is all of the changelog's state."""
        self.before = Stamp()
        self.state = MemoryState()
        self.router: Router | None = None

    def start(self) -> bool:
        """Begin with the changelog's state as of now; False if that is not known."""
        if not self.exact:
            return False
        self.state = MemoryState()
        self.state.items = dict(self.logged.items)
        self.router = self._make(self.state.get, max_part_bytes=NO_LIMIT)
        self.router.restore(self.state.scan)
        return True

    def stop(self) -> None:
        """Give up the replayed state."""
        self.router = None

    def log(self, batch: LoggedBatch) -> None:
        """Take a batch into the changelog's state; inputs below its stamp are done with."""
        self.logged.write(batch.puts, batch.progress)
        self.exact = batch.exact
        self.before = batch.stamp
        stamp = batch.stamp
        for log, position in zip(
            self._logs.inputs, (stamp.policies, stamp.requests, stamp.rewards), strict=True
        ):
            log.skip(position)

    async def step(self, batch: LoggedBatch) -> Step:
        """Replay the inputs up to the batch's stamp; ``log`` it afterwards.

        Raises MissingInputsError, and OrderError where the order between topics is not known and
        the answers do not tell it. Then the router is of no use any more.
        """
        assert self.router is not None, "start the replayer first"
        before, after = self.before, batch.stamp
        step = Step(before, after)
        if after.batch == before.batch + 1:
            await self._known(step)
        else:
            await self._unknown(step)
        return step

    async def _known(self, step: Step) -> None:
        after = step.after
        policies, requests, rewards = [
            await log.take(position)
            for log, position in zip(
                self._logs.inputs, (after.policies, after.requests, after.rewards), strict=True
            )
        ]
        self._check_count(step, len(policies) + len(requests) + len(rewards))
        self.apply(step, Inputs(policies, requests, rewards))

    async def _unknown(self, step: Step) -> None:
        positions = (step.after.policies, step.after.requests, step.after.rewards)
        count = 0
        for log, position in zip(self._logs.inputs, positions, strict=True):
            at = 0
            while await log.peek(position, at) is not None:
                at += 1
            count += at
        self._check_count(step, count)
        order = Reconstruction(self._logs, self._published, step.before, step.after)
        run: list[list[Any]] = [[], [], []]
        last = size = 0
        async for kind, record in order.inputs():
            if kind < last or size == _MOST_AT_ONCE:
                self.apply(step, Inputs(*run))
                run, size = [[], [], []], 0
            run[kind].append(record)
            last = kind
            size += 1
        self.apply(step, Inputs(*run))
        step.assumed = order.choices

    def _check_count(self, step: Step, found: int) -> None:
        applied = step.after.version - step.before.version
        if found == applied:
            return
        before, after = step.before, step.after
        kept = []
        for log, low, high in zip(
            self._logs.inputs,
            (before.policies, before.requests, before.rewards),
            (after.policies, after.requests, after.rewards),
            strict=True,
        ):
            if low < high and log.span.first > low:
                kept.append(f"{log.topic} begins at offset {log.span.first} by now")
        why = "; ".join(kept) or f"{self._logs.inputs[0].topic} was compacted"
        raise MissingInputsError(applied - found, why)

    def apply(self, step: Step, inputs: Inputs) -> None:
        """Apply inputs and keep what they lead to."""
        router = self.router
        assert router is not None, "start the replayer first"
        version = router.version
        for topic, records in zip(
            TOPICS, (inputs.policies, inputs.requests, inputs.rewards), strict=True
        ):
            for record in records:
                version += 1
                step.applied.append(Applied(version, topic, record))
        part = router.handle(inputs, emitted=router.version)
        assert not inputs.left, "parts have no limit"
        self.state.write(part.puts, Progress())
        step.take(part)


Tick = Callable[[int], None]
"""Told how many more inputs were passed."""


def positions(stamp: Stamp) -> Sequence[int]:
    """Of policies, requests and rewards."""
    return stamp.policies, stamp.requests, stamp.rewards
