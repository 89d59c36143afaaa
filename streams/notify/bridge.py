"""One receiver's consumer: reads the drift topic, has it delivered, commits what is done.

Every receiver has a consumer group of its own. So a dead one holds up no other, none is told twice
because another was not told, and several bridges share the partitions of each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

from streams.notify.delivery import Deliverer
from streams.notify.kinds import make_format
from streams.notify.letters import Letters
from streams.notify.receivers import Receiver
from streams.notify.retry import Health
from streams.notify.sending import Sender
from streams.notify.telemetry import Telemetry
from streams.notify.tenure import Tenure
from streams.notify.window import Window

log = logging.getLogger(__name__)

_POLL_MS: Final = 200
_COMMIT_EVERY: Final = 0.5
_COMMIT_TIMEOUT: Final = 10.0
_AGAIN: Final = 1.0
_SESSION_MS: Final = 6_000

Start = Literal["now", "beginning"]


class Bridge(ConsumerRebalanceListener):
    """Tells one receiver of the alerts of the partitions that its group gives to this process."""

    def __init__(
        self,
        brokers: str,
        topic: str,
        group: str,
        receiver: Receiver,
        sender: Sender,
        letters: Letters,
        telemetry: Telemetry,
        start: Start,
    ) -> None:
        """``start``: where a group begins that never committed anything."""
        self._brokers = brokers
        self._topic = topic
        self._group = group
        self._receiver = receiver
        self._sender = sender
        self._letters = letters
        self._telemetry = telemetry
        self._start_at = start
        self._health = Health(receiver.backoff)
        self._since = time.time()
        self._assigned: set[TopicPartition] | None = None
        self._tenure: Tenure | None = None
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._next_commit = 0.0
        self._stopping = asyncio.Event()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers,
            group_id=group,
            client_id=group,
            enable_auto_commit=False,
            # Only for what was deleted between a look at the first offset and the seek to it.
            auto_offset_reset="earliest",
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_SESSION_MS // 3,
        )

    def stop(self) -> None:
        """Begin nothing more; ``run`` ends once what is under way has come to its end."""
        self._stopping.set()
        if self._tenure is not None:
            self._tenure.halt()

    async def run(self) -> None:
        """Deliver until ``stop``. Raises KafkaError where Kafka refuses, e.g. the group."""
        try:
            await self._consumer.start()
            self._consumer.subscribe([self._topic], listener=self)
            while not self._stopping.is_set():
                await self._step()
        finally:
            await self._leave()
            await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002 - Kafka's client passes it
        """Before a rebalance: all partitions are given back, and some come again."""
        await self._leave()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """After a rebalance: the loop takes them over."""
        self._assigned = set(assigned)

    async def _step(self) -> None:
        if self._assigned is not None:
            await self._take_over()
        tenure = self._tenure
        read = await self._consumer.getmany(timeout_ms=_POLL_MS)
        # A rebalance meanwhile: the records are read again by whoever has their partitions now.
        if tenure is None or tenure is not self._tenure:
            return
        tenure.check()
        for records in read.values():
            for record in records:
                await tenure.take(record)
        if tenure.behind:
            await self._look_back(tenure)
        self._hold(tenure)
        await self._commit(tenure)

    async def _take_over(self) -> None:
        assigned, self._assigned = self._assigned, None
        assert assigned is not None
        try:
            await self._enter(assigned)
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("%s: Kafka does not answer (%r)", self._receiver.name, error)
            self._assigned = self._assigned or assigned
            await asyncio.sleep(_AGAIN)

    async def _look_back(self, tenure: Tenure) -> None:
        """See whether all is read that was done before."""
        try:
            read = {tp: await self._consumer.position(tp) for tp in tenure.behind}
        except IllegalStateError:
            # They were given back this moment.
            return
        tenure.read_to(read)

    def _hold(self, tenure: Tenure) -> None:
        """Read on only where not too much waits."""
        full = {tp for tp, window in tenure.windows.items() if window.full}
        try:
            paused = self._consumer.paused()
            if full - paused:
                self._consumer.pause(*(full - paused))
            if paused - full:
                self._consumer.resume(*(paused - full))
        except IllegalStateError:
            # They were given back this moment.
            return

    async def _enter(self, partitions: set[TopicPartition]) -> None:
        """Take partitions over: from where the group stopped, knowing what is open by then."""
        if not partitions:
            return
        firsts, windows = await self._windows(sorted(partitions))
        if self._assigned is not None or not partitions <= self._consumer.assignment():
            return
        form, reminder = make_format(self._receiver)
        deliverer = Deliverer(
            self._receiver, form, reminder, self._sender, self._health, self._letters,
            self._telemetry,
        )  # fmt: skip
        for tp, first in firsts.items():
            self._consumer.seek(tp, first)
        tenure = Tenure(
            self._receiver, windows, deliverer, self._letters, self._telemetry, self._since
        )
        deliverer.on_done = tenure.done
        self._tenure, self._committed, self._next_commit = tenure, {}, 0.0
        # At once, so that a start "now" holds although nothing has come yet.
        await self._commit(tenure)
        log.info(
            "%s: tells of the alerts in partitions %s of %r", self._receiver.name,
            ", ".join(str(tp.partition) for tp in sorted(windows)), self._topic,
        )  # fmt: skip

    async def _leave(self) -> None:
        """Give all partitions back, with all that is done committed."""
        tenure, self._tenure = self._tenure, None
        if tenure is not None:
            await tenure.end()
            self._next_commit = 0.0
            await self._commit(tenure)

    async def _commit(self, tenure: Tenure) -> None:
        """Tell Kafka what is done, if that is due. A failure only means more repetitions."""
        now = time.monotonic()
        if now < self._next_commit:
            return
        self._next_commit = now + _COMMIT_EVERY
        offsets = {tp: (one.committed, one.metadata) for tp, one in tenure.windows.items()}
        changed = {tp: one for tp, one in offsets.items() if self._committed.get(tp) != one}
        if not changed:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(changed), _COMMIT_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            log.warning("%s: offsets not committed (%s)", self._receiver.name, type(error).__name__)
        else:
            self._committed = offsets

    async def _windows(
        self, partitions: list[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, Window]]:
        """The first offset of each partition, and which of its alerts are done."""
        firsts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        committed = await committed_of(self._brokers, self._group, partitions)
        windows = {}
        for tp in partitions:
            first, end = firsts[tp], ends[tp]
            offset, metadata = committed.get(tp, (-1, ""))
            if offset > end:
                log.warning(
                    "%s: partition %d of %r ends before what was delivered, so the topic was made "
                    "anew: starting at its beginning",
                    self._receiver.name, tp.partition, self._topic,
                )  # fmt: skip
                offset, metadata = first, ""
            elif offset < 0:
                offset = end if self._start_at == "now" else first
            elif offset < first:
                self._lost(tp.partition, first - offset)
            windows[tp] = Window(offset, metadata)
        return firsts, windows

    def _lost(self, partition: int, alerts: int) -> None:
        log.error(
            "%s: %d alerts of partition %d were deleted before they were delivered: give %r a "
            "longer retention", self._receiver.name, alerts, partition, self._topic,
        )  # fmt: skip
        self._telemetry.alerts.labels(self._receiver.name, "lost").inc(alerts)


async def committed_of(
    brokers: str, group: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, tuple[int, str]]:
    """What the group committed, offset and metadata; partitions without are left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers, client_id=group)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group, partitions=partitions)
    finally:
        await admin.close()
    return {tp: (one.offset, one.metadata) for tp, one in found.items() if one.offset >= 0}
