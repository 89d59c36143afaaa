"""A budget in the router: spending keeps to it, decisions carry their exact probabilities."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.core.routing import Driver, R, arms

QUALITY = {"a": 0.6, "b": 0.8, "c": 0.9}
COST = {"a": 0.0001, "b": 0.001, "c": 0.01}
PRICED = [{**arm, "price": {"per_request": COST[arm["id"]]}} for arm in arms("a", "b", "c")]
ONLY_QUALITY = {"weights": {"quality": 1.0}}


def budgeted(usd: float, **changes: Any) -> Driver:
    driver = Driver()
    policy = {"objective": ONLY_QUALITY, "arms": PRICED, "budget": {"usd_per_request": usd}}
    driver.policy(R, **{**policy, **changes})
    assert driver.letters() == []
    return driver


def serve(driver: Driver, count: int, prefix: str = "q", late: int = 0) -> tuple[float, float]:
    """Mean cost and mean quality of requests whose rewards come ``late`` requests later."""
    chance = random.Random(3)
    spent = earned = 0.0
    waiting: list[tuple[str, dict[str, Any]]] = []
    for number in range(count):
        arm = driver.request(R, f"{prefix}{number}")["arm"]
        cost = COST[arm] * chance.uniform(0.5, 1.5)
        quality = min(1.0, max(0.0, QUALITY[arm] + chance.uniform(-0.2, 0.2)))
        spent, earned = spent + cost, earned + quality
        waiting.append((f"{prefix}{number}", {"quality": quality, "cost_usd": cost}))
        if len(waiting) > late:
            name, outcome = waiting.pop(0)
            driver.reward(R, name, **outcome)
    return spent / count, earned / count


@pytest.mark.parametrize("late", [0, 50])
@pytest.mark.parametrize(
    "algorithm", ["thompson_gaussian", "thompson_beta", "linucb", "linear_thompson", "ucb1"]
)
def test_spending_keeps_to_the_budget_and_buys_quality(algorithm: str, late: int) -> None:
    driver = budgeted(0.003, algorithm={"name": algorithm})
    cost, quality = serve(driver, 2_000, late=late)
    assert 0.9 * 0.003 < cost < 1.05 * 0.003
    # The mix of b and c that just spends the budget earns .822; a alone .6, b alone .8.
    assert quality > 0.79


def test_without_a_budget_the_best_arm_is_bought_at_any_price() -> None:
    driver = Driver()
    driver.policy(R, objective=ONLY_QUALITY, arms=PRICED)
    cost, _ = serve(driver, 600)
    assert cost > 0.006


def test_a_generous_budget_changes_nothing_much() -> None:
    cost, quality = serve(budgeted(0.1), 600)
    assert quality > 0.86
    assert cost < 0.0125


def test_the_ledger_goes_on_through_restarts_and_policies() -> None:
    once, often = budgeted(0.003), budgeted(0.003)
    for number in range(120):
        serve(once, 1, f"q{number}-")
        serve(often, 1, f"q{number}-")
        often.restart()
    assert once.visible() == often.visible()
    ledger = often.counts(R).ledger
    assert ledger
    changes: dict[str, Any] = {"objective": ONLY_QUALITY, "arms": PRICED}
    often.policy(R, 2, budget={"usd_per_request": 0.001}, **changes)
    often.request(R, "after")
    assert often.counts(R).ledger != ledger
    cost, _ = serve(often, 1_500, "later")
    assert 0.85 * 0.001 < cost < 1.1 * 0.001


def test_costs_of_decisions_before_the_budget_are_learned_and_not_charged() -> None:
    driver = Driver()
    changes: dict[str, Any] = {"objective": ONLY_QUALITY, "arms": arms("c")}
    driver.policy(R, **changes)
    driver.request(R, "before")
    driver.policy(R, 2, budget={"usd_per_request": 0.001}, **changes)
    driver.request(R, "first")
    before = driver.counts(R).ledger
    driver.reward(R, "before", quality=0.5, cost_usd=1.0)
    route = driver.router.state.memory.route(R)
    assert route is not None
    compiled = driver.router.state.memory.current(route)
    assert compiled is not None
    pacer = route.pacer(compiled)
    assert pacer is not None
    assert pacer.spent_usd == pytest.approx(0.001)
    assert driver.counts(R).ledger != before


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"budget": {"usd_per_request": 0}}, "budget.usd_per_request"),
        ({"budget": {"usd_per_request": 1, "burst": 50, "carry": 10}}, "must not be more than"),
        (
            {"budget": {"usd_per_request": 1}, "algorithm": {"name": "fixed_split"}},
            "choose another algorithm",
        ),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused(policy: dict[str, Any], said: str) -> None:
    driver = Driver()
    driver.policy(R, **policy)
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]
