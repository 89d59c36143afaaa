"""Signals and expressions on their way through the router."""

from itertools import permutations
from typing import Any

import pytest

from tests.core.routing import BETA, Driver, R, arms, learned

EXPRESSION = "0.5 * either(quality, signal_score) + 0.5 * cost_saved"
SIGNALS = {"rating": 4, "retried": False, "dwell_s": 30}
PARTS: list[dict[str, Any]] = [
    {"cost_usd": 0.002},
    {"signals": {"rating": 4}},
    {"signals": {"retried": False, "dwell_s": 30}},
]


def one_arm(**objective: Any) -> Driver:
    driver = Driver()
    objective = {"cost_scale_usd": 0.01, **objective}
    driver.policy(R, arms=arms("a"), algorithm=BETA, objective=objective)
    driver.request(R, "r-1")
    return driver


def state(driver: Driver) -> bytes:
    """What the only arm has learned."""
    (key,) = [key for key in driver.items if key.startswith(b"A" + R.encode())]
    return driver.items[key]


def test_signals_and_an_expression_teach_what_they_are_worth() -> None:
    driver, computed = one_arm(expression=EXPRESSION), one_arm(expression=EXPRESSION)
    driver.reward(R, "r-1", cost_usd=0.002, signals=SIGNALS)
    score = (4 * 0.75 + 2 * 1 + 0.5 * 0.5) / 6.5
    computed.reward(R, "r-1", reward=0.5 * score + 0.5 * (1 - 0.002 / 0.01))
    assert learned(driver, "a") == 1
    assert state(driver) == state(computed)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_signals_in_parts_equal_the_whole_in_any_order(order: tuple[int, ...]) -> None:
    driver, whole = one_arm(expression=EXPRESSION), one_arm(expression=EXPRESSION)
    whole.reward(R, "r-1", cost_usd=0.002, signals=SIGNALS)
    for place, index in enumerate(order):
        assert learned(driver, "a") == 0
        driver.reward(R, "r-1", **PARTS[index], final=place == 2)
        driver.restart()
    assert state(driver) == state(whole)


def test_signals_that_differ_contradict_and_equal_ones_repeat() -> None:
    driver = one_arm()
    driver.reward(R, "r-1", quality=1, signals=SIGNALS)
    driver.reward(R, "r-1", quality=1, signals={**SIGNALS, "saved": None, "scrolled": 1})
    assert driver.counts(R).duplicates == 1
    driver.reward(R, "r-1", quality=1, signals={**SIGNALS, "rating": 1})
    assert driver.letters() == ["contradicting_reward"]
    assert learned(driver, "a") == 1


@pytest.mark.parametrize(
    "reward",
    [
        pytest.param({"quality": 0.5}, id="not measured"),
        pytest.param({"quality": 0.5, "cost_usd": 0.0}, id="division by zero"),
    ],
)
def test_an_outcome_without_a_value_is_counted_and_not_learned(reward: dict[str, Any]) -> None:
    driver = one_arm(expression="quality * 0.0001 / cost_usd")
    driver.reward(R, "r-1", **reward)
    assert learned(driver, "a") == 0
    assert driver.counts(R).unlearned == driver.counts(R).joined == 1
    driver.request(R, "r-2")
    driver.reward(R, "r-2", quality=0.5, cost_usd=0.001)
    assert learned(driver, "a") == 1


def test_another_expression_starts_afresh() -> None:
    driver = one_arm(expression="quality")
    driver.reward(R, "r-1", quality=1)
    assert learned(driver, "a") == 1
    driver.policy(R, 2, arms=arms("a"), algorithm=BETA, objective={"expression": "quality ** 2"})
    driver.request(R, "r-2")
    assert learned(driver, "a") == 0


def test_a_policy_with_a_wrong_expression_is_refused() -> None:
    driver = one_arm(expression="quality")
    driver.policy(R, 2, arms=arms("a"), objective={"expression": "qualty"})
    assert driver.letters() == ["invalid_policy"]
    assert driver.request(R, "r-2")["policy_version"] == 1
