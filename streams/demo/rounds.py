"""Only the demo's proxy, round after round, for workers that somebody else runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Final

import click
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.demo.alerts import SeenAlert
from streams.demo.data import recorded_prompts
from streams.demo.display import levels, place_name
from streams.demo.errors import DemoError
from streams.demo.proxy import Proxy
from streams.demo.routes import ROUTES
from streams.demo.run import DROPPED, FACTOR
from streams.demo.tally import Tally
from streams.demo.workload import Drop, workload
from streams.settings import Topics

FOREVER: Final = 0


def run_rounds(
    brokers: str, topic_prefix: str, *, requests: int, rate: float, rounds: int = FOREVER
) -> None:
    """Play ``rounds`` rounds of ``requests`` requests each, ``rate`` a second.

    In the second half of every round one model is worse. Raises DemoError where there are no
    topics, or when no answer comes any more.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it warns of what it then repairs
    asyncio.run(_play(brokers, Topics.prefixed(topic_prefix), requests, rate, rounds, click.echo))


async def _play(
    brokers: str,
    topics: Topics,
    requests: int,
    rate: float,
    rounds: int,
    say: Callable[[str], None],
) -> None:
    partitions = await _partitions(brokers, topics)
    prompts, routes = recorded_prompts(), [route.name for route in ROUTES]
    say(f"playing {requests:,} requests a round to {', '.join(routes)}, {rate:g} a second")
    # Of another seed each, also after a restart: a request_id that came before is no new request.
    first = time.time_ns() // 1_000_000_000
    for number in range(1, rounds + 1) if rounds else count(1):
        tally = Tally(Drop(DROPPED, FACTOR, requests // 2))
        events = workload(prompts, routes, requests, first + number, tally.drop)

        def alerted(seen: SeenAlert) -> None:
            alert = seen.alert
            where = f"{place_name(*seen.place)} {alert.arm}"
            say(f"{alert.severity} {alert.type}: {where} {levels(alert)}")

        async with Proxy(
            brokers, topics, partitions, ROUTES, events, tally,
            rate=rate, on_alert=alerted, from_end=True,
        ) as proxy:  # fmt: skip
            await proxy.prepare()
            await proxy.play()
        say(
            f"round {number}: {len(tally.chosen):,} of {tally.sent:,} requests decided, "
            f"{sum(tally.rejected.values())} rejected, {tally.unanswered} unanswered"
        )


async def _partitions(brokers: str, topics: Topics) -> int:
    """How many partitions the topics have. Raises DemoError where there are none."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await admin.start()
        if topics.requests not in await admin.list_topics():
            raise DemoError(
                f"there is no topic {topics.requests} at {brokers}: start a worker, or create the "
                "topics with `thalweg topics create`"
            )
        (described,) = await admin.describe_topics([topics.requests])
    except (KafkaError, OSError) as error:
        raise DemoError(f"no answer from Kafka at {brokers}: {error}") from error
    finally:
        await admin.close()
    return len(described["partitions"])
