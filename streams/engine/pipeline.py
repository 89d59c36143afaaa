"""From applied parts to published outputs: append, await the acks, store, publish.

Changelog batches of all partitions go out together. One per partition is in flight; its outputs are
sent once it is durable, while the next one is on its way, together with all that gathered since the
last outputs were sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from aiokafka.structs import RecordMetadata

from core.routing.part import Part
from schemas.state import POLICY, split_policy_key
from streams.durable.local import LocalState, follow
from streams.durable.owner import Owner, StaleOwnerError
from streams.engine.gaps import read_gap
from streams.engine.producing import Changelog, Outputs
from streams.monitor.telemetry import Telemetry
from streams.settings import Settings

log = logging.getLogger(__name__)
_MOST_READY: Final = 4
"""Cycles whose outputs may wait to be sent; then the next one waits too."""


_POLICY_FAULTS: Final = frozenset(("invalid_policy", "stale_policy"))


class _Sent(NamedTuple):
    """One batch under way."""

    owner: Owner
    part: Part
    batch: int
    ack: asyncio.Future[RecordMetadata]


class Pipeline:
    """Makes parts durable and publishes them, in order per partition.

    ``fail`` is called with an error after which the worker must not go on, ``on_stale`` with an
    owner that another worker has replaced.
    """

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        fail: Callable[[BaseException], None],
        on_stale: Callable[[Owner], None],
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._fail = fail
        self._on_stale = on_stale
        self._changelog = Changelog(settings)
        self._outputs = Outputs(settings)
        self._settling: asyncio.Task[None] | None = None
        self._ready: list[_Sent] = []
        self._publishing: asyncio.Task[None] | None = None
        self._policies: dict[int, int] = {}
        """By partition, up to where the policy topic is known to have been told of."""

    async def start(self) -> None:
        """Connect the producers."""
        await self._changelog.start()
        await self._outputs.start()

    async def stop(self) -> None:
        """Disconnect them; settle before."""
        await self._changelog.stop()
        await self._outputs.stop()

    async def claim(self, owner: Owner, local: LocalState) -> None:
        """Claim the owner's partition, and publish what its predecessor may not have."""
        while True:
            ack = await (await self._changelog.append(owner.partition, owner.claim()))
            gap = owner.claimed(ack.offset, ack.timestamp or 0)
            if gap is None:
                break
            follow(local, await read_gap(self._settings, owner.partition, gap))
        # Restoring takes seconds where many decisions are open; heartbeats go on meanwhile.
        unpublished = await asyncio.to_thread(owner.start)
        await asyncio.gather(*await self._outputs.publish(owner.partition, [unpublished]))
        owner.published(unpublished, 0)

    async def append(self, parts: Iterable[tuple[Owner, Part]]) -> None:
        """Seal and send parts, one per partition; ``settle`` before, and before the next ones."""
        sent = []
        for owner, part in parts:
            batch = owner.seal(part)
            self._telemetry.appended(batch)
            ack = await self._changelog.append(owner.partition, batch)
            sent.append(_Sent(owner, part, batch.number, ack))
        if sent:
            self._settling = asyncio.create_task(self._acked(sent), name="thalweg-acks")

    async def settle(self) -> None:
        """Wait until the last batches are durable. Raises what went wrong with them."""
        if self._settling is not None:
            task, self._settling = self._settling, None
            await task

    async def finish(self) -> None:
        """Wait until everything is durable and published."""
        await self.settle()
        if self._publishing is not None:
            await self._publishing

    async def _acked(self, sent: Iterable[_Sent]) -> None:
        """Judge acks, write the local copies, and hand the outputs to the publisher."""
        ready: list[_Sent] = []
        started = time.perf_counter()
        for one in sent:
            owner = one.owner
            try:
                ack = await one.ack
                gap = owner.acked(ack.offset, ack.timestamp or 0)
                if gap is not None:
                    owner.judge(gap, await read_gap(self._settings, owner.partition, gap))
            except StaleOwnerError as error:
                log.warning("%s: dropped; nothing of it was published", error)
                self._on_stale(owner)
                continue
            owner.store()
            ready.append(one)
        self._telemetry.durable(time.perf_counter() - started)
        self._ready.extend(ready)
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish(), name="thalweg-publish")
        elif len(self._ready) > _MOST_READY * max(1, len(ready)):
            await self._publishing

    async def _publish(self) -> None:
        """Publish what is durable, all that has gathered at a time, in order per partition."""
        try:
            while self._ready:
                ready, self._ready = self._ready, []
                started = time.perf_counter()
                by_partition: defaultdict[int, list[Part]] = defaultdict(list)
                for one in ready:
                    by_partition[one.owner.partition].append(one.part)
                acks = [
                    ack
                    for partition, parts in by_partition.items()
                    for ack in await self._outputs.publish(partition, parts)
                ]
                await asyncio.gather(*acks)
                self._telemetry.sent(time.perf_counter() - started)
                for one in ready:
                    one.owner.published(one.part, one.batch)
                    self._tell_policies(one.owner.partition, one.part)
                    for letter in self._telemetry.published(one.part):
                        if letter["reason"] in _POLICY_FAULTS:
                            log.warning(
                                "policy of %s refused: %s", letter["key"], letter["message"]
                            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            self._fail(error)

    def _tell_policies(self, partition: int, part: Part) -> None:
        """Tell which policies a part has put in force."""
        if part.stamp.policies == self._policies.get(partition):
            return
        self._policies[partition] = part.stamp.policies
        adopted = []
        for key, value in part.puts.items():
            if key[:1] == POLICY and value is not None:
                route, version = split_policy_key(key)
                if version:
                    log.info("policy of %s: version %d is in force", route, version)
                    adopted.append(route)
        self._telemetry.adopted(partition, adopted)
