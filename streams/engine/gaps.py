"""Reads stretches of the changelog that somebody else wrote."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.durable.headers import log_record
from streams.durable.owner import Gap
from streams.durable.reading import LogRecord
from streams.settings import Settings


async def read_gap(settings: Settings, partition: int, gap: Gap) -> list[LogRecord]:
    """The records of a gap that still exist. Rare, so it connects each time."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.brokers, enable_auto_commit=False)
    await consumer.start()
    try:
        tp = TopicPartition(settings.changelog, partition)
        consumer.assign([tp])
        consumer.seek(tp, gap.start)
        found: list[LogRecord] = []
        while await consumer.position(tp) < gap.end:
            batches = await consumer.getmany(tp, timeout_ms=1_000)
            found.extend(
                log_record(record) for record in batches.get(tp, ()) if record.offset < gap.end
            )
        return found
    finally:
        await consumer.stop()
