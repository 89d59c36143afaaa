"""The open incidents of a partition: what belongs together is told as one story, with an end.

The first detection opens an incident. Further ones of the same kind about the same thing are
counted, and told when they are graver, when something was done, or when the last event is
``repeat_ms`` old. It is over ``until`` has passed with nothing new, or when its owner says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple, cast

import msgspec

from core.routing.agenda import Agenda
from core.routing.memory import Scan
from core.routing.partition import Partition
from core.routing.watching.scale import span
from schemas.alert import Action, Alert, AlertType, Event, Level, Metric, Severity
from schemas.encode import encode_alert
from schemas.state import (
    INCIDENT,
    IncidentRecord,
    decode_incident,
    encode_state,
    incident_key,
    split_incident_key,
)

_GRAVITY: Final[dict[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}


class About(NamedTuple):
    """What an incident is about; one is open about the same thing at a time."""

    route: str
    kind: str
    """drift, anomaly, threshold, join, guardrail, budget or mix."""
    segment: str
    arm: str
    metric: Metric
    of: str = ""

    @property
    def key(self) -> bytes:
        """Where the incident is kept."""
        return incident_key(*self)


class Finding(NamedTuple):
    """What was detected."""

    type: AlertType
    severity: Severity
    detector: str
    before: Level | None
    after: Level | None
    message: str
    action: Action = "alert"


class Incidents:
    """The open incidents of one partition."""

    def __init__(self, state: Partition) -> None:
        self._state = state
        self._open: dict[bytes, IncidentRecord] = {}
        self.agenda: Agenda[bytes] = Agenda(state)

    def restore(self, scan: Scan) -> None:
        """Take up the stored ones."""
        for key, value in scan(INCIDENT):
            record = self._open[key] = decode_incident(value)
            self._await(key, record)

    @property
    def records(self) -> Collection[IncidentRecord]:
        """All open ones."""
        return self._open.values()

    def is_open(self, about: About) -> bool:
        """Whether there is an incident about that."""
        return about.key in self._open

    def of_route(self, route: str) -> Iterator[tuple[About, IncidentRecord]]:
        """The route's open incidents, oldest first."""
        prefix = f"I{route}\0".encode()
        found = [(record.version, key) for key, record in self._open.items()]
        for _, key in sorted(pair for pair in found if pair[1].startswith(prefix)):
            yield _about(key), self._open[key]

    def detect(
        self, about: About, found: Finding, now_ms: int, *, repeat_ms: int, cooldown_ms: int = 0
    ) -> None:
        """Note a detection, and tell of it.

        ``cooldown_ms``: the incident is over when it has passed without another detection; 0: not
        before ``resolve``.
        """
        key, state = about.key, self._state
        earlier = self._open.get(key)
        event: Event | None = "opened"
        opened, version, told, severity, count = now_ms, state.version, now_ms, found.severity, 1
        if earlier is not None:
            opened, version, count = earlier.opened, earlier.version, earlier.detections + 1
            graver = _GRAVITY[found.severity] > _GRAVITY[earlier.severity]
            if not graver:
                severity = earlier.severity
            event = "updated"
            if not graver and found.action == "alert" and now_ms < earlier.told + repeat_ms:
                event, told = None, earlier.told
        record = IncidentRecord(
            version=version,
            opened=opened,
            until=now_ms + cooldown_ms if cooldown_ms else 0,
            told=told,
            detections=count,
            type=found.type,
            severity=severity,
            detector=found.detector,
            before=found.before,
            after=found.after,
        )
        self._keep(key, record)
        if earlier is None:
            self._await(key, record)
        if event is not None:
            self._tell(about, key, record, event, found.message, found.action, now_ms)

    def resolve(
        self, about: About, message: str, after: Level | None, now_ms: int, *, action: Action
    ) -> None:
        """End an incident, if there is one."""
        key = about.key
        record = self._open.pop(key, None)
        if record is None:
            return
        self._state.memory.put(key, None)
        record = msgspec.structs.replace(record, after=after)
        self._tell(about, key, record, "resolved", message, action, now_ms)

    def expire(self, clock: int) -> bool:
        """End the incidents of which nothing more was detected.

        Returns False if the part was full before that was done.
        """
        return self.agenda.run(clock, self._end)

    def _end(self, _: int, key: bytes, clock: int) -> None:
        record = self._open.get(key)
        if record is None or not record.until:
            return
        if record.until >= clock:
            self._await(key, record)
            return
        about = _about(key)
        message = f"{subject(about)}: {self._quiet(about, record)}"
        self.resolve(about, message, record.after, clock, action="alert")

    def _quiet(self, about: About, record: IncidentRecord) -> str:
        """That nothing more has come, for the cooldown of the policy in force."""
        kind = "change" if about.kind == "mix" else about.kind
        what = f"suspected {kind}" if record.type == "warning" else kind
        route = self._state.memory.route(about.route)
        compiled = None if route is None else self._state.memory.current(route)
        lasted = ""
        if compiled is not None:
            watch = compiled.watch
            anomaly = about.kind == "anomaly"
            lasted = f" for {span(watch.anomaly_cooldown_ms if anomaly else watch.cooldown_ms)}"
        count = record.detections
        detections = "one detection" if count == 1 else f"{count:,} detections"
        return f"no further {what}{lasted}; over after {detections}"

    def _await(self, key: bytes, record: IncidentRecord) -> None:
        if record.until:
            self.agenda.add(record.until, key)

    def _keep(self, key: bytes, record: IncidentRecord) -> None:
        self._open[key] = record
        self._state.memory.put(key, encode_state(record))

    def _tell(
        self,
        about: About,
        key: bytes,
        record: IncidentRecord,
        event: Event,
        message: str,
        action: Action,
        now_ms: int,
    ) -> None:
        incident = blake2b(key + record.version.to_bytes(8, "big"), digest_size=16).hexdigest()
        identity = f"{incident}\0{event}\0{record.detections}".encode()
        alert = Alert(
            alert_id=blake2b(identity, digest_size=16).hexdigest(),
            incident_id=incident,
            event=event,
            route=about.route,
            arm=about.arm,
            type=record.type,
            severity=record.severity,
            metric=about.metric,
            before=record.before,
            after=record.after,
            detector=record.detector,
            action=action,
            detections=record.detections,
            opened=record.opened,
            message=message,
            segment=about.segment,
            state_version=self._state.version,
            timestamp=now_ms,
            of=about.of,
        )
        self._state.emit("drift", about.route.encode(), encode_alert(alert))
        if self._state.observer is not None:
            self._state.observer.alerted(alert)


def _about(key: bytes) -> About:
    route, kind, segment, arm, metric, of = split_incident_key(key)
    return About(route, kind, segment, arm, cast("Metric", metric), of)


def subject(about: About) -> str:
    """What an incident is about, in words."""
    if about.kind == "mix":
        return f"{about.of} in the request mix of route {about.route}"
    if about.kind == "budget":
        return f"budget of route {about.route}"
    where = f" in segment {about.segment}" if about.segment else ""
    whose = f" of arm {about.arm}" if about.arm else ""
    return f"{about.metric}{whose} on route {about.route}{where}"
