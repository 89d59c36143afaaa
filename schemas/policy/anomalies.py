"""Single outcomes that lie far off what is usual."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.fields import Duration
from schemas.policy.strict import Strict

AnomalyMetric = Literal["quality", "reward", "cost", "latency", "tokens"]
Window = Annotated[int, Meta(ge=20, le=1_000)]


class RobustZ(Strict, frozen=True, tag="robust_z", tag_field="name"):
    """Distance from the median by the median absolute deviation (Iglewicz and Hoaglin 1993)."""

    threshold: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 6.0
    window: Window = 100


class Mad(Strict, frozen=True, tag="mad", tag_field="name"):
    """Fences at so many median absolute deviations from the median."""

    fences: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 9.0
    window: Window = 100


class Iqr(Strict, frozen=True, tag="iqr", tag_field="name"):
    """Fences at so many interquartile ranges beyond the quartiles (Tukey 1977)."""

    fences: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 3.0
    window: Window = 100


class Ewma(Strict, frozen=True, tag="ewma", tag_field="name"):
    """An EWMA control chart (Roberts 1959)."""

    weight: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.1
    limit: Annotated[float, Meta(gt=0.0, le=100.0)] = 5.0
    """In standard deviations of the weighted mean."""
    window: Window = 100
    """How many values the mean and the spread remember: 1 / window is a value's weight in them."""


AnomalyDetector = RobustZ | Mad | Iqr | Ewma


class AnomalySpec(Strict, frozen=True):
    """A detector per arm and metric that judges each outcome by those before it."""

    on: Annotated[list[AnomalyMetric], Meta(min_length=1, max_length=5)] = field(
        default_factory=lambda: ["cost", "latency"]
    )
    detector: AnomalyDetector = RobustZ()
    min_samples: Annotated[int, Meta(ge=10, le=1_000)] = 30
    """Values before the first judgement."""
    cooldown: Duration = "5m"
    """An incident is over when nothing more was detected for so long."""
    repeat: Duration = "1m"
    """Further detections of an incident are told at most that often, unless they are graver."""
