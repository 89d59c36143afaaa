"""One loop per worker: apply what is there, make it durable, publish it, take what came."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import uuid4

from aiokafka.structs import RecordMetadata

from core.part import Inputs, Part
from streams.durable.local import LocalState, follow
from streams.durable.owner import Owner, StaleOwnerError
from streams.engine.gaps import read_gap
from streams.engine.inbox import Inbox
from streams.engine.producing import Changelog, Outputs
from streams.engine.telemetry import Telemetry
from streams.settings import Settings

log = logging.getLogger(__name__)
_BACKLOG: Final = 256
"""With that many records waiting, the next cycle is applied while the last one's acks are due."""
_MOST_PUBLISHING: Final = 4
"""Cycles whose outputs may await their acks; then the next one waits."""
_NEWS_AFTER: Final = 1.0
"""Seconds after which an idle owner writes down what was published since its last batch."""
_REASSIGNED_WITHIN: Final = 60.0
"""Seconds in which a worker that lost a partition must learn of it from the group."""


class _Sent(NamedTuple):
    """One batch under way."""

    owner: Owner
    part: Part
    batch: int
    ack: asyncio.Future[RecordMetadata]


class Engine:
    """Owns the partitions assigned to this worker."""

    def __init__(
        self,
        settings: Settings,
        fail: Callable[[BaseException], None],
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._fail = fail
        self._telemetry = telemetry
        self._kinds = {topic: kind for kind, topic in enumerate(settings.topics.inputs)}
        self._changelog = Changelog(settings)
        self._outputs = Outputs(settings)
        self._owners: dict[int, Owner] = {}
        self._written: dict[int, float] = {}
        self._lost: dict[int, float] = {}
        self._generation = 0
        self._accepting = False
        self._publishing: deque[asyncio.Task[None]] = deque()
        self._settling: asyncio.Task[None] | None = None
        self._turning = asyncio.Lock()
        self._loop_task: asyncio.Task[None] | None = None
        self._stopping = False
        self.inbox = Inbox(settings.inbox_records, settings.inbox_bytes)

    # ---- life -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect the producers and start the loop."""
        await self._changelog.start()
        await self._outputs.start()
        self._loop_task = asyncio.create_task(self._loop(), name="thalweg-engine")

    async def stop(self) -> None:
        """Finish what is under way, write the last stamps, and disconnect."""
        await self.release()
        self._stopping = True
        self.inbox.wake()
        if self._loop_task is not None:
            await self._loop_task
        await self._changelog.stop()
        await self._outputs.stop()

    # ---- assignment -----------------------------------------------------------------------

    @property
    def owned(self) -> Mapping[int, Owner]:
        """The owners of the partitions that are claimed."""
        return self._owners

    async def acquire(self, locals_: Mapping[int, LocalState]) -> None:
        """Claim partitions whose local copies were read to the end of the changelog."""
        async with self._turning:
            self._owners.clear()
            self._lost.clear()
            owners = await asyncio.gather(
                *(self._claim(number, local) for number, local in sorted(locals_.items()))
            )
            for owner in owners:
                self._owners[owner.partition] = owner
                self._written[owner.partition] = time.monotonic()
            self._telemetry.claimed(len(owners))

    async def _claim(self, partition: int, local: LocalState) -> Owner:
        owner = Owner(
            partition,
            uuid4().hex[:8],
            local,
            max_part_bytes=self._settings.max_part_bytes,
            max_routes=self._settings.max_routes,
        )
        while True:
            ack = await self._changelog.append(partition, owner.claim())
            gap = owner.claimed((await ack).offset)
            if gap is None:
                break
            follow(local, await read_gap(self._settings, partition, gap))
        unpublished = owner.start()
        acks = await self._outputs.publish(partition, unpublished)
        await asyncio.gather(*acks)
        owner.published(unpublished, 0)
        return owner

    async def release(self) -> None:
        """Give up all partitions: finish what is under way, and write what was published."""
        self._accepting = False
        self.inbox.clear()
        async with self._turning:
            await self._settle()
            await self._finish_publishing()
            self.inbox.clear()
            await self._append(
                {n: owner.heartbeat() for n, owner in self._owners.items() if owner.has_news}
            )
            await self._settle()
            await self._finish_publishing()
            self._owners.clear()
            self._lost.clear()

    async def _finish_publishing(self) -> None:
        while self._publishing:
            await self._publishing.popleft()

    def accept(self, generation: int) -> None:
        """Take in what the consumer fetches from ``generation`` on."""
        self._generation = generation
        self._accepting = True
        log.info("ready: owns partitions %s", ", ".join(map(str, self._owners)))

    # ---- input ----------------------------------------------------------------------------

    def positions(self) -> dict[tuple[str, int], int]:
        """Where each input must be read from."""
        found: dict[tuple[str, int], int] = {}
        for number, owner in self._owners.items():
            for topic, offset in zip(self._settings.topics.inputs, owner.positions, strict=True):
                found[topic, number] = offset
        return found

    def committable(self) -> dict[tuple[str, int], int]:
        """What may be committed for monitoring: requests that were answered, the rest applied."""
        topics = self._settings.topics
        found: dict[tuple[str, int], int] = {}
        for number, owner in self._owners.items():
            found[topics.requests, number] = owner.committable_requests
            found[topics.rewards, number] = owner.durable.rewards
            found[topics.policies, number] = owner.durable.policies
        return {tp: offset for tp, offset in found.items() if offset > 0}

    async def offer(self, topic: str, generation: int, partitions: Mapping[int, list[Any]]) -> None:
        """Take in what was fetched of one topic; waits while the inbox is full."""
        await self.inbox.wait_for_room()
        if not self._accepting or generation < self._generation:
            return
        kind = self._kinds[topic]
        for number, records in partitions.items():
            if number in self._owners:
                self.inbox.put(kind, number, records)

    # ---- the loop -------------------------------------------------------------------------

    async def _loop(self) -> None:
        try:
            beat_at = time.monotonic()
            while not self._stopping:
                busy = await self.inbox.wait_for_records(self._next_heartbeat())
                async with self._turning:
                    if busy:
                        await self._turn()
                    if not busy or time.monotonic() - beat_at >= _NEWS_AFTER:
                        await self._beat()
                        beat_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            self._fail(error)

    def _next_heartbeat(self) -> float:
        if any(owner.must_repair for owner in self._owners.values()):
            return 0.0
        return min(_NEWS_AFTER, self._settings.heartbeat)

    def _due(self) -> dict[int, Part]:
        """Stamps to write for owners that must repair, published something, or are idle."""
        now = time.monotonic()
        due = {}
        for number, owner in self._owners.items():
            age = now - self._written[number]
            overdue = age >= self._settings.heartbeat or (owner.has_news and age >= _NEWS_AFTER)
            if owner.router.overdue:
                due[number] = owner.apply(Inputs())
            elif owner.must_repair or overdue:
                due[number] = owner.heartbeat()
        return due

    async def _beat(self) -> None:
        """A cycle without input."""
        for number, since in self._lost.items():
            if time.monotonic() - since > _REASSIGNED_WITHIN:
                raise RuntimeError(
                    f"partition {number} went to another worker {_REASSIGNED_WITHIN:.0f} s ago, "
                    "but the group still assigns it to this one: two groups with one changelog? "
                    "Every installation needs its own --name"
                )
        await self._settle()
        await self._append(self._due())

    async def _turn(self) -> None:
        """One cycle over all partitions with input."""
        if len(self.inbox) < _BACKLOG:
            await self._settle()
        partitions = [number for number in self.inbox.partitions if number in self._owners]
        if not partitions:
            self.inbox.clear()
            return
        share = max(64, self._settings.cycle_records // len(partitions))
        parts: dict[int, Part] = {}
        count = 0
        started = time.perf_counter()
        for number in partitions:
            inputs = self.inbox.slice(number, share)
            before = inputs.left
            parts[number] = self._owners[number].apply(inputs)
            count += before - inputs.left
            self.inbox.taken(number, inputs)
        self._telemetry.applied(count, time.perf_counter() - started)
        await self._settle()
        for number, owner in self._owners.items():
            if number not in parts and owner.must_repair:
                parts[number] = owner.heartbeat()
        await self._append(parts)
        # Producers and agents run in this loop too: let them.
        await asyncio.sleep(0)

    async def _append(self, parts: Mapping[int, Part]) -> None:
        """Seal and send parts of several partitions; ``_settle`` waits for their acks."""
        sent: list[_Sent] = []
        for number, part in parts.items():
            owner = self._owners.get(number)
            if owner is None:
                continue  # it turned out stale after the part was applied
            batch = owner.seal(part)
            self._written[number] = time.monotonic()
            self._telemetry.appended(batch)
            ack = await self._changelog.append(number, batch)
            sent.append(_Sent(owner, part, batch.number, ack))
        if sent:
            self._settling = asyncio.create_task(self._acked(sent), name="thalweg-acks")

    async def _settle(self) -> None:
        """Wait until the last batches are durable."""
        if self._settling is not None:
            task, self._settling = self._settling, None
            await task

    async def _acked(self, sent: Iterable[_Sent]) -> None:
        """Judge acks, write the local copies, and hand the outputs to the publisher."""
        ready: list[_Sent] = []
        started = time.perf_counter()
        for one in sent:
            owner = one.owner
            try:
                gap = owner.acked((await one.ack).offset)
                if gap is not None:
                    owner.judge(gap, await read_gap(self._settings, owner.partition, gap))
            except StaleOwnerError as error:
                log.warning("%s: dropped; nothing of it was published", error)
                self._owners.pop(owner.partition, None)
                self._lost[owner.partition] = time.monotonic()
                self._telemetry.stale(len(self._owners))
                continue
            owner.store()
            ready.append(one)
        self._telemetry.durable(time.perf_counter() - started)
        while len(self._publishing) >= _MOST_PUBLISHING:
            await self._publishing.popleft()
        before = self._publishing[-1] if self._publishing else None
        task = asyncio.create_task(self._publish(ready, before), name="thalweg-publish")
        self._publishing.append(task)

    async def _publish(self, ready: Iterable[_Sent], before: asyncio.Task[None] | None) -> None:
        """Publish the outputs of durable parts, after those of the parts before."""
        try:
            under_way = [
                (one, await self._outputs.publish(one.owner.partition, one.part)) for one in ready
            ]
            if before is not None:
                await before
            for one, acks in under_way:
                await asyncio.gather(*acks)
                one.owner.published(one.part, one.batch)
                self._telemetry.published(one.part)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            self._fail(error)
