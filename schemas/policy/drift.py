"""Which changes are watched for, how, and what is done about them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.fields import Duration, Label
from schemas.policy.strict import Strict

DriftMetric = Literal["quality", "reward", "cost", "latency", "success", "tokens"]
Confidence = Annotated[float, Meta(gt=0.0, lt=1.0)]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]
WarningShare = Annotated[float, Meta(ge=0.5, lt=1.0)]


class Adwin(Strict, frozen=True, tag="adwin", tag_field="name"):
    """ADWIN (Bifet and Gavaldà 2007), by ``delta`` and ``warning_delta``."""


class PageHinkley(Strict, frozen=True, tag="page_hinkley", tag_field="name"):
    """Page-Hinkley's test (Page 1954): the sum of what lies beyond the mean so far."""

    tolerance: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.04
    """In the metric's scale of 0 to 1; a smaller shift of the mean is never found."""
    threshold: Annotated[float, Meta(gt=0.0, le=1e6)] = 30.0
    """The sum that is a drift."""
    warning: WarningShare = 0.8
    """The share of the threshold that warns."""


class Cusum(Strict, frozen=True, tag="cusum", tag_field="name"):
    """A two-sided CUSUM chart (Page 1954), its target and spread estimated from first values."""

    calibration: Annotated[int, Meta(ge=10, le=100_000)] = 300
    """Values that the target and the spread are estimated from."""
    slack: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.25
    """In standard deviations: half the shift to be found."""
    threshold: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 35.0
    """In standard deviations."""
    warning: WarningShare = 0.8
    """The share of the threshold that warns."""


class KsWindow(Strict, frozen=True, tag="ks_window", tag_field="name"):
    """Kolmogorov-Smirnov's test of the newest values against those before, by ``delta``."""

    window: Annotated[int, Meta(ge=20, le=2_000)] = 200
    """``delta`` bounds the chance of a first false drift in 1,000 values."""


DriftDetector = Adwin | PageHinkley | Cusum | KsWindow


class DriftSpec(Strict, frozen=True):
    """Detectors of change: per arm and metric, and of the request mix."""

    on: Annotated[list[DriftMetric], Meta(max_length=6)] = field(
        default_factory=lambda: ["quality", "cost", "latency"]
    )
    """What is watched of each arm."""
    mix: Annotated[list[Label], Meta(max_length=8)] = field(default_factory=list)
    """Fields of the requests' context whose values' shares (of numbers: whose mean) are watched
    over all requests of the route, e.g. ["task_type", "input_tokens"]."""
    detector: DriftDetector = Adwin()
    """Of the arms' metrics. The request mix is always watched by ADWIN."""
    delta: Confidence = 0.002
    """The confidence of a drift: lower means fewer false alarms and later true ones."""
    warning_delta: Confidence = 0.02
    """The confidence of a warning; greater than delta."""
    action: Literal["alert", "restart_arm", "discount_arm", "explore_arm"] = "alert"
    """What a drift of an arm does, besides the alert. restart_arm: the arm forgets what it
    learned, the others keep it. discount_arm: what it learned counts ``keep`` as much.
    explore_arm: it is owed the ``cold_start.pulls`` again."""
    keep: Share = 0.1
    """The share of an arm's evidence that discount_arm leaves."""
    cooldown: Duration = "10m"
    """An incident is over when nothing more was detected for so long."""
    repeat: Duration = "1m"
    """Further detections of an incident are told at most that often, unless they are graver or
    something was done; they are counted all the same."""
