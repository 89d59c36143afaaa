"""Dashboards and panels in few words, and their JSON as Grafana reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Panel:
    """One chart or one figure. ``queries`` are pairs of PromQL and legend."""

    title: str
    description: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    stacked: bool = False
    zero: bool = True
    """Whether the axis begins at 0."""
    maximum: float | None = None
    bad_from: float | None = None
    """From which value on a figure is red; with ``good_from`` green."""
    good_from: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under a heading, laid out from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """One file."""

    uid: str
    title: str
    description: str
    variables: Sequence[dict[str, Any]]
    rows: Sequence[Row]
    annotations: Sequence[dict[str, Any]] = field(default_factory=tuple)

    def model(self) -> dict[str, Any]:
        """The dashboard as Grafana reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["thalweg"],
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": list(self.annotations)},
            "templating": {"list": [_DATASOURCE, *self.variables]},
            "links": [_LINKS],
            "panels": list(_placed(self.rows)),
        }


def query(name: str, label: str, metric: str, of: str, *, several: bool = True) -> dict[str, Any]:
    """A variable: the values of the label ``of`` of ``metric``."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values({metric}, {of})", "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": several,
        "includeAll": several,
        "current": {"text": ["All"], "value": ["$__all"]} if several else {},
    }


_DATASOURCE: Final = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "refresh": 1,
    "current": {},
}
_LINKS: Final = {
    "title": "thalweg",
    "type": "dashboards",
    "tags": ["thalweg"],
    "asDropdown": False,
    "includeVars": False,
    "keepTime": True,
    "icon": "external link",
    "url": "",
}


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            number += 1
            yield {
                "id": number,
                "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
                **_drawn(panel),
            }
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _drawn(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": _thresholds(panel)}
    if panel.zero:
        defaults["min"] = 0
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 40 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": list(_targets(panel)),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _targets(panel: Panel) -> Iterator[dict[str, Any]]:
    now = panel.kind == "table"
    for letter, (expression, legend) in zip("ABCDEFGH", panel.queries, strict=False):
        yield {
            "refId": letter,
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "editorMode": "code",
            "range": not now,
            "instant": now,
            **({"format": "table"} if now else {}),
        }


def _thresholds(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "text", "value": None}]
    if panel.bad_from is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.bad_from}]
    if panel.good_from is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.good_from}]
    return {"mode": "absolute", "steps": steps}


_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}


def figure(
    title: str, description: str, expression: str, unit: str = "short", **more: Any
) -> Panel:
    """A number, six of which fill a line."""
    return Panel(title, description, [(expression, "")], unit, "stat", width=4, height=4, **more)


FIRING: Final = Panel(
    "Alerts that fire",
    "What Prometheus' rules say at the moment; docs/operations.md has a section for each.",
    [('sum by (alertname, severity) (ALERTS{alertstate="firing"})', "")],
    kind="table",
)
