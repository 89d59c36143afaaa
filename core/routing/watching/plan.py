"""What a policy asks to be watched, made ready."""

from __future__ import annotations

from typing import Final, NamedTuple

from core.context.fields import Category, Number, category, number
from schemas.features import is_number_field
from schemas.fields import duration_ms
from schemas.policy import Policy, Threshold

_ABOUT_DECISIONS: Final = frozenset({"join_rate", "exploration_rate", "arm_share", "update_rate"})


class Limit(NamedTuple):
    """A threshold with its name and the scope it looks at."""

    name: str
    spec: Threshold
    scope: tuple[str, int]
    """Arm ("" for the route) and window in ms."""


class MixField(NamedTuple):
    """A field of the requests that is watched: as a number or as a category."""

    name: str
    number: Number | None
    category: Category | None


class WatchPlan:
    """What is to be watched under one policy."""

    __slots__ = (
        "anomaly_cooldown_ms",
        "anomaly_repeat_ms",
        "cooldown_ms",
        "join_ms",
        "limits",
        "mix",
        "regrets",
        "repeat_ms",
        "scopes",
    )

    def __init__(self, policy: Policy) -> None:
        self.cooldown_ms = duration_ms(policy.drift.cooldown)
        self.repeat_ms = duration_ms(policy.drift.repeat)
        self.anomaly_cooldown_ms = self.anomaly_repeat_ms = 0
        if policy.anomalies is not None:
            self.anomaly_cooldown_ms = duration_ms(policy.anomalies.cooldown)
            self.anomaly_repeat_ms = duration_ms(policy.anomalies.repeat)
        self.join_ms = 0 if policy.join is None else duration_ms(policy.join.window)
        self.mix = [
            MixField(name, number(name), None)
            if is_number_field(name) and not name.startswith("metadata.")
            else MixField(name, None, category(name))
            for name in policy.drift.mix
        ]
        self.limits = [
            Limit(threshold_name(spec), spec, (spec.arm or "", duration_ms(spec.window)))
            for spec in policy.thresholds
        ]
        self.scopes = sorted({limit.scope for limit in self.limits})
        self.regrets = any(limit.spec.metric == "regret_rate" for limit in self.limits)


def threshold_name(spec: Threshold) -> str:
    """What a threshold is called: as the policy says, or else by what it asks."""
    if spec.name is not None:
        return spec.name
    side, limit = ("above", spec.above) if spec.above is not None else ("below", spec.below)
    of = f" of {spec.arm}" if spec.arm else ""
    return f"{spec.metric}{of} {side} {limit:g}"
