"""Limits on what a route does, and on the health of its feedback loop."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.fields import NO_CONTROL, Duration
from schemas.policy.strict import Strict

ThresholdMetric = Literal[
    "reward",
    "quality",
    "cost",
    "latency",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "error_rate",
    "tokens",
    "join_rate",
    "regret_rate",
    "exploration_rate",
    "arm_share",
    "update_rate",
]
Limit = Annotated[float, Meta(ge=-1e9, le=1e9)]


class Threshold(Strict, frozen=True):
    """An alert while a metric, over the last ``window``, is beyond a limit.

    Means are over the rewards (reward, quality, tokens; cost in USD, latency in ms) of the window
    by the time of their records; shares are over its decisions: ``exploration_rate`` those where
    another arm than the likeliest was drawn, ``arm_share`` those for ``arm``. ``regret_rate`` is
    the mean over rewards of the best arm's mean reward less the serving arm's, ``update_rate``
    rewards learned per minute. ``join_rate`` looks at the window before, to leave rewards time:
    the share of its decisions that have got one.
    """

    metric: ThresholdMetric
    above: Limit | None = None
    """Beyond is above this..."""
    below: Limit | None = None
    """...or below this; exactly one of the two."""
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_CONTROL)] | None = None
    """Unique in the policy. Default: the metric with its limit."""
    arm: Annotated[str, Meta(min_length=1, max_length=128, pattern=NO_CONTROL)] | None = None
    """Only this arm's decisions and rewards. Default: the whole route's."""
    window: Duration = "10m"
    """Rounded up to ten panes of whole milliseconds; it moves a pane at a time."""
    min_samples: Annotated[int, Meta(ge=1, le=10**9)] = 50
    """Nothing is said of fewer."""
    clear: Limit | None = None
    """The incident is over only on the good side of this. Default: the limit itself."""
    severity: Literal["warning", "critical"] = "warning"


class JoinSpec(Strict, frozen=True):
    """Alerts when fewer decisions than usual get a reward: the feedback loop may be broken.

    Judged are the decisions made between two windows and one window ago, so rewards that take
    longer than a window do not count; the usual rate is that of the decisions before.
    """

    window: Duration = "10m"
    fall: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.5
    """By how much of its usual value the join rate must fall."""
    min_samples: Annotated[int, Meta(ge=10, le=10**9)] = 100
    """Decisions on either side, before anything is said."""
