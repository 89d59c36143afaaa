"""Policies that learn, evaluated on a log: their history is the rows that they would have lived.

Row by row, the candidate says what it would choose; with a probability in proportion to
π(a | x, h) / p, the row is accepted: it becomes part of the candidate's history h, and teaches it
(Dudík, Erhan, Langford and Li 2012, without their change of the acceptance rate on the way). For a
log with uniform propensities 1/K and acceptance 1/K a row is accepted with probability π(a | x, h):
that is the replay of Li, Chu, Langford and Wang 2011, whose candidate draws an arm and keeps the
row if it is the logged one.

Where the acceptance c is at most every propensity, the accepted rows are distributed exactly as the
candidate's own first T decisions and rewards, and any row is accepted with the same probability c,
whatever the history. So:

- the mean reward of the accepted rows estimates the mean reward of the candidate's first T
  decisions, for a log of contexts that are independent and alike, and rewards that come before the
  next decision;
- each row, accepted or not, gives an unbiased estimate of what the candidate earns with its history
  at that row, and these histories are met for equally many rows in expectation: so the estimators
  of ``core.evaluation.estimators``, on the distributions below, estimate the same with less chance.

With c above some propensity p, rows with c π / p > 1 would have to be taken more than once; they
are accepted once (``clipped``), so the candidate's history then has too few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.bandits.base import Floats
from core.evaluation.logged import Indices


class Learner(Protocol):
    """A candidate on the rows of one log."""

    def probabilities(self, row: int) -> Floats | None:
        """Its distribution over the ``K`` arms for the row's request, with what it knows by now.

        None where it would not decide: the row is then left out.
        """
        ...

    def learn(self, row: int) -> None:
        """Take the row as its own decision, with its outcome."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """What a learning candidate did on ``n`` rows of a log."""

    rows: Indices
    """Those that it decided: the ``m`` rows of the following."""
    candidate: Floats
    """Its distributions, shape ``(m, K)``: each with the history at that row."""
    accepted: NDArray[np.bool_]
    """Which rows became its history."""
    clipped: NDArray[np.bool_]
    """Which would have to be accepted with a probability above 1."""


def acceptance_of(propensities: Floats, quantile: float) -> float:
    """The acceptance for a log: the ``quantile`` of its propensities, in [0, 1], the lower of two.

    At 0 it is the least of them, and no row is clipped: exact, with a history as short as the
    rarest choice of the log demands. For a uniform log every quantile is the same.
    """
    return float(np.quantile(propensities, quantile, method="lower"))


def progressive(
    learner: Learner,
    chosen: Indices,
    propensities: Floats,
    acceptance: float,
    *,
    seed: int = 0,
    tick: Callable[[int], None] = lambda _: None,
) -> Progress:
    """Run a candidate over the rows of a log, in their order.

    ``acceptance`` in (0, 1] is c above. Chance is that of a generator with ``seed``, one number per
    row. ``tick`` is called after each row with its index. Raises ValueError for no rows or another
    acceptance.
    """
    n = len(chosen)
    if not n or not 0.0 < acceptance <= 1.0:
        raise ValueError(f"{n} rows with acceptance {acceptance}: expected rows, and (0, 1]")
    draws = np.random.default_rng(seed).random(n)
    rows, distributions, accepted, clipped = [], [], [], []
    for row in range(n):
        distribution = learner.probabilities(row)
        if distribution is not None:
            chance = acceptance * float(distribution[chosen[row]]) / float(propensities[row])
            rows.append(row)
            distributions.append(distribution)
            accepted.append(bool(draws[row] < chance))
            clipped.append(chance > 1.0 + 1e-12)
            if accepted[-1]:
                learner.learn(row)
        tick(row)
    return Progress(
        np.array(rows, dtype=np.int64),
        np.array(distributions),
        np.array(accepted, dtype=np.bool_),
        np.array(clipped, dtype=np.bool_),
    )
