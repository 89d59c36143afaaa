"""Experiments, rollouts and shadows: two ways to choose, compared on the same traffic."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.fields import NO_CONTROL, ArmId, Duration, Label, Positive
from schemas.policy.algorithms import BanditAlgorithm
from schemas.policy.strict import Strict

TrialName = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_CONTROL)]
TrialMetric = Literal["reward", "quality", "cost", "latency", "success"]
Alpha = Annotated[float, Meta(gt=0.0, lt=0.5)]
Margins = dict[TrialMetric, Positive]


class Variant(Strict, frozen=True):
    """One side of an experiment: the policy itself, or with other arms or another algorithm.

    A variant that changes nothing shares the route's statistics; any other has its own.
    """

    id: ArmId
    share: Positive = 1.0
    """In proportion to the other variants'."""
    arms: Annotated[list[ArmId], Meta(min_length=1, max_length=64)] | None = None
    """Which of the policy's arms it chooses among. Default: all."""
    algorithm: BanditAlgorithm | None = None
    """Default: the policy's."""


class Experiment(Strict, frozen=True):
    """An A/B test: variants with fixed shares, compared until it is clear which is better.

    It starts with the policy that names it, and goes on in later ones with the same name and
    rules; a result is published on the drift topic, once.
    """

    name: TrialName
    variants: Annotated[list[Variant], Meta(min_length=2, max_length=8)]
    """The first one is the control."""
    unit: Label | None = None
    """A context field or ``metadata.<key>``: requests that share its value meet the same variant,
    and are taken to be alike: only differences between values count as chance. Default: each
    request for itself."""
    metric: TrialMetric = "reward"
    """Which decides. Cost and latency are better when lower."""
    method: Literal["sequential", "fixed"] = "sequential"
    """sequential: valid however often it is looked at, and ends as soon as it is clear. fixed: one
    look, when ``max_samples`` are in."""
    alpha: Alpha = 0.05
    """The chance of a false difference from the control."""
    minimum_effect: Positive | None = None
    """The least difference worth finding, in the metric's unit."""
    max_samples: Annotated[int, Meta(ge=10, le=10**9)] = 100_000
    """Outcomes, of all variants, after which no difference is found."""
    min_samples: Annotated[int, Meta(ge=2, le=10**6)] = 200
    """Of each variant, before it is judged: the limits are those of large samples."""
    guardrails: Margins = field(default_factory=dict)
    """How much worse than the control a variant may be, by metric; beyond, all requests go to the
    control."""
    adopt: bool = False
    """Whether a winner gets all requests from then on. Default: it is only told."""
    paused: bool = False
    """All requests go to the control, and nothing is counted."""
    covariate: Label | None = None
    """A number that is known of a request before its variant, and moves with its outcome: a field
    such as ``input_tokens``, or ``metadata.<key>`` with a prediction. Outcomes are adjusted by it
    (CUPED), so that smaller differences are found. A request without it counts as 0."""


class Rollout(Strict, frozen=True):
    """A change in stages: the candidate's share grows while it is shown to be no worse.

    As for an experiment's variant, ``arms`` and ``algorithm`` say what the candidate changes. A
    candidate that is worse gets no more requests, with an alert.
    """

    name: TrialName
    margins: Annotated[Margins, Meta(min_length=1)]
    """How much worse than the policy without the change the candidate may be, by metric."""
    arms: Annotated[list[ArmId], Meta(min_length=1, max_length=64)] | None = None
    algorithm: BanditAlgorithm | None = None
    unit: Label | None = None
    """As an experiment's; a value that meets the candidate goes on to do so."""
    steps: Annotated[list[Annotated[float, Meta(gt=0.0, le=1.0)]], Meta(min_length=2)] = field(
        default_factory=lambda: [0.05, 0.1, 0.25, 0.5, 1.0]
    )
    """The candidate's shares; the last one is 1."""
    min_time: Duration = "1h"
    """How long each step lasts at least."""
    min_samples: Annotated[int, Meta(ge=2, le=10**6)] = 100
    """Outcomes that each step has at least, of both sides."""
    max_samples: Annotated[int, Meta(ge=2, le=10**9)] | None = None
    """Outcomes of the candidate's in a step after which it is rolled back for not being clear."""
    alpha: Alpha = 0.05
    """The chance of rolling back a candidate that is within all margins."""
    paused: bool = False


class Shadow(Strict, frozen=True):
    """A policy that decides every request and is scored, but routes none.

    As for an experiment's variant, ``arms`` and ``algorithm`` say what it changes. It learns from
    the rewards of the arms that served, with statistics of its own, and what it would have earned
    is estimated from them by its probability of the served arm over the true one. A result is
    published on the drift topic at ``first_report`` scored outcomes, and at each doubling.
    """

    name: TrialName
    arms: Annotated[list[ArmId], Meta(min_length=1, max_length=64)] | None = None
    """Which of the policy's arms it chooses among. Default: all."""
    algorithm: BanditAlgorithm | None = None
    """Default: the policy's."""
    metric: TrialMetric = "reward"
    """By which its results say better or worse; all are told."""
    first_report: Annotated[int, Meta(ge=10, le=10**9)] = 1_000
    alpha: Alpha = 0.05
    """The chance of ever calling a shadow better or worse that is neither."""
