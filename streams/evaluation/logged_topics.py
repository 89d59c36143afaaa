"""Reads what the topics still have of a route's requests, decisions and rewards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.offline.rows import LogError, Row, Unread
from streams.settings import Topics

_FETCH_MS: Final = 500


async def read_topics(
    brokers: str, topics: Topics, route: str, tick: Callable[[int], None] = lambda _: None
) -> list[Row | Unread]:
    """The events of the route that stand on the three topics now, as rows of a log.

    A request without a time of its own has its record's, as in the router. ``tick`` is called with
    the number of records read since its last call. Raises LogError.
    """
    names = (topics.requests, topics.decisions, topics.rewards)
    partitions = await _partitions(brokers, names)
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False)
    rows: list[Row | Unread] = []
    try:
        await consumer.start()
        for topic in names:
            records = await _records(consumer, partitions[topic], route.encode(), tick)
            rows += [_row(record, timed=topic == topics.requests) for record in records]
    except KafkaError as error:
        raise LogError(f"the topics at {brokers} cannot be read: {error!r}") from error
    finally:
        await consumer.stop()
    return rows


async def _partitions(brokers: str, names: tuple[str, ...]) -> dict[str, list[TopicPartition]]:
    """The partitions of each topic. Raises LogError where one is not there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [name for name in names if name not in existing]
        if missing:
            raise LogError(
                f"there is no topic {missing[0]!r} at {brokers}: give the --topic-prefix of the "
                "workers"
            )
        described = await admin.describe_topics(list(names))
    except (KafkaError, OSError, ValueError) as error:
        raise LogError(
            f"no Kafka answers at {brokers} ({type(error).__name__}): start one, or name the right "
            "servers with --brokers host:port,host:port"
        ) from error
    finally:
        await admin.close()
    return {
        one["topic"]: sorted(TopicPartition(one["topic"], part["partition"]) for part in parts)
        for one in described
        for parts in [one["partitions"]]
    }


async def _records(
    consumer: AIOKafkaConsumer,
    partitions: list[TopicPartition],
    key: bytes,
    tick: Callable[[int], None],
) -> list[Any]:
    """All records with the key up to the present end, of every partition in its order."""
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    # Explicit offsets: a seek to the beginning can lose against the reset after assign().
    for partition, start in (await consumer.beginning_offsets(partitions)).items():
        consumer.seek(partition, start)
    found: list[Any] = []
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            for records in (await consumer.getmany(partition, timeout_ms=_FETCH_MS)).values():
                tick(len(records))
                found += [one for one in records if one.key == key and one.offset < ends[partition]]
    return found


def _row(record: Any, *, timed: bool) -> Row | Unread:
    where = f"{record.topic}[{record.partition}]@{record.offset}"
    try:
        fields = msgspec.json.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unread(where, f"not JSON: {error}")
    if not isinstance(fields, dict):
        return Unread(where, f"expected an object, found {str(fields)[:40]!r}")
    if timed and fields.get("timestamp") is None:
        fields["timestamp"] = record.timestamp
    return Row(where, fields, text=False)
