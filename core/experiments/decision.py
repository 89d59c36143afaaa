"""What an experiment's numbers allow to say: who wins, that nobody does, or that it must stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.experiments.comparison import Difference, at_any_time, at_the_end, planned_samples
from core.experiments.correction import bonferroni, holm
from core.experiments.no_worse import NoWorse, no_worse
from core.experiments.ratio import RatioTest
from core.experiments.spec import Spec
from core.experiments.tally import Tally

Verdict = Literal["running", "winner", "no_difference", "guardrail", "ratio_mismatch"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant beside the control in the primary metric; variants by their index."""

    variant: int
    difference: Difference | None
    """None while there are too few outcomes, or (fixed) before the planned ones are in."""
    adjusted_p_value: float
    """For all comparisons; 1 where there is no difference yet."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, the numbers behind it, and a sentence for people."""

    verdict: Verdict
    variant: int | None
    """The winner, or the variant that a guardrail stopped; else None."""
    comparisons: tuple[Comparison, ...]
    """Of each variant but the control, in order."""
    guardrails: tuple[tuple[int, NoWorse], ...]
    """Of each variant but the control, each guardrail's check."""
    ratio_p_value: float
    """Of the planned shares, valid at any time."""
    samples: tuple[int, ...]
    """Outcomes of the primary metric, per variant."""
    sentence: str


def decide(
    spec: Spec,
    tallies: Mapping[str, Sequence[Tally]],
    peaks: Sequence[float],
    ratio: RatioTest,
) -> Decision:
    """What can be said now: a function of its arguments.

    ``tallies`` are by metric, then by variant; ``peaks`` the largest ``log_evidence`` so far
    of each variant but the control (sequential only). The first of these that holds is the verdict:

    - ratio_mismatch: variants are not met as often as planned, so nothing else can be trusted;
    - guardrail: a variant is worse than the control by more than a margin;
    - winner: the variant with the best mean of those that are better than the control; or the
      control, if every other variant is worse than it;
    - no_difference: the samples are at their planned or largest number, or every difference is
      shown to be smaller than ``minimum_effect``;
    - running.
    """
    primary = tallies[spec.primary.name]
    samples = tuple(tally.n for tally in primary)
    complete, comparisons = _compare(spec, primary, peaks)
    checks = _check(spec, tallies)
    control = spec.variants[0]

    def conclude(verdict: Verdict, variant: int | None, sentence: str) -> Decision:
        return Decision(verdict, variant, comparisons, checks, ratio.p_value, samples, sentence)

    if ratio.p_value <= spec.ratio_alpha:
        planned = ", ".join(f"{share:g}" for share in spec.shares)
        return conclude(
            "ratio_mismatch",
            None,
            f"{_list(ratio.counts)} requests went to {_list(spec.variants)}, which does not fit "
            f"the shares {planned} (p = {ratio.p_value:.2g}): find out why before trusting any "
            "result",
        )
    for variant, check in checks:
        if check.state == "worse":
            return conclude("guardrail", variant, check.sentence(spec.variants[variant], control))
    winner = _winner(spec, comparisons)
    if winner is not None:
        return conclude("winner", winner, _winning(spec, comparisons, winner))
    total = sum(samples)
    if complete:
        return conclude(
            "no_difference",
            None,
            f"after {total} outcomes no variant's {spec.primary.name} is shown to differ from that "
            f"of {control} in a way that decides",
        )
    if _all_small(spec, comparisons):
        return conclude(
            "no_difference",
            None,
            f"after {total} outcomes every variant's {spec.primary.name} is shown to be less than "
            f"{spec.minimum_effect:g} from that of {control}",
        )
    return conclude("running", None, f"after {total} outcomes nothing is decided yet")


def _compare(
    spec: Spec, primary: Sequence[Tally], peaks: Sequence[float]
) -> tuple[bool, tuple[Comparison, ...]]:
    """Whether all samples are in, and what is known by now."""
    control, *others = primary
    differences: list[Difference | None]
    if spec.method == "fixed":
        needed = planned_samples(spec)
        complete = all(tally.n >= n for tally, n in zip(primary, needed, strict=True))
        differences = [at_the_end(control, other, spec) if complete else None for other in others]
    else:
        complete = spec.max_samples is not None and sum(t.n for t in primary) >= spec.max_samples
        differences = [
            at_any_time(control, other, spec, peak)
            if min(control.n, other.n) >= spec.enough
            else None
            for other, peak in zip(others, peaks, strict=True)
        ]
    p_values = [1.0 if found is None else found.p_value for found in differences]
    adjusted = holm(p_values) if spec.correction == "holm" else bonferroni(p_values)
    return complete, tuple(
        Comparison(variant, found, p)
        for variant, (found, p) in enumerate(zip(differences, adjusted, strict=True), 1)
    )


def _check(spec: Spec, tallies: Mapping[str, Sequence[Tally]]) -> tuple[tuple[int, NoWorse], ...]:
    """Every guardrail for every variant but the control.

    That anything is found worse is corrected for all of them; that one is fine needs none, as a
    variant is fine only if all say so.
    """
    alpha = spec.guardrail_alpha
    each = alpha / max(1, len(spec.guardrails) * spec.comparisons)
    found = []
    for variant in range(1, len(spec.variants)):
        for guardrail in spec.guardrails:
            of_metric = tallies[guardrail.metric.name]
            strata = [(of_metric[0], of_metric[variant])]
            found.append((variant, no_worse(guardrail, strata, each, alpha, spec.min_samples)))
    return tuple(found)


def _winner(spec: Spec, comparisons: Sequence[Comparison]) -> int | None:
    """The best of those better than the control, the control if all are worse, or None."""
    found = [
        (comparison.variant, comparison.difference)
        for comparison in comparisons
        if comparison.difference is not None and comparison.adjusted_p_value <= spec.alpha
    ]
    sign = spec.primary.sign
    better = [(sign * one.value, -variant) for variant, one in found if sign * one.side > 0.0]
    if better:
        return -max(better)[1]
    return 0 if len(found) == len(comparisons) else None


def _winning(spec: Spec, comparisons: Sequence[Comparison], winner: int) -> str:
    name, control = spec.primary.name, spec.variants[0]
    if winner == 0:
        worst = max(comparison.adjusted_p_value for comparison in comparisons)
        return f"{name} of {control} is better than that of every variant (p <= {worst:.2g})"
    comparison = comparisons[winner - 1]
    assert comparison.difference is not None, "a winner has been compared"
    interval = comparison.difference.interval
    others = [
        spec.variants[other.variant]
        for other in comparisons
        if other.variant != winner
        and other.adjusted_p_value <= spec.alpha
        and other.difference is not None
        and spec.primary.sign * other.difference.side > 0.0
    ]
    also = f"; {_list(others)} too, with a smaller difference" if others else ""
    return (
        f"{name} of {spec.variants[winner]} is better than that of {control}: it differs by "
        f"{comparison.difference.value:.4g} ({interval.low:.4g} to {interval.high:.4g} at level "
        f"{interval.level:.4g}, p = {comparison.adjusted_p_value:.2g}){also}"
    )


def _all_small(spec: Spec, comparisons: Sequence[Comparison]) -> bool:
    """Whether every interval lies within ``minimum_effect`` of 0; by looks at any time only."""
    effect = spec.minimum_effect
    if effect is None or spec.method == "fixed":
        return False
    return all(
        comparison.difference is not None
        and -effect < comparison.difference.interval.low
        and comparison.difference.interval.high < effect
        for comparison in comparisons
    )


def _list(items: Sequence[object]) -> str:
    """a, b and c."""
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last
