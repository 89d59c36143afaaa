"""An evaluation as numbers with names, for JSON, tables and warnings alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from core.evaluation.anytime import anytime_interval
from core.evaluation.estimators import Contributions, IntervalKind
from core.evaluation.logged import sample_mean
from core.statistics.interval import Interval
from schemas.policy import Policy
from streams.evaluation.decision_log import DecisionLog
from streams.evaluation.evaluating import Evaluation

_FEW_ROWS: Final = 100.0
_SMALL_SHARE: Final = 0.01
_CLIPPED_SHARE: Final = 0.01
_FEW_STEPS: Final = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One estimate of the candidate's mean reward."""

    estimator: str
    value: float | None
    """None for one that gives an interval alone."""
    low: float
    high: float
    against_log: tuple[float, float, float] | None = None
    """By how much it is above what the log earned, with the interval of that, paired by row."""


@dataclass(frozen=True, slots=True)
class ArmFinding:
    """What the log tells of one arm."""

    arm: str
    logged: int
    mean_reward: float | None
    """Where the log chose it: not what it would earn elsewhere."""
    candidate_share: float
    effective: float
    largest_weight: float
    always: Finding | None
    """Doubly robust: had it served every request; None for an arm that the log never chose."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is printed of an evaluation."""

    route: str
    version: int
    algorithm: str
    candidate: Literal["learning", "fixed"]
    level: float
    interval: IntervalKind
    rows_read: int
    decisions: int
    skipped: dict[str, int]
    log: Finding
    """What the logged decisions earned."""
    estimates: list[Finding]
    effective: float
    largest_weight: float
    mean_weight: tuple[float, float, float]
    accepted: int
    acceptance: float
    clipped: int
    arms: list[ArmFinding]
    warnings: list[str]


def findings(
    policy: Policy, log: DecisionLog, found: Evaluation, level: float, kind: IntervalKind
) -> Findings:
    """The evaluation of ``policy`` with intervals of ``level``."""
    logged, support = found.logged, found.support
    mean, interval = logged.on_policy(level)
    estimates = []
    replayed = found.replayed
    if len(replayed) >= 2:
        value, of_replay = sample_mean(replayed, level)
        estimates.append(Finding("replay", value, of_replay.low, of_replay.high))
    for name, contributions in found.estimates.items():
        against = None
        if name != "dm":  # whose interval does not know how wrong the model is
            paired = contributions.minus(logged.rewards)
            limits = paired.interval(level, kind)
            against = (paired.value, limits.low, limits.high)
        estimates.append(_finding(name, contributions, level, kind, against))
    always = anytime_interval(logged, level)
    estimates.append(Finding("anytime", None, always.low, always.high))
    return Findings(
        route=policy.route,
        version=policy.version,
        algorithm=str(policy.algorithm.__struct_config__.tag),
        candidate="learning" if found.learned else "fixed",
        level=level,
        interval=kind,
        rows_read=log.rows,
        decisions=len(logged),
        skipped=dict(sorted(log.skipped.counts.items())),
        log=Finding("log", mean, interval.low, interval.high),
        estimates=estimates,
        effective=support.effective,
        largest_weight=support.largest,
        mean_weight=(support.mean, support.interval.low, support.interval.high),
        accepted=len(replayed),
        acceptance=found.acceptance,
        clipped=int(found.progress.clipped.sum()),
        arms=_arms(found, level, kind),
        warnings=list(_warnings(found)),
    )


def _finding(
    name: str,
    contributions: Contributions,
    level: float,
    kind: IntervalKind,
    against: tuple[float, float, float] | None = None,
) -> Finding:
    interval: Interval = contributions.interval(level, kind)
    return Finding(name, contributions.value, interval.low, interval.high, against)


def _arms(found: Evaluation, level: float, kind: IntervalKind) -> list[ArmFinding]:
    logged = found.logged
    rows = []
    for at, (arm, support) in enumerate(zip(found.arms, found.support.arms, strict=True)):
        own = logged.rewards[logged.chosen == at]
        always = found.always.get(arm)
        rows.append(
            ArmFinding(
                arm=arm,
                logged=support.logged,
                mean_reward=float(own.mean()) if len(own) else None,
                candidate_share=support.share,
                effective=support.effective,
                largest_weight=support.largest,
                always=None if always is None else _finding("dr", always, level, kind),
            )
        )
    return rows


def _warnings(found: Evaluation) -> Iterator[str]:
    """What makes the estimates worth less than their intervals say."""
    support, n = found.support, len(found.logged)
    for arm, one in zip(found.arms, found.support.arms, strict=True):
        if one.missing:
            yield (
                f"no support: the candidate gives {one.share:.2%} of its choices to arm {arm!r}, "
                "which the log never chose. The estimates that weigh rewards count these as 0, "
                "those with a model guess; only the anytime interval allows for it"
            )
        elif one.thin:
            yield (
                f"thin support: the candidate gives {one.share:.2%} of its choices to arm {arm!r}, "
                f"for which the log has {one.logged:,} rows that are worth {one.effective:,.0f}, "
                f"with weights up to {one.largest:,.1f}"
            )
    if support.off_balance:
        yield (
            f"the mean weight is {support.mean:.3f}, and not 1 "
            f"({support.interval.low:.3f} to {support.interval.high:.3f}): some choices of the "
            "candidate had no chance in the log, or its propensities are not those of the "
            "decisions, or decisions with outcomes are not like those without"
        )
    if support.effective < _FEW_ROWS or support.effective < _SMALL_SHARE * n:
        yield (
            f"the log says as much as {support.effective:,.0f} decisions of the candidate's own, "
            f"of {n:,}: intervals that rest on few rows are too narrow; prefer the anytime one"
        )
    if found.learned:
        yield from _history_warnings(found)


def _history_warnings(found: Evaluation) -> Iterator[str]:
    accepted, n = int(found.progress.accepted.sum()), len(found.logged)
    clipped = int(np.sum(found.progress.clipped))
    if accepted < _FEW_STEPS:
        yield (
            f"the candidate has learned from {accepted:,} decisions only: the estimates are about "
            "its beginning. A log with more even propensities teaches it more"
        )
    if clipped > _CLIPPED_SHARE * n:
        yield (
            f"{clipped:,} of {n:,} rows had to be accepted more than once and were not, so the "
            "candidate's history is not quite its own: a lower --accept-quantile is more exact, "
            "with a shorter history"
        )
