"""What the summary of a route consists of."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from core.routing.explained import Belief
from schemas.alert import Level

Status = Literal["active", "withdrawn"]


class ArmSummary(Struct, frozen=True):
    """One arm in one segment."""

    arm: str
    belief: Belief
    best: float | None
    """The probability that it has the highest mean reward; None where it is disabled."""
    pulls: int
    """How often forced exploration has chosen it."""
    guardrail: str | None
    """What guardrails have against it, in words; None if nothing."""


class SearchSummary(Struct, frozen=True):
    """How far a parameter search is."""

    evaluations: int
    """How many sets of parameters have had all their rewards."""
    planned: int
    in_play: int
    params: dict[str, Any]
    """Of the best set so far."""
    mean: float
    low: float
    high: float
    """Its mean reward, with the 95 % interval."""
    rewards: int
    """That the best set has got."""
    ended: str | None
    """Why the search has ended; None while it goes on."""


class SegmentSummary(Struct, frozen=True):
    """One segment of a route, or a variant's part of one."""

    segment: str
    variant: str
    """Of the route's experiment or rollout whose statistics these are; "" for the policy's own."""
    arms: list[ArmSummary]
    search: SearchSummary | None = None


class ArmSpecSummary(Struct, frozen=True):
    """What the policy says of an arm."""

    arm: str
    model: str
    enabled: bool


class VariantSummary(Struct, frozen=True):
    """One side of an experiment or a rollout."""

    variant: str
    share: float
    """Of the requests, now."""
    level: Level
    """The deciding metric, over all outcomes."""
    effect: float | None = None
    """Its mean minus the control's, adjusted by covariates; None of the control, and while there
    are too few outcomes."""
    low: float | None = None
    high: float | None = None
    """The interval of the effect, which holds at all times (of an experiment by the fixed method,
    once its samples are in)."""


class TrialSummary(Struct, frozen=True):
    """The experiment or the rollout of a policy."""

    kind: Literal["experiment", "rollout"]
    name: str
    status: str
    """running, paused, done, rolled_back, or an experiment's verdict."""
    sentence: str
    """What can be said now, for people."""
    metric: str
    step: int
    """Of a rollout; 0 for an experiment."""
    steps: int
    shares: list[float]
    """Of a rollout, the candidate's share at each step; else empty."""
    variants: list[VariantSummary]


class ShadowMetric(Struct, frozen=True):
    """A metric of a shadow beside that of what was routed, over the same requests."""

    metric: str
    outcomes: int
    effective: float
    """How many outcomes of its own the shadow's mean is worth."""
    logged: float
    shadow: float
    low: float | None
    high: float | None
    """Of shadow - logged, at any time; None while too few outcomes tell of the shadow."""


class ShadowSummary(Struct, frozen=True):
    """What is known by now of the policy that decides without routing."""

    name: str
    metric: str
    """Which its sentence is about."""
    sentence: str
    scored: int
    """Outcomes so far."""
    next_report: int
    """At how many it is told on the drift topic again."""
    support: float
    """The share of what it would choose that could have been served; its numbers are of that."""
    metrics: list[ShadowMetric]


class BudgetSummary(Struct, frozen=True):
    """The ledger of a budget."""

    usd: float
    """To spend, on average per request, or per period."""
    period_ms: int
    """0 for a budget per request."""
    requests: int
    spent_usd: float
    debt: float
    """What was spent beyond the budget, in requests' worth of it; negative for savings."""
    price: float
    """The reward that one USD must bring, in reward per USD."""
    worth_usd: float
    """What a request may cost on average; of a budget per period, by the present traffic."""
    held: bool
    """Whether the budget is kept: not where even the cheapest arms that are left cost more."""


class IncidentSummary(Struct, frozen=True):
    """An open incident."""

    kind: str
    severity: str
    segment: str
    arm: str
    metric: str
    of: str
    opened: int
    """In ms since the epoch."""
    detections: int
    detector: str
    before: Level | None
    after: Level | None


class RouteSummary(Struct, frozen=True):
    """A route as it is now."""

    route: str
    status: Status
    policy_version: int
    """-1 where the policy was withdrawn."""
    algorithm: str
    arms: list[ArmSpecSummary]
    decided: int
    joined: int
    duplicates: int
    late: int
    contradicting: int
    unlearned: int
    segments: list[SegmentSummary]
    segments_in_all: int
    """Of which the summary may show the first ones only."""
    trial: TrialSummary | None
    budget: BudgetSummary | None
    shadow: ShadowSummary | None
    incidents: list[IncidentSummary]
