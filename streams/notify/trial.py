"""``thalweg notify --test``: whether the receivers take what they would be sent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence

from aiokafka.structs import ConsumerRecord

from schemas.alert import Alert, Level
from schemas.encode import encode_alert
from streams.notify.incidents import Incidents
from streams.notify.kinds import make_format
from streams.notify.lanes import Delivery
from streams.notify.receivers import Receiver
from streams.notify.sending import HttpSender


async def try_receivers(receivers: Sequence[Receiver], say: Callable[[str], None]) -> bool:
    """Post a made-up notice once to each and say what became of it; whether all accepted it."""
    now = time.time()
    good = True
    for receiver in receivers:
        alert = made_up(round(now * 1_000))
        form, _ = make_format(receiver)
        delivery = Delivery(_record(alert), alert, now)
        async with HttpSender(receiver) as sender:
            verdict = await sender.post(form.request([delivery], Incidents(), now))
        good = good and verdict.result == "accepted"
        say(f"{receiver.name} ({receiver.kind} at {receiver.host}): {verdict.why or 'accepted'}")
    return good


def made_up(now_ms: int) -> Alert:
    """A notice that cannot be taken for a true one."""
    return Alert(
        alert_id=f"test-{uuid.uuid4().hex}",
        incident_id=f"test-{uuid.uuid4().hex}",
        event="notice",
        route="thalweg/test",
        arm="made-up",
        type="drift",
        severity="info",
        metric="quality",
        before=Level(0.9, 400),
        after=Level(0.7, 80),
        detector="none",
        action="alert",
        detections=1,
        opened=now_ms,
        message="a test of `thalweg notify`: nothing happened",
        segment="",
        state_version=0,
        timestamp=now_ms,
    )


def _record(alert: Alert) -> ConsumerRecord[bytes, bytes]:
    key, value = alert.route.encode(), encode_alert(alert)
    return ConsumerRecord("", 0, 0, alert.timestamp, 0, key, value, None, len(key), len(value), ())
