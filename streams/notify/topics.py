"""Whether the topics are there that a command reads or writes."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError


class TopicsError(Exception):
    """Kafka or a topic is not there; the message says what to do."""


async def check_topics(brokers: str, topics: Sequence[str]) -> dict[str, int]:
    """The partition counts of topics that must be there. Raises TopicsError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await admin.start()
        known = set(await admin.list_topics())
        described = await admin.describe_topics([name for name in topics if name in known])
    except (KafkaError, OSError, ValueError) as error:
        raise TopicsError(
            f"no Kafka answers at {brokers} ({type(error).__name__}): start one, e.g. with "
            "`thalweg kafka`, or name the right servers with --brokers host:port,host:port"
        ) from error
    finally:
        await admin.close()
    if absent := [name for name in topics if name not in known]:
        raise TopicsError(
            f"there is no topic {', '.join(map(repr, absent))} at {brokers}: start a worker, which "
            "creates it, or give the --topic-prefix of the workers"
        )
    return {one["topic"]: len(one["partitions"]) for one in described}
