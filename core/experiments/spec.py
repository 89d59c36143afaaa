"""What an experiment or a rollout compares, and by which rules it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from core.experiments.tally import Kind

Method = Literal["sequential", "fixed"]
Correction = Literal["holm", "bonferroni"]
EVENTS: Final = 5
"""Of a yes/no metric, expected by a difference of the planned size."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that is observed of a request."""

    name: str
    kind: Kind = "mean"
    direction: Literal["up", "down"] = "up"
    """Where better is."""
    covariate: bool = False
    """Whether outcomes come with a covariate, by which they are adjusted; for means only."""

    def __post_init__(self) -> None:
        if self.covariate and self.kind == "yes_no":
            raise ValueError(
                f"metric {self.name!r}: yes/no outcomes are not adjusted by a covariate; take them "
                'as a "mean" of 0 and 1'
            )

    @property
    def sign(self) -> float:
        """1 if more is better, else -1."""
        return 1.0 if self.direction == "up" else -1.0


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric that may get worse by less than ``margin`` > 0, in the metric's own unit."""

    metric: Metric
    margin: float

    def __post_init__(self) -> None:
        if not 0.0 < self.margin < math.inf:
            raise ValueError(
                f"guardrail {self.metric.name!r}: the margin must be above 0, and not "
                f"{self.margin:g}: that nothing at all is lost can never be shown"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """An experiment. Raises ValueError for values that contradict each other or their ranges."""

    variants: tuple[str, ...]
    """Their names; all are compared with the first one, the control."""
    shares: tuple[float, ...]
    """With which each is chosen, whatever has been seen; they sum to 1."""
    primary: Metric
    """The one that decides who wins."""
    method: Method = "sequential"
    """sequential: decides as soon as it is clear. fixed: once, when the planned samples are in."""
    alpha: float = 0.05
    """The chance of any false difference from the control in the primary metric, at any time."""
    power: float = 0.8
    """Of the fixed method, for a difference of ``minimum_effect``."""
    correction: Correction = "holm"
    """Of several comparisons with the control. Intervals are Bonferroni's in either case."""
    minimum_effect: float | None = None
    """The least difference worth finding, absolute, > 0. A sequential test is tuned to it, and ends
    without a difference once all are shown to be smaller."""
    baseline: float | None = None
    """For a plan of a yes/no metric: the control's share of yes."""
    deviation: float | None = None
    """For a plan of a mean: the standard deviation of an outcome (after CUPED, if it is used)."""
    max_samples: int | None = None
    """Outcomes of the primary metric, of all variants, after which no difference is found."""
    min_samples: int = 200
    """Outcomes of a metric that each variant has before it is judged at any time, as what then
    holds is that of large samples; for yes/no outcomes maybe more, by ``enough_samples``."""
    look_every: int = 1
    """A look after every so many outcomes."""
    guardrails: tuple[Guardrail, ...] = ()
    guardrail_alpha: float = 0.05
    """The chance of any false guardrail stop, at any time."""
    ratio_alpha: float = 0.001
    """The chance of a false sample-ratio mismatch, at any time."""
    clustered: bool = False
    """Whether requests come in units that keep their variant, such as users: units, not outcomes,
    are then taken to be independent."""

    def __post_init__(self) -> None:
        names = self.variants
        if not 2 <= len(names) <= 255 or len(set(names)) != len(names):
            raise ValueError(f"variants must be 2 to 255 different names, and not {names}")
        if len(self.shares) != len(names) or not all(share > 0.0 for share in self.shares):
            raise ValueError(f"shares must be above 0, one per variant, and not {self.shares}")
        if abs(math.fsum(self.shares) - 1.0) > 1e-9:
            raise ValueError(f"shares must sum to 1, and {self.shares} do not")
        check_alphas(self.alpha, self.guardrail_alpha, self.ratio_alpha)
        effect = self.minimum_effect
        if effect is not None and not 0.0 < effect < math.inf:
            raise ValueError(f"minimum_effect must be above 0, and not {effect:g}")
        if (
            self.min_samples < 2
            or min(self.look_every, 1 if self.max_samples is None else self.max_samples) < 1
        ):
            raise ValueError(
                f"min_samples ({self.min_samples}) must be at least 2, look_every "
                f"({self.look_every}) and max_samples ({self.max_samples}) at least 1"
            )
        if self.max_samples is None and (effect is None or (self.method == "fixed" and self._bare)):
            raise ValueError(
                "an experiment must end: set max_samples, or minimum_effect with (for the fixed "
                "method) the baseline of a yes/no metric or the deviation of a mean"
            )
        if self.clustered and self.method == "fixed" and self.planned:
            raise ValueError(
                "how many outcomes of units an effect needs depends on how alike those of a unit "
                "are: set max_samples alone"
            )
        metrics(self)

    @property
    def _bare(self) -> bool:
        """Whether there is nothing to plan with."""
        return (self.baseline if self.primary.kind == "yes_no" else self.deviation) is None

    @property
    def planned(self) -> bool:
        """Whether samples are planned from an effect: not just by ``max_samples``."""
        return self.minimum_effect is not None and not self._bare

    @property
    def enough(self) -> int:
        """How many outcomes of the primary metric each variant has before it is judged."""
        return enough_samples(self.primary, self.minimum_effect, self.min_samples)

    @property
    def comparisons(self) -> int:
        """How many variants are compared with the control."""
        return len(self.variants) - 1


def enough_samples(metric: Metric, effect: float | None, min_samples: int) -> int:
    """The outcomes before a metric is judged at any time: ``min_samples``, or more for yes/no.

    A share that differs by ``effect`` then has had 5 events, about the least for which its mean is
    taken as normal: rare failures are otherwise found too often where shares are unequal.
    """
    if metric.kind == "mean" or effect is None:
        return min_samples
    return max(min_samples, math.ceil(EVENTS / effect))


def metrics(spec: Spec) -> tuple[Metric, ...]:
    """The primary metric and those of guardrails, each once.

    Raises ValueError for different metrics with one name.
    """
    return distinct((spec.primary, *(guardrail.metric for guardrail in spec.guardrails)))


def distinct(wanted: Sequence[Metric]) -> tuple[Metric, ...]:
    """Each once, in their order. Raises ValueError for different metrics with one name."""
    found: dict[str, Metric] = {}
    for metric in wanted:
        if found.setdefault(metric.name, metric) != metric:
            raise ValueError(f"metric {metric.name!r} is described in two ways")
    return tuple(found.values())


def check_alphas(*alphas: float) -> None:
    """Raise ValueError unless each lies between 0 and 0.5."""
    for alpha in alphas:
        if not 0.0 < alpha < 0.5:
            raise ValueError(f"an alpha lies between 0 and 0.5, e.g. 0.05, and not at {alpha:g}")
