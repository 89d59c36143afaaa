"""Rewards that name the arm which served: known, unheard of, of another variant, or taken away."""

from __future__ import annotations

from typing import Any

import pytest

from core.budget import Pacer
from tests.core.routing import BETA, Driver, R, arms, learned

PRICED = [{**arm, "price": {"per_request": 0.001}} for arm in arms("a", "b")]


def ledger(driver: Driver) -> Pacer:
    memory = driver.router.state.memory
    route = memory.route(R)
    assert route is not None
    compiled = memory.current(route)
    assert compiled is not None
    pacer = route.pacer(compiled)
    assert pacer is not None
    return pacer


@pytest.mark.parametrize("final", [True, False])
def test_a_reward_for_an_unheard_of_arm_leaves_the_decision_open(final: bool) -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, arms=PRICED, budget={"usd_per_request": 0.002})
    arm = driver.request(R, "q")["arm"]
    driver.reward(R, "q", quality=0.0, cost_usd=1.0, arm="unheard-of", final=final)
    assert driver.letters() == ["unknown_arm"]
    assert "send it again" in driver.outputs[-1][1]["message"]
    assert driver.counts(R).joined == driver.counts(R).unlearned == 0
    assert ledger(driver).spent_usd == pytest.approx(0.001)
    driver.restart()
    driver.reward(R, "q", quality=1.0, cost_usd=0.004)
    assert driver.letters() == ["unknown_arm"]
    assert (driver.counts(R).joined, driver.counts(R).contradicting) == (1, 0)
    assert learned(driver, arm) == 1
    assert ledger(driver).spent_usd == pytest.approx(0.004)


def test_an_unheard_of_arm_is_refused_as_often_as_it_is_sent_and_then_late() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, reward={"window": "10s"})
    driver.request(R, "q")
    for _ in range(3):
        driver.reward(R, "q", quality=1.0, arm="unheard-of")
    driver.now += 10_001
    driver.reward(R, "q", quality=1.0, arm="unheard-of")
    assert driver.letters() == ["unknown_arm"] * 3 + ["late_reward"]


def test_after_the_reward_an_unheard_of_arm_contradicts() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA)
    driver.request(R, "q")
    driver.reward(R, "q", quality=1.0)
    driver.reward(R, "q", quality=1.0, arm="unheard-of")
    assert driver.letters() == ["contradicting_reward"]


@pytest.mark.parametrize("named", [True, False])
def test_an_arm_that_a_later_policy_took_away_is_paid_for_and_teaches_nobody(named: bool) -> None:
    """The reward says the truth, and nobody could correct it: it is counted, without a letter."""
    driver = Driver()
    changes: dict[str, Any] = {"algorithm": BETA, "budget": {"usd_per_request": 0.002}}
    driver.policy(R, arms=PRICED, **changes)
    arm = driver.request(R, "q")["arm"]
    driver.policy(R, 2, arms=arms("c"), **changes)
    driver.reward(R, "q", quality=1.0, cost_usd=0.005, **({"arm": arm} if named else {}))
    assert driver.letters() == []
    assert (driver.counts(R).joined, driver.counts(R).unlearned) == (1, 1)
    assert ledger(driver).spent_usd == pytest.approx(0.005)
    driver.reward(R, "q", quality=1.0, cost_usd=0.005)
    assert driver.counts(R).duplicates == 1


def test_an_arm_that_only_the_present_policy_has_may_have_served() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, arms=arms("a"))
    driver.request(R, "q")
    driver.policy(R, 2, algorithm=BETA, arms=arms("a", "new"))
    driver.reward(R, "q", quality=1.0, arm="new")
    assert driver.letters() == []
    assert learned(driver, "new") == 1


def test_a_variant_answers_for_what_another_arm_served_in_its_place() -> None:
    """Or else a variant that breaks down would be judged by its good answers alone."""
    driver = Driver()
    variants = [{"id": "a", "arms": ["a"]}, {"id": "b", "arms": ["b"]}]
    experiment = {"name": "x", "variants": variants, "metric": "quality", "min_samples": 30}
    driver.policy(R, algorithm=BETA, arms=arms("a", "b"), experiment=experiment)
    for number in range(400):
        met = driver.request(R, f"q{number}")["variant"]
        quality = (0.8 if met == "a" else 0.2) + number % 3 / 10
        driver.reward(R, f"q{number}", quality=quality, arm="a")
    (news,) = [alert for alert in driver.alerts() if alert["type"] == "experiment"]
    assert news["arm"] == "a"
    assert news["before"]["mean"] == pytest.approx(0.9, abs=0.05)
    assert driver.letters() == []
