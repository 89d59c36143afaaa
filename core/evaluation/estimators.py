"""Estimators of the mean reward that a candidate policy would have had on a log's requests.

With weights w_i = π(a_i | x_i) / p_i, a model q(x, a) of the rewards and its mean under the
candidate, m_i = Σ_a π(a | x_i) q(x_i, a):

- ``ips``: mean w r (Horvitz and Thompson 1952). Unbiased; its variance grows with the weights.
- ``clipped``: mean min(w, M) r (Ionides 2008). Never too high in expectation, less variance.
- ``snips``: Σ w r / Σ w (Swaminathan and Joachims 2015). Consistent, within the rewards' range.
- ``dm``: mean m, the direct method. As good or bad as the model, whatever the weights.
- ``dr``: mean m + w (r - q) (Dudík, Langford and Li 2011). Unbiased like ips, with the variance of
  what the model does not explain.
- ``sndr``: mean m + Σ w (r - q) / Σ w. Consistent, less variance where weights are large.
- ``switch_dr``: mean m + 1[w <= M] w (r - q) (Wang, Agarwal and Dudík 2017). Trusts the model where
  the weights are too large.

All but dm need that the log could have made every choice of the candidate's, and the exact
propensities of its own. Each is a mean, or a mean and a ratio of means, of n contributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from core.bandits.base import Floats
from core.evaluation.logged import Logged, sample_mean
from core.statistics.interval import Interval, check_level

IntervalKind = Literal["normal", "bootstrap"]
RESAMPLES: Final = 2_000
_SEED: Final = 20_110_209
_BLOCK: Final = 1 << 22


class NoOverlapError(ValueError):
    """The candidate would have made none of the log's choices, so the ratio has no value."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """An estimator on one log: mean(plain) + mean(ratio) / mean(weights), each of shape ``(n,)``.

    ``weights`` is None where there is no ratio. Raises NoOverlapError if all weights are 0.
    """

    plain: Floats
    ratio: Floats | None = None
    weights: Floats | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and not np.any(self.weights > 0.0):
            raise NoOverlapError("the candidate would have made none of the log's choices")

    @property
    def value(self) -> float:
        """The estimate."""
        mean = float(self.plain.mean())
        if self.ratio is None or self.weights is None:
            return mean
        return mean + float(self.ratio.sum()) / float(self.weights.sum())

    @property
    def linearised(self) -> Floats:
        """Values whose mean is the estimate, and whose variance over n is, to first order in 1 / n,
        that of the estimate (the delta method).
        """
        if self.ratio is None or self.weights is None:
            return self.plain
        quotient = float(self.ratio.sum()) / float(self.weights.sum())
        spread = (self.ratio - quotient * self.weights) / float(self.weights.mean())
        return np.asarray(self.plain + quotient + spread)

    def minus(self, values: Floats) -> Contributions:
        """The estimator of the same minus the mean of ``values``, shape ``(n,)``, row by row."""
        return Contributions(self.plain - values, self.ratio, self.weights)

    def interval(self, level: float = 0.95, kind: IntervalKind = "normal") -> Interval:
        """An interval of what is estimated; the model, if there is one, is taken as given.

        ``normal`` is Student's, of the linearised contributions: it holds for many rows, so that
        no single weight decides, and for rows that are independent given the past. ``bootstrap``
        takes the quantiles of 2,000 resamples of the rows (Efron 1979), so it is not symmetric; it
        cannot see weights that the log happens to lack either.
        """
        check_level(level)
        if kind == "normal":
            return sample_mean(self.linearised, level)[1]
        values = self._resampled()
        tail = (1.0 - level) / 2.0
        low, high = np.quantile(values, [tail, 1.0 - tail])
        return Interval(float(low), float(high), level)

    def _resampled(self) -> Floats:
        rng = np.random.default_rng(_SEED)
        n = len(self.plain)
        columns = [self.plain]
        if self.ratio is not None and self.weights is not None:
            columns += [self.ratio, self.weights]
        table = np.column_stack(columns)
        block = max(1, _BLOCK // n)
        sums = np.concatenate(
            [
                rng.multinomial(n, np.full(n, 1.0 / n), size=min(block, RESAMPLES - at)) @ table
                for at in range(0, RESAMPLES, block)
            ]
        )
        values = sums[:, 0] / n
        if len(columns) == 1:
            return np.asarray(values)
        weights = sums[:, 2]
        kept = weights > 0.0  # a resample without any weight has no ratio
        return np.asarray(values[kept] + sums[kept, 1] / weights[kept])


def ips(log: Logged) -> Contributions:
    """Inverse propensity scoring."""
    return Contributions(log.weights * log.rewards)


def clipped(log: Logged, cap: float) -> Contributions:
    """Inverse propensity scoring with no weight above ``cap``."""
    return Contributions(np.minimum(log.weights, cap) * log.rewards)


def snips(log: Logged) -> Contributions:
    """Self-normalised inverse propensity scoring. Raises NoOverlapError."""
    weights = log.weights
    return Contributions(np.zeros(len(log)), weights * log.rewards, weights)


def dm(log: Logged, model: Floats) -> Contributions:
    """The direct method; ``model`` has the predicted reward of each row and arm, ``(n, K)``."""
    return Contributions(_expected(log, model))


def dr(log: Logged, model: Floats) -> Contributions:
    """Doubly robust."""
    return Contributions(_expected(log, model) + log.weights * _residual(log, model))


def sndr(log: Logged, model: Floats) -> Contributions:
    """Doubly robust with self-normalised weights. Raises NoOverlapError."""
    weights = log.weights
    return Contributions(_expected(log, model), weights * _residual(log, model), weights)


def switch_dr(log: Logged, model: Floats, cap: float) -> Contributions:
    """Doubly robust where the weight is at most ``cap``, the direct method elsewhere."""
    weights = log.weights
    kept = np.where(weights <= cap, weights, 0.0)
    return Contributions(_expected(log, model) + kept * _residual(log, model))


def estimate_all(log: Logged, model: Floats, cap: float | None = None) -> dict[str, Contributions]:
    """Every estimator by its name; those that have no value on this log are not there.

    ``cap`` is the largest weight that ``clipped`` and ``switch_dr`` keep, by default sqrt(n): then
    the bias of clipping vanishes as n grows (Ionides 2008).
    """
    most = math.sqrt(len(log)) if cap is None else cap
    makers: Mapping[str, Callable[[], Contributions]] = {
        "ips": lambda: ips(log),
        "clipped": lambda: clipped(log, most),
        "snips": lambda: snips(log),
        "dm": lambda: dm(log, model),
        "dr": lambda: dr(log, model),
        "sndr": lambda: sndr(log, model),
        "switch_dr": lambda: switch_dr(log, model, most),
    }
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except NoOverlapError:
            continue
    return found


def _expected(log: Logged, model: Floats) -> Floats:
    if model.shape != log.candidate.shape:
        raise ValueError(
            f"the model predicts {model.shape} rewards, the candidate has {log.candidate.shape}"
        )
    return np.asarray((log.candidate * model).sum(axis=1))


def _residual(log: Logged, model: Floats) -> Floats:
    return np.asarray(log.rewards - model[np.arange(len(log)), log.chosen])
