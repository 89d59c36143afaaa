"""Delivers to one receiver, until each alert is accepted or a dead letter."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from schemas.alert import Alert
from streams.notify.formats import Format, Reminder, Request
from streams.notify.incidents import Incidents
from streams.notify.lanes import Delivery, Lanes
from streams.notify.letters import Letters
from streams.notify.receivers import Receiver
from streams.notify.retry import Health
from streams.notify.sending import Sender, Verdict
from streams.notify.telemetry import Telemetry

log = logging.getLogger(__name__)

_IDLE: Final = 1.0
"""Seconds after which it looks again at the clock, at the latest."""
_GRACE: Final = 5.0
"""Seconds for a dead letter to become durable at the end."""


class Deliverer:
    """The deliveries of one receiver.

    Alerts of one incident are sent one after the other, in their order: the next when the one
    before was accepted, or became a dead letter. Those of other incidents go on meanwhile. An alert
    becomes a dead letter when the receiver refuses it for good, or when its attempts or its time
    are used up; while a receiver is down, alerts whose time is up are not even tried.
    """

    def __init__(
        self,
        receiver: Receiver,
        form: Format,
        reminder: Reminder | None,
        sender: Sender,
        health: Health,
        letters: Letters,
        telemetry: Telemetry,
    ) -> None:
        self._receiver = receiver
        self._form = form
        self._with_reminder = reminder
        self._reminder: Reminder | None = None
        self._sender = sender
        self._health = health
        self._letters = letters
        self._telemetry = telemetry
        self.on_done: Callable[[Any], None] = lambda record: None  # noqa: ARG005
        """Called with the record of each delivery that is over."""
        self._lanes = Lanes()
        self._told = Incidents()
        self._why = "no attempt since this process began"
        self._next_reminder = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False

    def add(self, delivery: Delivery) -> None:
        """Take one; those of an incident in their order."""
        self._lanes.add(delivery)
        self._wake.set()

    def remind(self) -> None:
        """From now on, tell again what is open: all that was told before is known."""
        self._reminder = self._with_reminder
        self._next_reminder = time.monotonic()
        self._wake.set()

    def told(self, alert: Alert) -> None:
        """The alert was accepted, now or before the start."""
        self._told.take(alert)

    async def run(self) -> None:
        """Deliver until ``stop``. Raises what a fault of ours raises."""
        while not self._stopping:
            self._wake.clear()
            for task in [one for one in self._under_way if one.done()]:
                self._under_way.remove(task)
                task.result()
            now = time.monotonic()
            self._give_up(now)
            self._start(now)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._pause(now))

    def halt(self) -> None:
        """Begin nothing more."""
        self._stopping = True
        self._wake.set()

    async def stop(self) -> None:
        """Begin nothing more, and let what is under way come to its end.

        What does not within the receiver's timeout and a little is left: it is repeated later.
        """
        self.halt()
        if not self._under_way:
            return
        ended, late = await asyncio.wait(self._under_way, timeout=self._receiver.timeout + _GRACE)
        for task in late:
            task.cancel()
        for error in filter(None, (task.exception() for task in ended)):
            log.error("%s: an attempt failed; it is repeated later", self._name, exc_info=error)

    def _pause(self, now: float) -> float:
        times = [now + _IDLE]
        if self._reminder is not None and self._next_reminder > now:
            times.append(self._next_reminder)
        if self._health.not_before > now:
            times.append(self._health.not_before)
        if (next_time := self._lanes.next_time()) is not None and next_time > now:
            times.append(next_time)
        return min(times) - now

    def _start(self, now: float) -> None:
        """Begin what may be sent now."""
        most = 1 if self._health.down else self._form.at_once
        while now >= self._health.not_before and self._running() < most:
            if deliveries := self._lanes.take(self._form.most, now):
                self._spawn(self._attempt(deliveries))
                continue
            if self._reminder is not None and now >= self._next_reminder:
                self._next_reminder = now + self._receiver.resend
                self._spawn(self._remind(self._reminder))
            return

    def _running(self) -> int:
        return sum(not task.done() for task in self._under_way)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._wake.set())
        self._under_way.add(task)

    def _give_up(self, now: float) -> None:
        """Make dead letters of what is too old, while there is no trying."""
        if self._health.down and now < self._health.not_before:
            for delivery in self._lanes.take_if(self._too_old):
                self._spawn(self._bury(delivery, f"it is down: {self._why}"))

    def _too_old(self, delivery: Delivery) -> bool:
        return time.time() - delivery.since >= self._receiver.give_up_after

    def _exhausted(self, delivery: Delivery) -> bool:
        most = self._receiver.max_attempts
        return self._too_old(delivery) or 0 < most <= delivery.attempts

    async def _attempt(self, deliveries: Sequence[Delivery]) -> None:
        verdict = await self._post(self._form.request(deliveries, self._told, time.time()))
        if verdict.result == "accepted":
            for delivery in deliveries:
                self._accepted(delivery)
            return
        for delivery in deliveries:
            delivery.attempts += 1
        now = time.monotonic()
        if verdict.result == "permanent" and len(deliveries) > 1:
            # One of them is refused; which one, tells only a request of its own.
            for delivery in deliveries:
                delivery.alone = True
                self._lanes.retry(delivery, now)
            return
        for delivery in deliveries:
            if verdict.result == "permanent" or self._exhausted(delivery):
                await self._bury(delivery, verdict.why)
            else:
                wait = self._receiver.backoff.delay(delivery.attempts)
                self._lanes.retry(delivery, now + max(wait, verdict.retry_after or 0.0))

    async def _remind(self, reminder: Reminder) -> None:
        """Tell of all open incidents again, but for those of which something waits to be told."""
        alerts = [one for one in self._told.newest() if one.incident_id not in self._lanes]
        for first in range(0, len(alerts), self._form.most):
            if self._stopping:
                return
            request = reminder.again(alerts[first : first + self._form.most], time.time())
            verdict = await self._post(request)
            if verdict.result != "accepted":
                log.warning("%s: open incidents not told again: %s", self._name, verdict.why)
                return

    async def _post(self, request: Request) -> Verdict:
        begun = time.monotonic()
        verdict = await self._sender.post(request)
        if verdict.retry_after is not None:
            wait = min(verdict.retry_after, self._receiver.give_up_after)
            verdict = replace(verdict, retry_after=wait)
        now = time.monotonic()
        self._telemetry.attempts.labels(self._name, verdict.result).inc()
        self._telemetry.attempt_seconds.labels(self._name).observe(now - begun)
        if verdict.result == "accepted":
            if self._health.succeeded():
                self._lanes.hurry()
                log.info("%s: accepts alerts again", self._name)
        elif verdict.result == "transient":
            self._why = verdict.why
            if self._health.failed(now, whole=verdict.whole, retry_after=verdict.retry_after):
                log.warning(
                    "%s (%s) is down: %s; alerts that wait for it: %d", self._name,
                    self._receiver.host, verdict.why, len(self._lanes),
                )  # fmt: skip
        self._telemetry.down.labels(self._name).set(self._health.down)
        return verdict

    def _accepted(self, delivery: Delivery) -> None:
        self.told(delivery.alert)
        self._telemetry.alerts.labels(self._name, "delivered").inc()
        age = time.time() - delivery.record.timestamp / 1_000
        self._telemetry.delay_seconds.labels(self._name).observe(max(0.0, age))
        self._over(delivery)

    async def _bury(self, delivery: Delivery, why: str) -> None:
        alert = delivery.alert
        attempts = f"after {delivery.attempts} attempt{'' if delivery.attempts == 1 else 's'}"
        message = (
            f"receiver {self._name} ({self._receiver.kind} at {self._receiver.host}) was not told, "
            f"{attempts}: {why}"
        )
        await self._letters.send(delivery.record, message)
        log.error("alert %s (%s) is a dead letter: %s", alert.alert_id, alert.message, message)
        if alert.event == "resolved":
            # It must not be told again that it is open.
            self.told(alert)
        self._telemetry.alerts.labels(self._name, "dead_letter").inc()
        self._over(delivery)

    def _over(self, delivery: Delivery) -> None:
        self._lanes.finish(delivery)
        self.on_done(delivery.record)

    @property
    def _name(self) -> str:
        return self._receiver.name
