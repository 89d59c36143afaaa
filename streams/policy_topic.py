"""Reads and writes the policy topic for those who publish policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.decode import InvalidMessage, decode_policy
from schemas.policy import Policy

_FETCH_MS: Final = 500


class PolicyTopicError(Exception):
    """The policy topic cannot be read or written; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the topic tells of one route."""

    policy: Policy | None = None
    """The policy that workers follow, as far as the topic still tells: None if there is none."""
    partition: int = -1
    offset: int = -1
    """Where it stands."""
    highest: int = 0
    """The highest version that was accepted, 0 if none is known: withdrawn ones count."""
    withdrawn: bool = False
    """A withdrawal is on the topic, and nothing after it."""
    refused: str | None = None
    """Why workers refuse the route's newest record, if they do."""


async def read_route(brokers: str, topic: str, route: str) -> Published:
    """What stands on the topic for a route. Raises PolicyTopicError.

    It follows the records as a worker does. But the topic is compacted: a withdrawal is forgotten
    after a day, and a refused record hides the accepted one before it; workers still know both.
    """
    partitions = await _partitions(brokers, topic)
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False)
    try:
        await consumer.start()
        records = await _records(consumer, partitions, route.encode())
    except KafkaError as error:
        raise PolicyTopicError(
            f"the topic {topic!r} at {brokers} cannot be read: {_name(error)}"
        ) from error
    finally:
        await consumer.stop()
    return _followed(records, route)


async def publish(brokers: str, topic: str, route: str, value: bytes) -> tuple[int, int]:
    """Send one policy, keyed by its route; returns its partition and offset.

    Returns when all replicas in sync have it. Raises PolicyTopicError.
    """
    await _partitions(brokers, topic)
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers, acks="all", enable_idempotence=True, max_request_size=1 << 20
    )
    try:
        await producer.start()
        sent = await producer.send_and_wait(topic, value, key=route.encode())
    except KafkaError as error:
        raise PolicyTopicError(
            f"the policy could not be sent to {topic!r} at {brokers}: {_name(error)}"
        ) from error
    finally:
        await producer.stop()
    return sent.partition, sent.offset


async def _partitions(brokers: str, topic: str) -> list[TopicPartition]:
    """The topic's partitions. Raises PolicyTopicError if it is not there: using it could create
    it, with settings that are not a policy topic's.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await admin.start()
        known = topic in await admin.list_topics()
        described = await admin.describe_topics([topic]) if known else []
    except (KafkaError, OSError, ValueError) as error:
        raise PolicyTopicError(
            f"no Kafka answers at {brokers} ({type(error).__name__}): start one, e.g. with "
            "`thalweg kafka`, or name the right servers with --brokers host:port,host:port"
        ) from error
    finally:
        await admin.close()
    numbers = [part["partition"] for one in described for part in one["partitions"]]
    if not numbers:
        raise PolicyTopicError(
            f"there is no topic {topic!r} at {brokers}: start a worker, which creates it, or give "
            "the --topic-prefix of the workers"
        )
    return [TopicPartition(topic, number) for number in sorted(numbers)]


async def _records(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], key: bytes
) -> list[Any]:
    """All records with the key, of every partition: another client may hash keys otherwise."""
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    # Explicit offsets: a seek to the beginning can lose against the reset after assign().
    for partition, start in (await consumer.beginning_offsets(partitions)).items():
        consumer.seek(partition, start)
    found: list[Any] = []
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            for records in (await consumer.getmany(partition, timeout_ms=_FETCH_MS)).values():
                found.extend(
                    record
                    for record in records
                    if record.key == key and record.offset < ends[partition]
                )
    return found


def _followed(records: list[Any], route: str) -> Published:
    """The records of one route, in order, as a worker takes them."""
    policy: Policy | None = None
    partition = offset = -1
    highest = 0
    withdrawn = False
    refused: str | None = None
    for record in records:
        refused = None
        if not record.value:
            policy, withdrawn = None, True
            continue
        try:
            read = decode_policy(record.value)
        except InvalidMessage as error:
            refused = str(error)
            continue
        if read.route != route:
            refused = f"its key is {route!r}, but its route {read.route!r}"
        elif read.version <= highest:
            if read != policy:
                refused = f"it has version {read.version}, but {highest} came before"
        else:
            policy, highest, withdrawn = read, read.version, False
            partition, offset = record.partition, record.offset
    return Published(policy, partition, offset, highest, withdrawn, refused)


def _name(error: KafkaError) -> str:
    text = str(error)
    return text if type(error).__name__ in text else f"{type(error).__name__} {text}".strip()
