"""Alerts folded into incidents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from core.routing.summarised import IncidentSummary, RouteSummary
from schemas.alert import Alert, AlertType, Metric, Severity
from streams.web.api import Incident

GRAVITY: Final[dict[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}


def fold(alerts: Iterable[Alert]) -> list[Incident]:
    """The incidents of alerts that come newest first; the most lately updated incident first.

    A repeated event, as after a crash, counts once.
    """
    events: dict[str, dict[str, Alert]] = {}
    for alert in alerts:
        # A notice is over as it is told: the results of one trial are incidents of their own.
        key = alert.alert_id if alert.event == "notice" else alert.incident_id
        events.setdefault(key, {}).setdefault(alert.alert_id, alert)
    return [_incident(key, list(found.values())) for key, found in events.items()]


def _incident(key: str, newest_first: list[Alert]) -> Incident:
    newest = newest_first[0]
    told = next((one for one in newest_first if one.event != "resolved"), newest)
    actions = [one.action for one in newest_first if one.action != "alert"]
    return Incident(
        id=key,
        route=newest.route,
        arm=newest.arm,
        segment=newest.segment,
        of=newest.of,
        type=told.type,
        severity=max((one.severity for one in newest_first), key=GRAVITY.__getitem__),
        metric=newest.metric,
        event=newest.event,
        opened=newest.opened,
        updated=newest.timestamp,
        resolved=newest.timestamp if newest.event == "resolved" else None,
        message=told.message,
        detections=newest.detections,
        action=actions[0] if actions else "alert",
        before=told.before,
        after=told.after,
    )


def untold(summary: RouteSummary | None, told: Iterable[Incident]) -> list[Incident]:
    """Open incidents of a route that are not among those told since this worker has it."""
    if summary is None:
        return []
    known = {_subject(one) for one in told}
    return [
        Incident(
            id="-".join(map(str, _subject(one))),
            route=summary.route,
            arm=one.arm,
            segment=one.segment,
            of=one.of,
            type=cast("AlertType", "drift" if one.kind == "mix" else one.kind),
            severity=cast("Severity", one.severity),
            metric=cast("Metric", one.metric),
            event="opened",
            opened=one.opened,
            updated=one.opened,
            resolved=None,
            message=f"still open, by {one.detector}; told before this worker took the route over",
            detections=one.detections,
            action="alert",
            before=one.before,
            after=one.after,
        )
        for one in summary.incidents
        if _subject(one) not in known
    ]


def _subject(one: Incident | IncidentSummary) -> tuple[str, str, str, str, int]:
    return one.segment, one.arm, one.metric, one.of, one.opened


def is_open(incident: Incident) -> bool:
    """Whether it still goes on."""
    return incident.event in ("opened", "updated")


def gravest(incidents: Iterable[Incident]) -> Severity | None:
    """The highest severity; None without incidents."""
    return max((one.severity for one in incidents), key=GRAVITY.__getitem__, default=None)
