"""One loop per worker: apply what is there, make it durable, publish it, take what came."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any, Final
from uuid import uuid4

from core.routing.part import Inputs, Part
from core.routing.summary import route_names
from streams.durable.local import LocalState
from streams.durable.owner import Owner, Sources
from streams.engine.inbox import Inbox
from streams.engine.pipeline import Pipeline
from streams.engine.solver import ChildSolver
from streams.monitor.monitor import Monitor
from streams.monitor.telemetry import Telemetry
from streams.monitor.view import Phase
from streams.settings import Settings
from streams.topics import input_sources

log = logging.getLogger(__name__)
_BACKLOG: Final = 256
"""With that many records waiting, the next cycle is applied while the last one's acks are due."""
_SMALLEST_SHARE: Final = 64
_NEWS_AFTER: Final = 1.0
"""Seconds after which an idle owner writes down what was published since its last batch."""
_REASSIGNED_WITHIN: Final = 60.0
"""Seconds in which a worker that lost a partition must learn of it from the group."""


def _now_ms() -> int:
    return int(time.time() * 1000)


class Engine:
    """Owns the partitions assigned to this worker.

    ``fail`` is called with an error after which the worker must not go on; ``monitor`` looks on.
    """

    def __init__(
        self,
        settings: Settings,
        fail: Callable[[BaseException], None],
        telemetry: Telemetry,
        monitor: Monitor,
    ) -> None:
        self._settings = settings
        self.monitor = monitor
        self.phase: Phase = "starting"
        self.turned_at = time.monotonic()
        """When the loop, or the claim that it waits for, last got on."""
        self._fail = fail
        self._telemetry = telemetry
        self._kinds = {topic: kind for kind, topic in enumerate(settings.topics.inputs)}
        self._pipeline = Pipeline(settings, telemetry, fail, self._drop)
        self._owners: dict[int, Owner] = {}
        self._written: dict[int, float] = {}
        self._lost: dict[int, float] = {}
        self._generation = 0
        self._accepting = False
        self._turning = asyncio.Lock()
        self._loop_task: asyncio.Task[None] | None = None
        self._solver = ChildSolver()
        self._stopping = False
        self.inbox = Inbox(settings.inbox_records, settings.inbox_bytes)

    async def start(self) -> None:
        """Connect the producers and start the loop."""
        await self._pipeline.start()
        self._loop_task = asyncio.create_task(self._loop(), name="thalweg-engine")

    async def stop(self) -> None:
        """Finish what is under way, write the last stamps, and disconnect."""
        await self.release()
        self.phase = "stopping"
        self._stopping = True
        self.inbox.wake()
        if self._loop_task is not None:
            await self._loop_task
        self._solver.close()
        await self._pipeline.stop()

    # ---- assignment -----------------------------------------------------------------------

    def assigned(self) -> None:
        """The group has assigned partitions; their local copies are being read up to date."""
        self.phase = "recovering"

    async def acquire(self, locals_: Mapping[int, LocalState]) -> None:
        """Claim partitions whose local copies were read to the end of the changelog."""
        async with self._turning:
            self.phase = "claiming"
            self.monitor.take(locals_, _now_ms())
            self._owners.clear()
            self._lost.clear()
            sources = await input_sources(self._settings) if locals_ else ()
            owners = {
                number: self._new_owner(number, local, sources) for number, local in locals_.items()
            }
            await asyncio.gather(
                *(self._claim(owners[number], locals_[number]) for number in owners)
            )
            self._owners.update(sorted(owners.items()))
            self._written = dict.fromkeys(owners, time.monotonic())
            self._telemetry.claimed(len(owners))
        gc.collect()
        gc.freeze()  # what was restored is there to stay, so no later collection need look at it
        if not owners:
            # There is nothing to read, so nothing calls ``accept``.
            self.phase = "ready"
            log.info("ready: owns no partitions, since other workers have them all")

    async def _claim(self, owner: Owner, local: LocalState) -> None:
        await self._pipeline.claim(owner, local)
        self.monitor.know(owner.partition, route_names(local.scan))
        self.turned_at = time.monotonic()

    def _new_owner(self, partition: int, local: LocalState, sources: Sources) -> Owner:
        return Owner(
            partition,
            uuid4().hex[:8],
            local,
            max_part_bytes=self._settings.max_part_bytes,
            max_routes=self._settings.max_routes,
            topics=asdict(self._settings.topics),
            sources=sources,
            solver=self._solver,
            observer=self.monitor.of(partition),
        )

    async def release(self) -> None:
        """Give up all partitions: finish what is under way, and write what was published."""
        self._accepting = False
        if self.phase != "starting":
            self.phase = "rebalancing"
        self.inbox.clear()
        async with self._turning:
            await self._pipeline.finish()
            self.inbox.clear()
            await self._pipeline.append(
                [(owner, owner.heartbeat()) for owner in self._owners.values() if owner.has_news]
            )
            await self._pipeline.finish()
            self._owners.clear()
            self._lost.clear()

    def _drop(self, owner: Owner) -> None:
        """Forget an owner that another worker has replaced."""
        self._owners.pop(owner.partition, None)
        self.inbox.drop(owner.partition)
        self._lost[owner.partition] = time.monotonic()
        self.monitor.forget(owner.partition)
        self._telemetry.stale()

    # ---- input ----------------------------------------------------------------------------

    def positions(self) -> dict[tuple[str, int], int]:
        """Where each input must be read from, by topic and partition."""
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

    def accept(self, generation: int) -> None:
        """Take in what the consumer fetches from ``generation`` on."""
        self._generation = generation
        self._accepting = True
        self.phase = "ready"
        log.info("ready: owns partitions %s", ", ".join(map(str, self._owners)))

    async def offer(
        self,
        topic: str,
        generation: int,
        partitions: Mapping[int, list[Any]],
        behind: Collection[int] = (),
    ) -> None:
        """Take in what was fetched of one topic; waits while the inbox is full.

        ``behind``: the partitions of which the topic has more records already.
        """
        kind = self._kinds[topic]
        await self.inbox.wait_for_room(kind)
        if not self._accepting or generation < self._generation:
            return
        for number, records in partitions.items():
            if number in self._owners:
                self.inbox.put(kind, number, records, behind=number in behind)

    def expect(self, topic: str, partition: int) -> None:
        """The topic has records that are still to be fetched."""
        self.inbox.expect(self._kinds[topic], partition)

    # ---- looking on -----------------------------------------------------------------------

    @property
    def partitions(self) -> list[int]:
        """Those that this worker owns."""
        return sorted(self._owners)

    @property
    def owners(self) -> Mapping[int, Owner]:
        """By partition; to look at."""
        return self._owners

    # ---- the loop -------------------------------------------------------------------------

    async def _loop(self) -> None:
        try:
            beat_at = time.monotonic()
            while not self._stopping:
                busy = await self.inbox.wait_for_records(self._next_beat())
                self.turned_at = time.monotonic()
                self.monitor.tend(_now_ms())
                async with self._turning:
                    if busy:
                        await self._turn()
                    if not busy or time.monotonic() - beat_at >= _NEWS_AFTER:
                        await self._beat()
                        beat_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            self._fail(error)

    def _next_beat(self) -> float:
        if any(owner.must_repair for owner in self._owners.values()):
            return 0.0
        return min(_NEWS_AFTER, self._settings.heartbeat)

    async def _turn(self) -> None:
        """One cycle over all partitions with input."""
        if len(self.inbox) < _BACKLOG:
            await self._pipeline.settle()
        partitions = self.inbox.partitions
        if not partitions:
            return
        share = max(_SMALLEST_SHARE, self._settings.cycle_records // len(partitions))
        parts: dict[int, Part] = {}
        count = 0
        started = time.perf_counter()
        for number in partitions:
            inputs = self.inbox.slice(number, share)
            before = inputs.left
            parts[number] = self._owners[number].apply(inputs)
            count += before - inputs.left
            self.inbox.taken(number, inputs)
            self._telemetry.applied(inputs)
        self._telemetry.cycle(count, time.perf_counter() - started)
        await self._pipeline.settle()
        for number, owner in self._owners.items():
            if number not in parts and owner.must_repair:
                parts[number] = owner.heartbeat()
        await self._append(parts)
        # Producers and agents run in this loop too: let them.
        await asyncio.sleep(0)

    async def _beat(self) -> None:
        """A cycle without input: stamps of owners that must repair, have news, or are idle."""
        now = time.monotonic()
        for number, since in self._lost.items():
            if now - since > _REASSIGNED_WITHIN:
                raise RuntimeError(
                    f"partition {number} went to another worker {_REASSIGNED_WITHIN:.0f} s ago, "
                    "but the group still assigns it to this one: two groups with one changelog? "
                    "Every installation needs its own --name"
                )
        await self._pipeline.settle()
        due: dict[int, Part] = {}
        for number, owner in self._owners.items():
            age = now - self._written[number]
            old = age >= self._settings.heartbeat or (owner.has_news and age >= _NEWS_AFTER)
            if owner.router.overdue:
                due[number] = owner.apply(Inputs())
            elif owner.must_repair or old:
                due[number] = owner.heartbeat()
        await self._append(due)

    async def _append(self, parts: Mapping[int, Part]) -> None:
        now = time.monotonic()
        # An owner may have turned out stale after its part was applied: then it is gone.
        pairs = [(self._owners[n], part) for n, part in parts.items() if n in self._owners]
        for owner, _ in pairs:
            self._written[owner.partition] = now
        await self._pipeline.append(pairs)
