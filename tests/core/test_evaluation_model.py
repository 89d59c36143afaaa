"""The reward model against ridge regression solved another way."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.reward_model import cross_fitted


def test_each_row_is_predicted_by_the_other_folds() -> None:
    rng = np.random.default_rng(8)
    n, d, arms, folds, ridge = 53, 4, 3, 5, 0.7
    x = rng.uniform(-1, 1, size=(n, d))
    chosen = rng.integers(0, 2, size=n)  # the third arm has no row
    rewards = np.clip(0.5 + x @ [0.1, -0.2, 0.1, 0.0] + 0.1 * chosen, 0.0, 1.0)
    found = cross_fitted(x, chosen, rewards, arms, folds=folds, ridge=ridge)
    for row in range(n):
        kept = [i for i in range(n) if i % folds != row % folds]
        everywhere = np.mean([rewards[i] for i in kept])
        for arm in range(arms):
            own = [i for i in kept if chosen[i] == arm]
            base = (sum(rewards[i] for i in own) + ridge * everywhere) / (len(own) + ridge)
            # Ridge regression as least squares with d more rows.
            a = np.vstack([x[own], np.sqrt(ridge) * np.eye(d)])
            b = np.concatenate([rewards[own] - base, np.zeros(d)])
            weights = np.linalg.lstsq(a, b, rcond=None)[0]
            expected = min(1.0, max(0.0, base + x[row] @ weights))
            assert found[row, arm] == pytest.approx(expected, abs=1e-9)


def test_a_rows_own_reward_does_not_enter_its_prediction() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 3))
    chosen = rng.integers(0, 2, size=40)
    rewards = rng.uniform(size=40)
    before = cross_fitted(x, chosen, rewards, 2)
    rewards[7] = 1.0 - rewards[7]
    after = cross_fitted(x, chosen, rewards, 2)
    assert np.array_equal(before[7], after[7])
    assert not np.array_equal(before[8], after[8])


def test_it_learns_lines_and_stays_within_rewards() -> None:
    rng = np.random.default_rng(9)
    x = np.column_stack([np.ones(2_000), rng.uniform(-1, 1, size=2_000)])
    chosen = rng.integers(0, 2, size=2_000)
    truth = np.column_stack([0.5 + 0.4 * x[:, 1], 0.5 - 0.4 * x[:, 1]])
    rewards = np.clip(truth[np.arange(2_000), chosen] + rng.normal(0, 0.05, size=2_000), 0, 1)
    found = cross_fitted(x, chosen, rewards, 2)
    assert np.abs(found - truth).max() < 0.03
    steep = cross_fitted(50.0 * x, chosen, np.round(rewards), 2)
    assert steep.min() >= 0.0
    assert steep.max() <= 1.0


@pytest.mark.parametrize(("folds", "rows", "ridge"), [(1, 10, 1.0), (5, 1, 1.0), (5, 10, 0.0)])
def test_what_cannot_be_fitted_is_refused(folds: int, rows: int, ridge: float) -> None:
    with pytest.raises(ValueError, match="at least 2 of both"):
        cross_fitted(
            np.ones((rows, 1)), np.zeros(rows, dtype=int), np.ones(rows), 1,
            folds=folds, ridge=ridge,
        )  # fmt: skip
