"""The Faust application of a worker."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any, NoReturn

import faust
from faust.types.transports import ConsumerT
from prometheus_client import generate_latest

from streams.app.batches import CODEC, BatchScheduler, Fetch
from streams.app.table import StateTable, new_table
from streams.app.transport import Consumer, Transport
from streams.durable.owner import HaltError
from streams.engine.engine import Engine
from streams.engine.telemetry import Telemetry
from streams.settings import Settings

log = logging.getLogger(__name__)
FAILED_EXIT_CODE = 70


class WorkerApp(faust.App):
    """A Faust app whose agents feed the engine and whose table the engine writes."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self.thalweg = settings
        self.state_table: StateTable
        self.telemetry = Telemetry()
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
        self.engine = Engine(settings, self.fail, self.telemetry)
        self.state_table = new_table(self, settings, partitions, self.fail)
        self.state_table.on_recovered = self._claim
        for topic in settings.topics.inputs:
            self._add_agent(topic)
        self._add_metrics_page()

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
                    await self.engine.offer(fetch.topic, fetch.generation, fetch.partitions)
                except Exception as error:  # noqa: BLE001
                    self.fail(error)

        self.agent(topic, name=f"thalweg-{name}", concurrency=1)(hand_over)

    async def on_start(self) -> None:
        """Start the engine before anything is assigned."""
        await self.engine.start()
        self.on_partitions_revoked.connect(self._release)
        await super().on_start()

    async def on_stop(self) -> None:
        """Stop the engine while the consumer is still a member of the group."""
        try:
            await asyncio.wait_for(self.engine.stop(), timeout=20)
        except Exception as error:  # noqa: BLE001
            self.fail(error)
        await super().on_stop()

    async def _release(self, *_: Any, **__: Any) -> None:
        await self.engine.release()

    async def _claim(self, partitions: set[int]) -> None:
        try:
            table = self.state_table
            await self.engine.acquire({number: table.local(number) for number in partitions})
            await self._check_not_beyond()
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

    def _add_metrics_page(self) -> None:
        registry = self.telemetry.registry

        async def metrics(web: Any, request: Any) -> Any:  # noqa: ARG001 - Faust passes it
            """Everything in the telemetry's registry, as Prometheus reads it."""
            return web.bytes(generate_latest(registry), content_type="text/plain")

        self.page("/metrics")(metrics)

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
    return isinstance(error, RuntimeError | HaltError)


def _scheduler(settings: Settings) -> type[BatchScheduler]:
    return type("Scheduler", (BatchScheduler,), {"changelogs": frozenset((settings.changelog,))})
