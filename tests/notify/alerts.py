"""Alerts made by hand, and the topics for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord
from msgspec.structs import replace

from schemas.alert import Alert, Level
from schemas.encode import encode_alert
from streams.notify.lanes import Delivery
from tests.streams.harness import Bench, bench

OPENED = 1_777_896_000_000
"""2026-05-04T12:00:00Z"""


def make_alert(incident: str = "i-1", number: int = 1, **changes: Any) -> Alert:
    """The ``number``-th alert of an incident, one minute after the one before."""
    alert = Alert(
        alert_id=f"{incident}.{number}",
        incident_id=incident,
        event="opened" if number == 1 else "updated",
        route="acme/chat",
        arm="gpt-5",
        type="drift",
        severity="critical",
        metric="quality",
        before=Level(0.91, 4_031),
        after=Level(0.74, 212),
        detector="adwin",
        action="restart_arm",
        detections=number,
        opened=OPENED,
        message="quality of arm gpt-5 on route acme/chat fell from 0.91 to 0.74",
        segment="task_type=code",
        state_version=100 + number,
        timestamp=OPENED + 60_000 * (number - 1),
    )
    return replace(alert, **changes)


def record_of(alert: Alert, offset: int = 0, timestamp: int | None = None) -> ConsumerRecord:
    key, value = alert.route.encode(), encode_alert(alert)
    at = alert.timestamp if timestamp is None else timestamp
    return ConsumerRecord("drift", 0, offset, at, 0, key, value, None, len(key), len(value), ())


def delivery_of(alert: Alert, since: float = 0.0) -> Delivery:
    return Delivery(record_of(alert), alert, since)


@asynccontextmanager
async def drift_topic(brokers: str, prefix: str, partitions: int = 4) -> AsyncIterator[Bench]:
    """A bench with the topics that alerts are on and that dead letters go to."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        names = [f"{prefix}drift", f"{prefix}dead-letters"]
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    finally:
        await admin.close()
    async with bench(brokers, prefix) as made:
        yield made


async def publish(made: Bench, *alerts: Alert) -> None:
    """Send alerts as a worker does, in this order."""
    for alert in alerts:
        await made.send(made.topics.drift, alert.route, encode_alert(alert))
    await made.producer.flush()
