"""Creates the topics with the settings that exactness needs, and checks those that exist."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.settings import TOMBSTONES_MS, Settings
from streams.topic_ids import topic_ids

log = logging.getLogger(__name__)

_HOUR_MS: Final = 3_600_000
_LOOK_UPS: Final = 60
_LOG_TIME: Final = {"message.timestamp.type": "LogAppendTime"}


class TopicError(Exception):
    """The topics are not as a worker needs them; the message says which, and what to do."""


def wanted(settings: Settings) -> dict[str, dict[str, str]]:
    """The settings of every topic.

    Inputs carry the broker's time, so that one producer's wrong clock cannot close reward windows.
    The changelog is compacted, but not before a stale writer's records could be repaired.
    """
    topics = settings.topics
    compacted = {"cleanup.policy": "compact"}
    return {
        topics.requests: dict(_LOG_TIME),
        topics.rewards: dict(_LOG_TIME),
        topics.policies: {**compacted, **_LOG_TIME},
        topics.decisions: {},
        topics.drift: {},
        topics.dead_letters: {},
        settings.changelog: {
            **compacted,
            **_LOG_TIME,
            "min.compaction.lag.ms": str(_HOUR_MS),
            "delete.retention.ms": str(TOMBSTONES_MS),
            "max.message.bytes": str(4 * settings.max_part_bytes + 65_536),
            "min.insync.replicas": "2" if settings.replication >= 3 else "1",
            "unclean.leader.election.enable": "false",
        },
    }


class Installation(NamedTuple):
    """What a worker must know of the Kafka that it found."""

    partitions: int
    cluster_id: str


async def ensure_topics(settings: Settings) -> Installation:
    """Create the topics that do not exist; returns the partition count of all, and which Kafka.

    Raises TopicError when existing topics differ in their partition counts, or when the changelog
    has a setting under which state could be lost; other differences are logged.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers, client_id=settings.name)
    try:
        await admin.start()
    except KafkaError as error:
        raise TopicError(
            f"no Kafka answers at {settings.brokers} ({type(error).__name__}): start one, e.g. "
            "with `thalweg kafka`, or name the right servers with --brokers host:port,host:port"
        ) from error
    try:
        specs = wanted(settings)
        counts = await _partition_counts(admin, list(specs))
        present = set(counts.values())
        if len(present) > 1:
            raise TopicError(_unequal(counts))
        partitions = present.pop() if present else settings.partitions
        missing = [name for name in specs if name not in counts]
        await _create(admin, settings, specs, missing, partitions)
        await _check(admin, settings, [name for name in specs if name not in missing])
        cluster = await admin.describe_cluster()
        return Installation(partitions, str(cluster["cluster_id"]))
    finally:
        await admin.close()


async def input_ids(settings: Settings) -> dict[str, str]:
    """The id of each input topic that there is now. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers, client_id=settings.name)
    try:
        await admin.start()
        return await topic_ids(admin, settings.topics.inputs)
    finally:
        await admin.close()


async def input_sources(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Name and id of each input topic, as they are now.

    Raises TopicError where one is missing, or where no broker has told for a minute.
    """
    for attempt in range(_LOOK_UPS):
        if attempt:
            await asyncio.sleep(1.0)
        try:
            ids = await input_ids(settings)
        except KafkaError as error:
            log.warning("the input topics cannot be looked up: %s", type(error).__name__)
            continue
        missing = [name for name in settings.topics.inputs if name not in ids]
        if missing:
            raise TopicError(f"deleted while workers read them: {', '.join(missing)}")
        return tuple((name, ids[name]) for name in settings.topics.inputs)
    raise TopicError(f"no broker of {settings.brokers} tells which the input topics are")


async def _partition_counts(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    existing = set(await admin.list_topics())
    described = await admin.describe_topics([name for name in names if name in existing])
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


async def _create(
    admin: AIOKafkaAdminClient,
    settings: Settings,
    specs: dict[str, dict[str, str]],
    names: list[str],
    partitions: int,
) -> None:
    new = [
        NewTopic(name, partitions, settings.replication, topic_configs=specs[name])
        for name in names
    ]
    if not new:
        return
    response: Any = await admin.create_topics(new)
    for name, code, *rest in response.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            detail = rest[0] if rest and rest[0] else for_code(code).description
            wanted_settings = ", ".join(f"{key}={value}" for key, value in specs[name].items())
            raise TopicError(
                f"the topic {name!r} could not be created: {detail.rstrip('.')}. Choose other "
                f"--partitions or --replication, or create it yourself with {partitions} "
                f"partitions and {wanted_settings or 'default settings'}"
            )
    log.info("created topics with %d partitions: %s", partitions, ", ".join(names))


async def _check(admin: AIOKafkaAdminClient, settings: Settings, names: list[str]) -> None:
    specs = wanted(settings)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names if specs[name]]
    if not resources:
        return
    wrong = []
    responses: list[Any] = await admin.describe_configs(resources)
    for response in responses:
        for resource in response.resources:
            name, entries = resource[3], resource[4]
            found = {entry[0]: entry[1] for entry in entries}
            for key, value in specs[name].items():
                actual = found.get(key)
                if actual is None or _good_enough(key, actual, value):
                    continue
                problem = f"{name}: {key} is {actual}, should be {value}"
                if name == settings.changelog:
                    wrong.append(problem)
                else:
                    log.warning("%s; change it with kafka-configs --alter", problem)
    if wrong:
        raise TopicError(
            "the changelog exists with settings under which state could be lost:\n  "
            + "\n  ".join(wrong)
            + "\nChange them with kafka-configs --alter, or let the worker create the topic"
        )


def _good_enough(key: str, actual: str, value: str) -> bool:
    if key in {
        "min.compaction.lag.ms",
        "delete.retention.ms",
        "max.message.bytes",
        "min.insync.replicas",
    }:
        return int(actual) >= int(value)
    return actual == value


def _unequal(counts: dict[str, int]) -> str:
    listed = "\n  ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    return (
        "all topics must have the same number of partitions, so that the events of a route meet in "
        f"one partition, but they have\n  {listed}\nRecreate those that differ"
    )
