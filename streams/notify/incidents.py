"""Which alerts a receiver wants, and which incidents are open by what their alerts told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from schemas.alert import Alert

SEVERITIES: Final = ("info", "warning", "critical")
"""From the least to the greatest."""
_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions on single alerts; an empty tuple allows everything."""

    routes: tuple[str, ...] = ()
    """Shell patterns: ``*`` also matches slashes."""
    types: tuple[str, ...] = ()
    min_severity: str = "info"

    def matches(self, alert: Alert) -> bool:
        """Whether the alert fulfils all conditions."""
        return (
            (not self.routes or any(fnmatchcase(alert.route, one) for one in self.routes))
            and (not self.types or alert.type in self.types)
            and SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.min_severity)
        )


class Chosen:
    """The alerts that a receiver is told: those that match, and what follows in their incidents.

    Without the latter, an incident that was told would never be told to be over if its last alert
    is of a lower severity. A repeated alert (by its alert_id) is not chosen again, as far back as
    the last 20,000 alerts.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._told: set[str] = set()
        self._seen: dict[str, None] = {}

    def take(self, alert: Alert) -> bool:
        """Whether this alert, the next on its partition, is chosen."""
        if alert.alert_id in self._seen:
            return False
        self._seen[alert.alert_id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        chosen = alert.incident_id in self._told or self._selection.matches(alert)
        if alert.event in ("resolved", "notice"):
            self._told.discard(alert.incident_id)
        elif chosen:
            self._told.add(alert.incident_id)
        return chosen


class Incidents:
    """The open incidents with the newest alert of each."""

    def __init__(self) -> None:
        self._open: dict[str, Alert] = {}

    def take(self, alert: Alert) -> None:
        """Follow one alert; those of an incident must come in their order."""
        if alert.event in ("opened", "updated"):
            self._open[alert.incident_id] = alert
        else:
            self._open.pop(alert.incident_id, None)

    def get(self, incident_id: str) -> Alert | None:
        """The newest alert of an open incident, None for any other."""
        return self._open.get(incident_id)

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def newest(self) -> Iterable[Alert]:
        """The newest alert of each open incident, by when it began."""
        return sorted(self._open.values(), key=lambda alert: (alert.opened, alert.incident_id))
