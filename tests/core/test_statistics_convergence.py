"""How far a route is from having decided."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bandits.registry import make_bandit
from core.bandits.thompson_beta import BetaArm
from core.statistics.convergence import convergence, verdict
from core.statistics.proportions import Share, wilson_interval
from schemas.policy import ThompsonBeta

BETA = make_bandit(ThompsonBeta(), 0)


def arms(*counts: tuple[float, float]) -> list[BetaArm]:
    """Arms with so many rewards, of which so many were 1."""
    return [BetaArm(1.0, 1.0, n, wins) for n, wins in counts]


def test_untried_arms_are_being_explored() -> None:
    found = convergence(BETA, arms((0, 0), (0, 0), (0, 0)), [4, 3, 3])
    assert found.verdict == "exploring"
    assert found.best_probabilities == pytest.approx([1 / 3] * 3)
    assert found.expected_losses == pytest.approx([0.25] * 3, abs=2e-3)  # E max of 3 is 3/4


def test_a_clear_winner_with_most_of_the_choices_has_converged() -> None:
    found = convergence(BETA, arms((1_000, 700), (60, 25), (50, 15)), [95, 3, 2])
    assert found.verdict == "converged"
    assert (found.most_chosen, found.best_looking) == (0, 0)
    assert found.probability > 0.999
    assert found.exploration.value == pytest.approx(0.05)
    theirs = wilson_interval(Share(5, 100))
    assert found.exploration.interval == theirs
    assert [share.value for share in found.shares] == pytest.approx([0.95, 0.03, 0.02])


def test_knowing_without_acting_on_it_is_not_convergence() -> None:
    found = convergence(BETA, arms((1_000, 700), (1_000, 400)), [50, 50])
    assert found.probability > 0.999
    assert found.verdict == "leaning"


def test_two_arms_that_are_as_good_need_not_be_told_apart() -> None:
    found = convergence(BETA, arms((10**6, 500_000), (10**6, 500_010), (500, 50)), [51, 49, 0])
    assert found.verdict == "level"
    assert max(found.expected_losses[:2]) < 1e-3 < found.expected_losses[2]


def test_choices_that_go_to_a_worse_arm_are_exploration() -> None:
    found = convergence(BETA, arms((200, 150), (200, 60)), [10, 90])
    assert (found.most_chosen, found.best_looking) == (1, 0)
    assert found.exploration.value == pytest.approx(0.9)
    assert found.verdict == "exploring"
    assert found.expected_losses[1] == pytest.approx(151 / 202 - 61 / 202, abs=1e-3)


@pytest.mark.parametrize(
    ("probability", "share", "losses", "expected"),
    [
        (0.95, 0.80, (0.01, 0.1), "converged"),
        (0.949, 0.80, (0.01, 0.1), "leaning"),
        (0.95, 0.799, (0.01, 0.1), "leaning"),
        (0.75, 0.60, (0.01, 0.1), "leaning"),
        (0.749, 0.60, (0.01, 0.1), "exploring"),
        (0.60, 0.60, (0.001, 0.001), "level"),
        (0.60, 0.60, (0.001, 0.0011), "exploring"),
        (0.90, 0.60, (0.0011, 0.001), "leaning"),
        (0.97, 0.90, (0.0005, 0.001), "converged"),
    ],
)
def test_the_thresholds(
    probability: float, share: float, losses: tuple[float, float], expected: str
) -> None:
    pair = np.array([probability, 1 - probability]), np.array([share, 1 - share])
    assert verdict(*pair, np.array(losses)) == expected


def test_entropy_is_one_for_even_and_zero_for_all_on_one() -> None:
    four = arms(*[(10, 5)] * 4)
    assert convergence(BETA, four, [5, 5, 5, 5]).entropy == pytest.approx(1.0)
    assert convergence(BETA, four, [0, 9, 0, 0]).entropy == 0.0
    halves = convergence(BETA, four, [5, 5, 0, 0]).entropy
    assert halves == pytest.approx(0.5)
    skewed = convergence(BETA, four[:2], [9, 1]).entropy
    assert skewed == pytest.approx(-(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)))


def test_one_arm_has_converged() -> None:
    found = convergence(BETA, arms((3, 1)), [7])
    assert (found.verdict, found.entropy, found.exploration.value) == ("converged", 0.0, 0.0)
    assert found.best_probabilities == (1.0,)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.floats(0.0, 1.0), st.floats(0.0, 1e6)),
        min_size=1,
        max_size=5,
    )
)
def test_everything_stays_in_its_range(rows: list[tuple[int, float, float]]) -> None:
    chosen = [count for _, _, count in rows]
    chosen[0] += 1.0
    found = convergence(BETA, arms(*((n, n * share) for n, share, _ in rows)), chosen)
    assert sum(found.best_probabilities) == pytest.approx(1.0)
    assert sum(share.value for share in found.shares) == pytest.approx(1.0)
    assert 0.0 <= found.entropy <= 1.0
    assert all(0.0 <= loss <= 1.0 for loss in found.expected_losses)
    assert found.shares[found.most_chosen].value == max(share.value for share in found.shares)
    for share in (*found.shares, found.exploration):
        assert 0.0 <= share.interval.low <= share.value <= share.interval.high <= 1.0


@pytest.mark.parametrize("chosen", [[1.0], [0.0, 0.0], [2.0, -1.0], [math.nan, 1.0]])
def test_choices_that_do_not_fit_are_refused(chosen: list[float]) -> None:
    with pytest.raises(ValueError, match="one count"):
        convergence(BETA, arms((3, 1), (3, 2)), chosen)
