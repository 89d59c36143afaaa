"""How alerts are put into words, wherever people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from schemas.alert import Action, Alert, Metric

ACTIONS: Final[dict[Action, str]] = {
    "alert": "nothing, the policy only asks for the alert",
    "restart_arm": "what the arm had learned was dropped; it is being explored again",
    "discount_arm": "what the arm had learned counts for less from now on",
    "explore_arm": "the arm is being explored again",
    "set_aside": "the arm gets no traffic for the time being",
    "reinstated": "the arm gets traffic again",
    "adopted": "the winner serves all traffic",
    "stopped": "the experiment was stopped",
    "advanced": "the rollout went on to its next stage",
    "rolled_back": "the rollout was rolled back",
    "completed": "the rollout is complete",
}
"""What was done about it."""
_UNITS: Final[dict[Metric, str]] = {
    "cost": " USD",
    "latency": " ms",
    "latency_p50": " ms",
    "latency_p95": " ms",
    "latency_p99": " ms",
    "tokens": " tokens",
}


def figures(alert: Alert) -> str:
    """Before and after in one line; "" where nothing was measured."""
    unit = _UNITS.get(alert.metric, "")
    levels = (("before", alert.before), ("after", alert.after))
    return ", ".join(
        f"{name} {level.mean:.4g}{unit} (n={level.n:,})"
        for name, level in levels
        if level is not None
    )


def at(milliseconds: int) -> str:
    """A time as RFC 3339 in UTC, to the second."""
    when = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def lasted(milliseconds: int) -> str:
    """A duration by its two largest units."""
    seconds = max(0, milliseconds) // 1_000
    for size, name, part, part_name in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{seconds} s"
