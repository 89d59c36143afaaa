"""From what a policy says of an experiment or a rollout to the rules by which it is judged."""

from __future__ import annotations

from collections.abc import Mapping

from core.experiments.rollout import RolloutSpec
from core.experiments.spec import Guardrail, Metric, Spec
from schemas.fields import duration_ms
from schemas.policy import Experiment, Rollout
from schemas.policy.trial import TrialMetric
from schemas.reward import Outcome

CONTROL = "control"
CANDIDATE = "candidate"
_LOOK_EVERY = 10
"""Outcomes between two looks: what they would show sooner is not worth their time."""


def experiment_spec(experiment: Experiment) -> Spec:
    """The rules of an experiment. Raises ValueError for ones that contradict each other."""
    adjusted = experiment.covariate is not None
    total = sum(variant.share for variant in experiment.variants)
    return Spec(
        variants=tuple(variant.id for variant in experiment.variants),
        shares=tuple(variant.share / total for variant in experiment.variants),
        primary=_metric(experiment.metric, covariate=adjusted),
        method=experiment.method,
        alpha=experiment.alpha,
        minimum_effect=experiment.minimum_effect,
        max_samples=experiment.max_samples,
        min_samples=experiment.min_samples,
        look_every=_LOOK_EVERY,
        guardrails=_guardrails(experiment.guardrails, covariate=adjusted),
        clustered=experiment.unit is not None,
    )


def rollout_spec(rollout: Rollout) -> RolloutSpec:
    """The rules of a rollout. Raises ValueError for ones that contradict each other."""
    return RolloutSpec(
        control=CONTROL,
        candidate=CANDIDATE,
        guardrails=_guardrails(rollout.margins),
        steps=tuple(rollout.steps),
        min_ms=duration_ms(rollout.min_time),
        min_samples=rollout.min_samples,
        max_samples=rollout.max_samples,
        alpha=rollout.alpha,
        clustered=rollout.unit is not None,
    )


def trial_values(outcome: Outcome, quality: float | None, reward: float | None) -> dict[str, float]:
    """One outcome by metric, as far as it was measured; cost in USD, latency in ms."""
    found = {
        "reward": reward,
        "quality": quality,
        "cost": outcome.cost_usd,
        "latency": outcome.latency_ms,
        "success": None if outcome.success is None else float(outcome.success),
    }
    return {name: value for name, value in found.items() if value is not None}


def _guardrails(
    margins: Mapping[TrialMetric, float], *, covariate: bool = False
) -> tuple[Guardrail, ...]:
    return tuple(
        Guardrail(_metric(name, covariate=covariate), margin)
        for name, margin in sorted(margins.items())
    )


def _metric(name: str, *, covariate: bool) -> Metric:
    return Metric(
        name,
        # With a covariate, success is taken as a number: it is adjusted as one.
        kind="yes_no" if name == "success" and not covariate else "mean",
        direction="down" if name in ("cost", "latency") else "up",
        covariate=covariate,
    )
