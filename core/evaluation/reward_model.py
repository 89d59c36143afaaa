"""A model of the rewards for the direct method and for doubly robust estimates."""

from __future__ import annotations

import numpy as np

from core.bandits.base import Floats
from core.evaluation.logged import Indices


def cross_fitted(
    contexts: Floats,
    chosen: Indices,
    rewards: Floats,
    arms: int,
    *,
    folds: int = 5,
    ridge: float = 1.0,
) -> Floats:
    """The predicted reward of every row and arm, shape ``(n, arms)``, in [0, 1].

    ``contexts`` has shape ``(n, d)``, ``chosen`` and ``rewards`` ``(n,)``. Each arm has a ridge
    regression, learned from the rows of the other folds, so that no row's own reward enters its
    prediction: row i is in fold i modulo ``folds``. An arm's line is fitted to what its rewards
    differ from the arm's mean, which is itself drawn to the mean of all arms by ``ridge`` rows. An
    arm without rows is predicted that mean. Raises ValueError for fewer than 2 folds or rows, or a
    ridge that is not positive.
    """
    n, d = contexts.shape
    if folds < 2 or n < 2 or not ridge > 0.0:
        raise ValueError(
            f"{folds} folds of {n} rows with ridge {ridge}: expected at least 2 of both, and a "
            "positive ridge"
        )
    fold = np.arange(n) % folds
    predicted = np.empty((n, arms))
    for held_out in range(min(folds, n)):
        test = fold == held_out
        train = ~test
        everywhere = float(rewards[train].mean())
        for arm in range(arms):
            own = train & (chosen == arm)
            x, y = contexts[own], rewards[own]
            base = (float(y.sum()) + ridge * everywhere) / (len(y) + ridge)
            if len(y):
                gram = x.T @ x + ridge * np.eye(d)
                predicted[test, arm] = base + contexts[test] @ np.linalg.solve(
                    gram, x.T @ (y - base)
                )
            else:
                predicted[test, arm] = base
    return np.clip(predicted, 0.0, 1.0)
