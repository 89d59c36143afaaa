"""The pacer: the budget is kept, at the price of a linear program, and the ledger is exact."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

from core.budget import Pace, Pacer

ARMS = ("small", "middle", "large")
NONE = [None, None, None]
MEANS = (3e-5, 5e-4, 1.5e-2)
Floats = NDArray[np.float64]


def route(
    pacer: Pacer, worth: Floats, costs: Floats, delay: int = 0
) -> tuple[NDArray[np.intp], Floats]:
    """Choose by ``worth`` less the penalty, row by row; costs become known ``delay`` rows later.

    Where they come late, prices are declared.
    """
    declared = MEANS if delay else NONE
    chosen, waiting = [], []
    for mine, prices in zip(worth, costs, strict=True):
        expected = pacer.costs(ARMS, declared)
        scores = np.where(pacer.affordable(expected), mine - pacer.penalties(expected), -math.inf)
        arm = int(scores.argmax())
        pacer.reserve(expected[arm])
        chosen.append(arm)
        waiting.append((ARMS[arm], expected[arm], prices[arm]))
        if len(waiting) > delay:
            pacer.settle(*waiting.pop(0))
    for settled in waiting:
        pacer.settle(*settled)
    arms = np.array(chosen)
    return arms, costs[np.arange(len(arms)), arms]


def world(n: int, seed: int, means: tuple[float, ...] = MEANS) -> tuple[Floats, ...]:
    """What arms are worth to each request, which a router may know, and what they cost."""
    rng = np.random.default_rng(seed)
    worth = np.clip(rng.normal([0.79, 0.92, 0.935], [0.1, 0.06, 0.05], (n, 3)), 0.0, 1.0)
    return worth, rng.gamma(2.5, np.array(means) / 2.5, (n, 3))


def hindsight(worth: Floats, costs: Floats, budget: float) -> tuple[float, float]:
    """The best mean worth that each request's own choice can have within the budget, and λ.

    The linear program over one share per request and arm, at the arms' mean costs.
    """
    n, k = worth.shape
    mean = np.tile(costs.mean(axis=0), n)
    rows = np.kron(np.eye(n), np.ones(k))
    found = linprog(-worth.ravel() / n, A_ub=[mean / n], b_ub=[budget], A_eq=rows, b_eq=np.ones(n))
    return -found.fun, -found.ineqlin.marginals[0]


@pytest.mark.parametrize("budget", [1e-4, 3e-4, 6.62e-4, 1.87e-3, 6e-3])
@pytest.mark.parametrize("delay", [0, 40])
def test_the_budget_is_spent_and_not_more(budget: float, delay: int) -> None:
    worth, costs = world(4_000, 1)
    pacer = Pacer(Pace(budget))
    _, spent = route(pacer, worth, costs, delay)
    assert 0.98 <= spent.mean() / budget <= 1.01
    assert pacer.spent_usd == pytest.approx(spent.sum(), rel=1e-12)
    assert pacer.requests == 4_000


@pytest.mark.parametrize("budget", [3e-4, 1.87e-3])
def test_price_and_reward_come_near_those_of_the_linear_program(budget: float) -> None:
    worth, costs = world(600, 2)
    best, price = hindsight(worth, costs, budget)
    worth, costs = np.tile(worth, (10, 1)), np.tile(costs, (10, 1))
    pacer = Pacer(Pace(budget))
    prices = []
    rewards = []
    for row in range(len(worth)):
        arms, _ = route(pacer, worth[row : row + 1], costs[row : row + 1])
        prices.append(pacer.price)
        rewards.append(worth[row, arms[0]])
    settled = slice(1_000, None)
    assert np.median(prices[settled]) == pytest.approx(price, rel=0.35)
    assert np.mean(rewards[settled]) > best - 0.01


def test_a_new_price_is_learned_and_the_budget_holds_through_it() -> None:
    budget = 1e-3
    worth, costs = world(6_000, 3)
    costs[2_000:4_000, 2] *= 0.1
    pacer = Pacer(Pace(budget))
    arms, spent = route(pacer, worth, costs)
    assert 0.98 <= spent.mean() / budget <= 1.01
    large = [(arms[start : start + 2_000] == 2).mean() for start in (0, 2_000, 4_000)]
    assert large[1] > 3.0 * max(large[0], large[2])
    assert pacer.costs(ARMS, NONE)[2] == pytest.approx(costs[4_000:, 2].mean(), rel=0.5)


def test_debt_beyond_the_estimates_stays_within_the_burst() -> None:
    """With costs that are exactly as expected, no prefix overspends by more than the burst."""
    price = np.array([0.1, 4.0, 25.0]) * 1e-3
    pace = Pace(1e-3, burst=20.0)
    pacer = Pacer(pace)
    for arm, cost in zip(ARMS, price, strict=True):
        pacer.settle(arm, cost, cost)
    spent = 0.0
    dear = 0
    for step in range(1, 5_001):
        expected = pacer.costs(ARMS, NONE)
        allowed = np.flatnonzero(pacer.affordable(expected))
        arm = int(allowed[-1] if 2 in allowed or step % 8 == 0 else 0)
        pacer.reserve(expected[arm])
        pacer.settle(ARMS[arm], expected[arm], expected[arm])
        spent += expected[arm]
        dear += arm == 2
        assert spent <= pace.usd * (step + pace.burst) + 1e-12
    assert dear > 50


def test_what_cannot_be_afforded_leaves_the_cheapest() -> None:
    pacer = Pacer(Pace(1e-3))
    for _ in range(40):
        pacer.reserve(3e-3)
    assert pacer.debt == pytest.approx(80.0)
    assert pacer.affordable(np.array([5e-3, 2e-3, 9e-3])).tolist() == [False, True, False]
    assert pacer.affordable(np.array([5e-3, 1e-3, 5e-4])).tolist() == [False, True, True]


def test_a_budget_that_nothing_can_keep_or_reach_winds_nothing_up() -> None:
    """After ten thousand requests far over or under the budget, the pacer is back in a few
    hundred."""
    for cost in (5e-3, 1e-5):
        pacer = Pacer(Pace(1e-3))
        for _ in range(10_000):
            pacer.reserve(cost)
            pacer.settle("small", cost, cost)
        assert abs(pacer.debt) <= pacer._pace.carry
        worth, costs = world(6_000, 5)
        _, spent = route(pacer, worth, costs)
        assert 0.95 <= spent[3_000:].mean() / 1e-3 <= 1.05


def test_the_price_rises_with_debt_and_falls_with_savings() -> None:
    dear, cheap = Pacer(Pace(1e-3)), Pacer(Pace(1e-3))
    start = dear.price
    assert start == pytest.approx(0.02 / 1e-3)
    prices = []
    for _ in range(30):
        dear.reserve(2e-3)
        cheap.reserve(0.0)
        prices.append((dear.price, cheap.price))
    assert all(a < b for (a, _), (b, _) in pairwise(prices))
    assert all(a > b for (_, a), (_, b) in pairwise(prices))
    assert prices[0][0] > start > prices[0][1]


def test_the_first_calls_are_averaged_and_the_latest_ones_count() -> None:
    pacer = Pacer(Pace(1.0, memory=4.0))
    assert pacer.costs(["a", "b"], [0.25, None]).tolist() == [0.25, 1.0]
    for cost in (1.0, 2.0, 3.0, 4.0):
        pacer.settle("a", 0.0, cost)
    assert pacer.costs(["a"], [0.25]).tolist() == [2.5]
    pacer.settle("a", 0.0, 6.5)
    assert pacer.costs(["a"], [None]).tolist() == [3.5]


def test_settling_moves_the_difference_from_what_was_reserved() -> None:
    pacer = Pacer(Pace(2.0))
    pacer.reserve(5.0)
    assert (pacer.debt, pacer.spent_usd) == (1.5, 5.0)
    pacer.settle("a", 5.0, 1.0)
    assert (pacer.debt, pacer.spent_usd) == (-0.5, 1.0)


Calls = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ü" * 40]),
        st.floats(0.0, 1.0, allow_subnormal=False),
        st.floats(0.0, 1.0, allow_subnormal=False),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(calls=Calls, cut=st.integers(0, 40))
def test_a_pacer_from_bytes_goes_on_as_the_one_in_memory(
    calls: list[tuple[str, float, float]], cut: int
) -> None:
    pace = Pace(0.01)
    straight, woken = Pacer(pace), Pacer(pace)
    for step, (arm, reserved, cost) in enumerate(calls):
        if step == cut:
            woken = Pacer.decode(woken.encode(), pace)
        for pacer in (straight, woken):
            pacer.reserve(reserved)
            pacer.settle(arm, reserved, cost)
    assert woken.encode() == straight.encode()
    assert woken.price == straight.price
    assert (woken.costs(["a", "b"], [None, None]) == straight.costs(["a", "b"], [None, None])).all()
    again = Pacer.decode(straight.encode(), pace)
    assert (again.requests, again.spent_usd, again.debt) == (
        straight.requests,
        straight.spent_usd,
        straight.debt,
    )


def test_equal_states_have_equal_bytes_whatever_the_order_of_the_arms() -> None:
    one, other = Pacer(Pace(1.0)), Pacer(Pace(1.0))
    for pacer, arms in ((one, "ab"), (other, "ba")):
        for arm in arms:
            pacer.settle(arm, 0.5, 0.5)
    assert one.encode() == other.encode()


def test_bytes_that_are_no_state_are_refused() -> None:
    pacer = Pacer(Pace(1.0))
    pacer.settle("a", 0.5, 0.25)
    good = pacer.encode()
    nan = bytearray(good)
    nan[9:17] = np.float64(math.nan).tobytes()
    for bad in (b"", b"\x01" + good[1:], good[:-1], good + b"\0", good[:-3], bytes(nan)):
        with pytest.raises(ValueError, match="pacer's state"):
            Pacer.decode(bad, Pace(1.0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd": 0.0},
        {"usd": math.inf},
        {"burst": -1.0},
        {"burst": 600.0},
        {"gain": 0.0},
        {"gain": 1.5},
        {"repay": 0.0},
        {"memory": 0.5},
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Pace(**{"usd": 1e-3} | wrong)
