"""Batches out: the changelog, and the output topics."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from core.routing.part import Part
from streams.durable.headers import epoch_header
from streams.durable.owner import Batch
from streams.settings import Settings

OUTPUT_BATCH_BYTES: Final = 900_000


def new_producer(settings: Settings, batch_bytes: int) -> AIOKafkaProducer:
    """An idempotent producer that waits for all replicas."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        client_id=settings.name,
        acks="all",
        enable_idempotence=True,
        max_batch_size=batch_bytes,
        max_request_size=2 * batch_bytes,
        request_timeout_ms=30_000,
    )


class Changelog:
    """Appends sealed batches. Each is one record batch, so Kafka keeps all of it or nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.changelog
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        """Connect."""
        self._producer = new_producer(self._settings, 4 * self._settings.max_part_bytes)
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is under way, and disconnect."""
        await self._producer.stop()

    async def append(self, partition: int, batch: Batch) -> asyncio.Future[RecordMetadata]:
        """Send a batch; the future holds the metadata with its base offset.

        Raises ValueError if the batch is larger than the changelog accepts.
        """
        builder = self._producer.create_batch()
        headers = epoch_header(batch.epoch, batch.owner)
        for key, value in batch.records:
            if builder.append(key=key, value=value, timestamp=None, headers=headers) is None:
                raise ValueError(
                    f"the state changes of one cycle of partition {partition} exceed the "
                    "changelog's max.message.bytes: lower max_part_bytes"
                )
        builder.close()
        ack: asyncio.Future[RecordMetadata] = await self._producer.send_batch(
            builder, self._topic, partition=partition
        )
        return ack


class Outputs:
    """Publishes decisions, alerts and dead letters, to the partition that they came from."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = settings.topics
        self._producer: AIOKafkaProducer

    async def start(self) -> None:
        """Connect."""
        self._producer = new_producer(self._settings, OUTPUT_BATCH_BYTES)
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is under way, and disconnect."""
        await self._producer.stop()

    async def publish(
        self, partition: int, parts: Iterable[Part]
    ) -> list[asyncio.Future[RecordMetadata]]:
        """Send all outputs of parts, in order per topic; the futures are their acks."""
        by_role: defaultdict[str, list[tuple[bytes, bytes]]] = defaultdict(list)
        for part in parts:
            if part.decisions:
                by_role["decisions"].extend(part.decisions)
            for output in part.outbox:
                by_role[output.role].append((output.key, output.value))
        futures: list[asyncio.Future[RecordMetadata]] = []
        for role, messages in by_role.items():
            topic = self._topics.of_role(role)
            for builder in self._builders(messages):
                futures.append(  # noqa: PERF401 - it awaits
                    await self._producer.send_batch(builder, topic, partition=partition)
                )
        return futures

    def _builders(self, messages: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        builders = [self._producer.create_batch()]
        for key, value in messages:
            if builders[-1].append(key=key, value=value, timestamp=None) is None:
                builders.append(self._producer.create_batch())
                if builders[-1].append(key=key, value=value, timestamp=None) is None:
                    raise ValueError(f"an output of {len(value)} bytes fits no record batch")
        for builder in builders:
            builder.close()
        return builders
