"""The confidence sequence: its formula, and its promise under adaptive logging and no support."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from core.evaluation.anytime import anytime_interval, anytime_limits
from core.evaluation.logged import Logged


def lower_by_loops(values: Sequence[float], error: float) -> list[float]:
    """Waudby-Smith et al. 2022, proposition 2, one row at a time."""
    seen: list[float] = []
    squares = 0.25
    bets = gain = loss = 0.0
    limits = []
    for t, value in enumerate(values, 1):
        guess = min(1.0, (0.5 + sum(seen)) / t)
        bet = min(0.5, math.sqrt(2 * math.log(1 / error) / (squares / t * t * math.log(1 + t))))
        bets += bet
        gain += bet * value
        loss += (value - guess) ** 2 * (-math.log(1 - bet) - bet)
        limits.append(min(1.0, max(0.0, (gain - loss - math.log(1 / error)) / bets)))
        seen.append(value)
        squares += (value - (0.5 + sum(seen)) / (t + 1)) ** 2
    return limits


def test_the_limits_are_the_papers() -> None:
    rng = np.random.default_rng(4)
    n = 60
    p = rng.uniform(0.1, 1.0, size=n)
    pi = rng.uniform(size=n)
    log = Logged(np.zeros(n, dtype=int), p, rng.uniform(size=n), np.column_stack([pi, 1.0 - pi]))
    low, high = anytime_limits(log, 0.9)
    w = (pi / p).tolist()
    expected = lower_by_loops([a * b for a, b in zip(w, log.rewards, strict=True)], 0.05)
    mirror = lower_by_loops([a * (1 - b) for a, b in zip(w, log.rewards, strict=True)], 0.05)
    assert low == pytest.approx(expected, abs=1e-9)
    assert high == pytest.approx([1 - one for one in mirror], abs=1e-9)
    last = anytime_interval(log, 0.9)
    assert (last.low, last.high, last.level) == (low[-1], high[-1], 0.9)


def adaptive(rng: np.random.Generator, n: int, candidate: list[float]) -> Logged:
    """An epsilon-greedy log, whose propensities depend on its rewards so far."""
    means = (0.3, 0.6, 0.5)
    sums, counts = [0.5] * 3, [1.0] * 3
    chosen, propensities, rewards = [], [], []
    for _ in range(n):
        best = max(range(3), key=lambda arm: sums[arm] / counts[arm])
        p = [0.5 / 3 + 0.5 * (arm == best) for arm in range(3)]
        arm = int(rng.choice(3, p=p))
        reward = float(rng.uniform() < means[arm])
        sums[arm] += reward
        counts[arm] += 1.0
        chosen.append(arm)
        propensities.append(p[arm])
        rewards.append(reward)
    return Logged(
        np.array(chosen), np.array(propensities), np.array(rewards), np.tile(candidate, (n, 1))
    )


def test_it_holds_at_every_row_of_an_adaptive_log() -> None:
    candidate = [0.2, 0.3, 0.5]
    truth = 0.2 * 0.3 + 0.3 * 0.6 + 0.5 * 0.5
    rng = np.random.default_rng(17)
    failures = 0
    widths = []
    for _ in range(80):
        low, high = anytime_limits(adaptive(rng, 400, candidate), 0.9)
        failures += not (np.all(low <= truth) and np.all(truth <= high))
        widths.append(high[-1] - low[-1])
    assert failures <= 8  # 0.1 of 80 is the bound, and it is not tight
    assert np.mean(widths) < 0.6


def test_it_narrows_as_the_log_grows() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for n in (200, 2_000, 20_000):
        p = np.array([0.5, 0.5])
        chosen = rng.choice(2, size=n)
        rewards = (rng.uniform(size=n) < np.array([0.3, 0.7])[chosen]).astype(float)
        log = Logged(chosen, p[chosen], rewards, np.tile([0.1, 0.9], (n, 1)))
        interval = anytime_interval(log)
        assert interval.low <= 0.66 <= interval.high
        widths.append(interval.high - interval.low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]
    assert widths[2] < 0.08


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_it_allows_for_choices_that_the_log_could_not_make(hidden: float) -> None:
    """Half of the candidate's choices are of an arm that the log never chose."""
    rng = np.random.default_rng(23)
    n = 3_000
    rewards = (rng.uniform(size=n) < 0.4).astype(float)
    log = Logged(np.zeros(n, dtype=int), np.ones(n), rewards, np.tile([0.5, 0.5], (n, 1)))
    interval = anytime_interval(log)
    assert interval.low <= 0.5 * 0.4 + 0.5 * hidden <= interval.high
    assert interval.high - interval.low > 0.5
