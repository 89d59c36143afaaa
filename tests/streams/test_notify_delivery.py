"""Delivering to one receiver, with a receiver and a dead-letter topic in this process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
from aiokafka.structs import TopicPartition

from schemas.alert import Alert
from streams.notify.delivery import Deliverer
from streams.notify.formats import Request
from streams.notify.kinds import make_format
from streams.notify.receivers import Kind, Receiver
from streams.notify.retry import Backoff, Health
from streams.notify.sending import Verdict
from streams.notify.telemetry import Telemetry
from streams.notify.tenure import Tenure
from streams.notify.window import Window
from tests.notify.alerts import make_alert, record_of

ACCEPTED = Verdict("accepted")
PLACE = TopicPartition("drift", 0)


class Receiving:
    """Takes everything but what is in ``refused``, which fails for now."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.refused: set[str] = set()

    async def post(self, request: Request) -> Verdict:
        body = orjson.loads(request.body)
        self.bodies.append(body)
        if isinstance(body, dict) and body["incident_id"] in self.refused:
            return Verdict("transient", "answered 500")
        return ACCEPTED


class Letters:
    """Remembers the dead letters."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, str]] = []

    async def send(self, record: Any, message: str) -> None:
        self.sent.append((record, message))


class Desk:
    """A tenure of one partition whose records before ``committed`` were done in an earlier life."""

    def __init__(self, kind: Kind, committed: int, resend: float = 3_600.0) -> None:
        self.receiver = Receiver(
            name="r", kind=kind, url="http://r.example", resend=resend, backoff=Backoff(0.005, 0.01)
        )
        self.receiving = Receiving()
        self.letters = Letters()
        form, reminder = make_format(self.receiver)
        deliverer = Deliverer(
            self.receiver, form, reminder, self.receiving, Health(self.receiver.backoff),
            self.letters, Telemetry(),
        )  # fmt: skip
        self.window = Window(committed)
        self.tenure = Tenure(
            self.receiver, {PLACE: self.window}, deliverer, self.letters, Telemetry(), time.time()
        )
        deliverer.on_done = self.tenure.done
        self._next = 0

    async def read(self, *alerts: Alert) -> None:
        for alert in alerts:
            await self.tenure.take(record_of(alert, self._next))
            self._next += 1
        if self.tenure.behind:
            self.tenure.read_to({PLACE: self._next})

    async def settled(self) -> None:
        """Some turns of the loop and of retries."""
        await asyncio.sleep(0.1)
        self.tenure.check()


def test_nothing_is_told_again_before_all_is_known_that_was_told() -> None:
    """An incident whose end is still to be read must not fire once more."""

    async def main() -> None:
        desk = Desk("alertmanager", committed=3, resend=0.01)
        await desk.read(make_alert("over"), make_alert("open"))
        await desk.settled()
        assert desk.receiving.bodies == []
        await desk.read(make_alert("over", 2, event="resolved"))
        await desk.settled()
        await desk.tenure.end()
        assert len(desk.receiving.bodies) > 1
        told = {one["labels"]["incident"] for body in desk.receiving.bodies for one in body}
        assert told == {"open"}

    asyncio.run(main())


def test_an_incident_that_a_receiver_cannot_stand_holds_up_only_itself() -> None:
    async def main() -> None:
        desk = Desk("webhook", committed=0)
        desk.receiving.refused = {"bad"}
        await desk.read(make_alert("bad"), make_alert("bad", 2))
        await desk.read(*(make_alert(f"good-{number}") for number in range(50)))
        await desk.settled()
        assert (desk.window.committed, desk.window.pending) == (0, 2)
        desk.receiving.refused = set()
        await desk.settled()
        await desk.tenure.end()
        assert (desk.window.committed, desk.window.pending) == (52, 0)
        bad = [body for body in desk.receiving.bodies if body["incident_id"] == "bad"]
        assert [body["detections"] for body in bad] == [1] * (len(bad) - 1) + [2]
        assert desk.letters.sent == []

    asyncio.run(main())


def test_the_end_of_an_incident_that_could_not_be_told_is_not_followed_by_reminders() -> None:
    async def main() -> None:
        desk = Desk("alertmanager", committed=1, resend=0.01)

        async def post(request: Request) -> Verdict:
            bodies = orjson.loads(request.body)
            desk.receiving.bodies.append(bodies)
            over = any(one["annotations"]["alert_id"] == "a.2" for one in bodies)
            return Verdict("permanent", "answered 400") if over else ACCEPTED

        desk.receiving.post = post  # type: ignore[method-assign]
        await desk.read(make_alert("a"))
        await desk.settled()
        assert desk.receiving.bodies
        await desk.read(make_alert("a", 2, event="resolved"))
        await desk.settled()
        ((record, message),) = desk.letters.sent
        assert orjson.loads(record.value)["alert_id"] == "a.2"
        assert "answered 400" in message
        told = len(desk.receiving.bodies)
        await desk.settled()
        await desk.tenure.end()
        assert len(desk.receiving.bodies) == told

    asyncio.run(main())
