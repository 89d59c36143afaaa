"""A variant's primary metric beside the control's: at one time, or at all times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from scipy import special

from core.experiments.clusters import Clusters
from core.experiments.evidence import Evidence, adjusted_samples, evidence
from core.experiments.mixture import (
    best_rho,
    rho_for_effect,
    two_sided_bound,
    two_sided_log_evidence,
)
from core.experiments.spec import Spec
from core.experiments.tally import Counts, Moments, Tally
from core.statistics.design import Design
from core.statistics.interval import Interval
from core.statistics.means import welch_test
from core.statistics.proportions import Share, two_proportion_test
from core.statistics.sample_size import means_sample_size, proportions_sample_size


@dataclass(frozen=True, slots=True)
class Difference:
    """The variant's mean minus the control's, after CUPED where there is a covariate."""

    value: float
    interval: Interval
    """Two-sided, with Bonferroni's level for all comparisons."""
    p_value: float
    """Two-sided, not adjusted for several comparisons."""
    side: float
    """1, -1 or 0: where the p-value was reached, the variant's mean was higher, lower, or equal."""


@lru_cache(maxsize=256)
def planned_samples(spec: Spec) -> tuple[int, ...]:
    """How many outcomes each variant needs before the fixed method looks.

    Those of the two-sided test with the spec's power for ``minimum_effect``, each variant's sample
    in proportion to its share, with the least share of a variant for all others; or
    ``max_samples`` by shares, where no effect is planned. Raises ValueError where the plan needs
    more than ``max_samples``, and as ``core.statistics.sample_size`` does.
    """
    if not spec.planned:
        assert spec.max_samples is not None, "the spec has one of both"
        return tuple(max(2, math.floor(share * spec.max_samples)) for share in spec.shares)
    control, *others = spec.shares
    least = min(others) / control
    design = Design(alpha=spec.alpha, power=spec.power, ratio=least, comparisons=spec.comparisons)
    assert spec.minimum_effect is not None, "the spec is planned"
    if spec.primary.kind == "yes_no":
        assert spec.baseline is not None, "the spec is planned"
        size = proportions_sample_size(
            spec.baseline, spec.baseline + spec.primary.sign * spec.minimum_effect, design
        )
    else:
        assert spec.deviation is not None, "the spec is planned"
        size = means_sample_size(spec.minimum_effect, spec.deviation, design)
    needed = (size.first, *(math.ceil(size.first * share / control) for share in others))
    if spec.max_samples is not None and sum(needed) > spec.max_samples:
        raise ValueError(
            f"{sum(needed)} outcomes are needed for an effect of {spec.minimum_effect:g} with "
            f"power {spec.power:g}, and max_samples is {spec.max_samples}: allow more, or plan a "
            "larger effect"
        )
    return needed


def at_the_end(control: Tally, variant: Tally, spec: Spec) -> Difference | None:
    """The test for one look at complete data: of two shares, or Welch's, after CUPED.

    Of outcomes in units it is Student's on their buckets, and None where those are too few. Raises
    ValueError for fewer than 2 outcomes in either.
    """
    level = 1.0 - spec.alpha / spec.comparisons
    if isinstance(control, Clusters):
        known = _evidence(control, variant, spec)
        if known is None:
            return None
        off = known.difference
        p_value = 2.0 * float(special.ndtr(-abs(known.score) / math.sqrt(known.information)))
        reach = known.reach(-float(special.ndtri((1.0 - level) / 2.0)) * known.information**0.5)
        return _difference(off, Interval(off - reach, off + reach, level), p_value, off)
    if isinstance(control, Counts) and isinstance(variant, Counts):
        shares = Share(control.yes, control.n), Share(variant.yes, variant.n)
        found = two_proportion_test(*shares, level=level)
        return _difference(found.difference, found.interval, found.p_value, found.difference)
    assert isinstance(control, Moments), "both tallies are of one kind"
    assert isinstance(variant, Moments), "both tallies are of one kind"
    test = welch_test(*adjusted_samples(control, variant), level=level)
    return _difference(test.difference, test.interval, test.p_value, test.difference)


def at_any_time(control: Tally, variant: Tally, spec: Spec, peak: float) -> Difference | None:
    """What a look at any time says; None while nothing is known.

    ``peak`` is the largest of the looks' ``log_evidence`` so far. The interval is the confidence
    sequence's at this moment, not intersected with the earlier ones: intersections are as valid,
    but where a difference changes with time they end up empty.
    """
    found = _evidence(control, variant, spec)
    if found is None:
        return None
    alpha = spec.alpha / spec.comparisons
    bound = two_sided_bound(found.information, _rho(found, control, variant, spec), alpha)
    reach = found.reach(bound)
    interval = Interval(found.difference - reach, found.difference + reach, 1.0 - alpha)
    return _difference(found.difference, interval, math.exp(-abs(peak)), peak)


def log_evidence(control: Tally, variant: Tally, spec: Spec) -> float:
    """The log evidence against no difference at this moment: the mSPRT's log odds, at least 0.

    With the sign of the difference.
    """
    found = _evidence(control, variant, spec)
    if found is None:
        return 0.0
    rho = _rho(found, control, variant, spec)
    odds = two_sided_log_evidence(found.score, found.information, rho)
    return math.copysign(max(0.0, odds), found.difference)


def _difference(value: float, interval: Interval, p_value: float, towards: float) -> Difference:
    return Difference(value, interval, p_value, float(towards > 0.0) - float(towards < 0.0))


def _evidence(control: Tally, variant: Tally, spec: Spec) -> Evidence | None:
    """With one outcome assumed that is off by ``minimum_effect``: constant ones say something."""
    return evidence([(control, variant)], (spec.minimum_effect or 0.0) ** 2)


def _rho(found: Evidence, control: Tally, variant: Tally, spec: Spec) -> float:
    """The mixture's, in units of information.

    Best for ``minimum_effect``, else at as many outcomes as one variant has at ``max_samples``,
    which for both are half of what they end with; the information per outcome is then that of
    now, which converges, as in the asymptotic confidence sequences of Waudby-Smith, Arbour, Sinha,
    Kennedy and Ramdas (2024).
    """
    alpha = spec.alpha / spec.comparisons
    if spec.minimum_effect is not None:
        return rho_for_effect(spec.minimum_effect, alpha)
    assert spec.max_samples is not None, "the spec has one of both"
    each = spec.max_samples / len(spec.variants)
    return best_rho(each, alpha) * found.information / (control.n + variant.n)
