"""The Faust application of a worker."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from typing import Any, Final, NoReturn

import faust
from aiokafka.errors import KafkaError
from faust.types import TP
from faust.types.transports import ConsumerT

from streams.app.batches import CODEC, BatchScheduler, Fetch
from streams.app.status import Recovery, changelog_partitions, status_of
from streams.app.table import StateTable, new_table
from streams.app.transport import Consumer, Transport
from streams.durable.owner import HaltError
from streams.engine.engine import Engine
from streams.engine.outlook import budgets
from streams.monitor.monitor import Monitor
from streams.monitor.telemetry import Telemetry
from streams.monitor.view import WorkerView
from streams.settings import Settings
from streams.topics import TopicError, input_ids
from streams.web.endpoints import add_endpoints
from streams.web.of_worker import add_page_of

log = logging.getLogger(__name__)
news = logging.getLogger("streams.worker")
"""For operators; ``streams.app`` is as quiet as the library whose classes it extends."""
FAILED_EXIT_CODE = 70
_LAG_CHECKS: Final = 30.0
"""Seconds between two looks at the lag."""
_LAGGING: Final = 10.0
"""Seconds behind from which the log tells it."""
_TOPIC_CHECKS: Final = 30.0
"""Seconds between two looks at which topics the inputs are."""


class WorkerApp(faust.App):
    """A Faust app whose agents feed the engine and whose table the engine writes."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self.thalweg = settings
        self.state_table: StateTable
        monitor = Monitor(named=settings.metrics_routes)
        self.telemetry = Telemetry(monitor)
        self.recovered = 0
        """Changelog records that the last recovery has read."""
        self._recovery = Recovery({})
        self.batch_consumer: Consumer
        super().__init__(
            settings.name,
            broker=[f"kafka://{broker.strip()}" for broker in settings.brokers.split(",")],
            datadir=str(settings.data_dir),
            store="rocksdb://",
            topic_partitions=partitions,
            topic_replication_factor=settings.replication,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=settings.standbys,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.session_timeout / 3,
            broker_commit_interval=5.0,
            stream_buffer_maxsize=65_536,
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            # The claim finds out whether the changelog went back, and says what to do.
            recovery_consistency_check=False,
            reply_create_topic=False,
            web_enabled=settings.web,
            web_bind=settings.host,
            web_port=settings.port,
            ConsumerScheduler=_scheduler(settings),
            loghandlers=[],
        )
        self.engine = Engine(settings, self.fail, self.telemetry, monitor)
        self.state_table = new_table(self, settings, partitions, self.fail)
        self.state_table.on_recovered = self._claim
        for topic in settings.topics.inputs:
            self._add_agent(topic)
        self.telemetry.follow(
            self.status,
            lambda: int(time.time() * 1000),
            lambda routes: budgets(self.engine, routes),
        )
        if settings.web:
            web: Any = self.web
            add_endpoints(web.web_app, self.telemetry.registry, self.status)
            add_page_of(self, web.web_app)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_consumer(self) -> ConsumerT:
        consumer = super()._new_consumer()
        assert isinstance(consumer, Consumer), "the transport above makes it"
        consumer.follow(self.engine, self.thalweg.fetch_wait)
        self.batch_consumer = consumer
        return consumer

    def _add_agent(self, name: str) -> None:
        topic = self.topic(name, key_serializer=CODEC, value_serializer=CODEC, acks=False)

        async def hand_over(stream: Any) -> None:
            """Hand fetched batches to the engine."""
            async for event in stream.noack().events():
                fetch: Fetch = event.value
                # An agent that raises acks its event, so no error may leave it.
                try:
                    await self.engine.offer(*fetch)
                except Exception as error:  # noqa: BLE001
                    self.fail(error)

        self.agent(topic, name=f"thalweg-{name}", concurrency=1)(hand_over)

    async def on_start(self) -> None:
        """Start the engine before anything is assigned."""
        await self.engine.start()
        self.on_partitions_revoked.connect(self._release)
        self.on_partitions_assigned.connect(self._assigned)
        self.add_future(self._tell_lag())
        self.add_future(self._check_topics())
        await super().on_start()

    async def on_stop(self) -> None:
        """Stop the engine while the consumer is still a member of the group."""
        try:
            await asyncio.wait_for(self.engine.stop(), timeout=20)
        except Exception as error:  # noqa: BLE001
            self.fail(error)
        await super().on_stop()

    async def _release(self, *_: Any, **__: Any) -> None:
        if self.engine.partitions:
            self.telemetry.revoked()
        await self.engine.release()

    async def _assigned(self, *arguments: Any, **__: Any) -> None:
        assigned: set[TP] = arguments[-1]
        starts = {
            number: self.state_table.local(number).progress().next_offset
            for number in changelog_partitions(self, assigned)
        }
        self._recovery = Recovery(starts)
        self.engine.assigned()

    async def _claim(self, partitions: set[int]) -> None:
        try:
            table, recovery = self.state_table, self._recovery
            self.recovered = recovery.read(self, partitions)
            await self.engine.acquire({number: table.local(number) for number in partitions})
            self.telemetry.recovered(self.recovered, recovery.seconds)
            news.info("recovered %d changelog records in %.1f s", self.recovered, recovery.seconds)
            await self._check_not_beyond()
            await self._check_ends()
        except Exception as error:  # noqa: BLE001
            self.fail(error)

    async def _check_not_beyond(self) -> None:
        """Halt if the group has committed more than the state knows: the changelog was lost."""
        positions = self.engine.positions()
        committed = await self.batch_consumer.committed_offsets(list(positions))
        for tp, offset in committed.items():
            if offset > positions[tp]:
                raise RuntimeError(
                    f"the consumer group {self.thalweg.name!r} has processed partition {tp[1]} of "
                    f"{tp[0]} up to offset {offset}, but the state only knows it up to "
                    f"{positions[tp]}: the changelog {self.thalweg.changelog!r} was lost or "
                    "recreated. Restore it; or, to start again from what is left, stop all workers "
                    "and delete the consumer group's offsets"
                )

    async def _check_ends(self) -> None:
        """Halt if an input topic ends before what the state has applied of it."""
        positions = self.engine.positions()
        ends = await self.batch_consumer.highwaters(*(TP(*tp) for tp in positions))
        for (topic, partition), position in positions.items():
            end = ends[TP(topic, partition)]
            if position > end:
                raise RuntimeError(
                    f"the state has applied partition {partition} of {topic} up to offset "
                    f"{position}, but that ends at {end}: the topic lost records, and new ones "
                    "up to there would be taken for old ones. Restore the topic; or, to begin "
                    "afresh with what is left and lose what was learned, stop all workers, delete "
                    f"the topic {self.thalweg.changelog!r} and the workers' data directories"
                )
            if position < end:
                self.engine.expect(topic, partition)

    async def _check_topics(self) -> None:
        """Halt when an input topic is deleted or recreated while it is read.

        The client would go on with the new one from its beginning, and its records would be taken
        for those that the state has applied.
        """
        known: dict[str, str] = {}
        while not self.should_stop:
            try:
                found = await input_ids(self.thalweg)
            except KafkaError:
                found = known  # nobody tells: that is no news of the topics
            for name, topic_id in known.items():
                if found.get(name) != topic_id:
                    gone = f"the input topic {name} was deleted or recreated while it was read"
                    self.fail(TopicError(gone))
            known = found
            await self.sleep(_TOPIC_CHECKS)

    def status(self) -> WorkerView:
        """How the worker is now."""
        return status_of(self)

    def highwater(self, topic: str, partition: int) -> int | None:
        """Where a partition of an input topic ends, as far as the last fetch knows."""
        try:
            end: int | None = self.batch_consumer.highwater(TP(topic, partition))
        except AssertionError:
            return None  # it is not assigned any more
        return end

    async def _tell_lag(self) -> None:
        """Tell the log when the worker falls behind, and when it has caught up."""
        behind = False
        while not self.should_stop:
            await self.sleep(_LAG_CHECKS)
            lags = self.status().lag
            worst = max(lags.values(), key=lambda lag: lag.seconds)
            if worst.seconds >= _LAGGING:
                waiting = ", ".join(f"{lag.records} {role}" for role, lag in lags.items())
                news.warning("%.0f s behind; waiting: %s", worst.seconds, waiting)
            elif behind:
                news.info("caught up")
            behind = worst.seconds >= _LAGGING

    def fail(self, error: BaseException) -> NoReturn:
        """Stop at once, without writing anything more: the next start recovers."""
        log.critical(
            "stopping at once, since going on could lose or repeat something: %s: %s\n"
            "Restart the worker: it recovers from its changelog. If it stops again with the same "
            "message, that message says what to change",
            type(error).__name__,
            error,
            exc_info=None if _is_plain(error) else error,
        )
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(FAILED_EXIT_CODE)


def _is_plain(error: BaseException) -> bool:
    """Whether the message says all: our own errors need no traceback."""
    return isinstance(error, RuntimeError | HaltError | TopicError)


def _scheduler(settings: Settings) -> type[BatchScheduler]:
    return type("Scheduler", (BatchScheduler,), {"changelogs": frozenset((settings.changelog,))})
