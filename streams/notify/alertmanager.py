"""Alerts for Alertmanager's API, version 2.

Sources: https://prometheus.io/docs/alerting/latest/alerts_api and
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (postableAlerts).
Alertmanager tells alerts apart by their labels, and takes one for resolved when its ``endsAt`` has
passed. So what is open is told again and again, each time with an ``endsAt`` four times as far
ahead as the next time, as Prometheus does it: one that is missed does no harm, whatever
Alertmanager's ``resolve_timeout`` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from schemas.alert import Alert, AlertType
from streams.notify.formats import JSON, Request, page_of
from streams.notify.incidents import Incidents
from streams.notify.lanes import Delivery
from streams.notify.words import ACTIONS, figures

NAMES: Final[dict[AlertType, str]] = {
    "drift": "ThalwegDrift",
    "warning": "ThalwegDriftSuspected",
    "anomaly": "ThalwegAnomaly",
    "threshold": "ThalwegThreshold",
    "join": "ThalwegFeedback",
    "guardrail": "ThalwegGuardrail",
    "budget": "ThalwegBudget",
    "experiment": "ThalwegExperiment",
    "rollout": "ThalwegRollout",
}
"""The label ``alertname`` of each type."""
_RESENDS: Final = 4
_NOTICE: Final = 600.0
"""Seconds for which a notice fires, which is over as soon as it is told: longer than the
``group_interval`` of five minutes that Alertmanager has unless told otherwise."""


class Alertmanager:
    """Up to a hundred incidents in a request."""

    most = 100
    # What is told again must not overtake the end of the same incident.
    at_once = 1

    def __init__(self, page_url: str, resend: float) -> None:
        self._page_url = page_url
        self._ahead = _RESENDS * resend

    def request(self, deliveries: Sequence[Delivery], told: Incidents, now: float) -> Request:
        """One alert for each delivery; two where its labels changed."""
        events: list[dict[str, Any]] = []
        for delivery in deliveries:
            alert = delivery.alert
            before = told.get(alert.incident_id)
            if before is not None and labels_of(before) != labels_of(alert):
                # To Alertmanager the alert with the old labels is another one.
                events.append(self._event(alert, before, min(now, alert.timestamp / 1_000)))
                if alert.event == "resolved":
                    continue
            events.append(self._event(alert, alert, self._end(alert, now)))
        headers = dict(JSON)
        if len(deliveries) == 1:
            headers["Idempotency-Key"] = deliveries[0].alert.alert_id
        return Request(orjson.dumps(events), headers)

    def again(self, incidents: Sequence[Alert], now: float) -> Request:
        """The same alerts, ending later."""
        events = [self._event(alert, alert, now + self._ahead) for alert in incidents]
        return Request(orjson.dumps(events), JSON)

    def _end(self, alert: Alert, now: float) -> float:
        if alert.event == "resolved":
            return min(now, alert.timestamp / 1_000)
        return now + (_NOTICE if alert.event == "notice" else self._ahead)

    def _event(self, alert: Alert, labelled: Alert, end: float) -> dict[str, Any]:
        start = alert.opened / 1_000
        event: dict[str, Any] = {
            "labels": labels_of(labelled),
            "annotations": annotations_of(alert),
            "startsAt": _time(start),
            # Alertmanager refuses an end before the start.
            "endsAt": _time(max(start, end)),
        }
        if self._page_url:
            event["generatorURL"] = page_of(self._page_url, alert)
        return event


def labels_of(alert: Alert) -> dict[str, str]:
    """What Alertmanager routes, groups and silences by.

    With the incident, so that an old one's end cannot end a new one of the same kind.
    """
    labels = {
        "alertname": NAMES[alert.type],
        "severity": alert.severity,
        "route": alert.route,
        "arm": alert.arm,
        "segment": alert.segment,
        "metric": alert.metric,
        "of": alert.of,
        "incident": alert.incident_id,
    }
    return {name: value for name, value in labels.items() if value}


def annotations_of(alert: Alert) -> dict[str, str]:
    """What people read, and what does not tell alerts apart."""
    annotations = {
        "summary": alert.message,
        "figures": figures(alert),
        "action": ACTIONS[alert.action],
        "detector": alert.detector,
        "detections": str(alert.detections),
        "alert_id": alert.alert_id,
        "state_version": str(alert.state_version),
    }
    return {name: value for name, value in annotations.items() if value}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
