"""A budget that cannot be held is an incident, told once and ended when it is held again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.routing import Driver, R, arms

MINUTE = 60_000
QUIET: dict[str, Any] = {"drift": {"on": []}, "join": None}
PRICED = [{**arm, "price": {"per_request": 0.001}} for arm in arms("a", "b")]


def serve(driver: Driver, count: int, cost_usd: float, every_ms: int = 100) -> None:
    for _ in range(count):
        driver.now += every_ms
        name = f"q{driver.offsets[1]}"
        driver.request(R, name)
        driver.reward(R, name, quality=0.8, cost_usd=cost_usd)


def budgeted(budget: dict[str, Any], **changes: Any) -> Driver:
    driver = Driver()
    driver.policy(R, arms=PRICED, budget=budget, **QUIET, **changes)
    assert driver.letters() == []
    return driver


PER_REQUEST = {"usd_per_request": 0.002, "burst": 5, "carry": 20}
PER_TIME = {"usd_per_period": 0.2, "period": "10s", "burst": 5, "carry": 20}
"""The same at ten requests per second."""


@pytest.mark.parametrize(
    ("budget", "shown"),
    [(PER_REQUEST, "0.002 USD per request"), (PER_TIME, "0.2 USD per 10 s")],
)
def test_a_budget_that_no_arm_can_hold_is_told_once_until_it_is_held(
    budget: dict[str, Any], shown: str
) -> None:
    driver = budgeted(budget)
    serve(driver, 200, 0.001)
    assert not driver.alerts()
    serve(driver, 600, 0.02)
    assert len(driver.alerts()) == 1
    opened = driver.alerts()[0]
    assert (opened["type"], opened["event"], opened["severity"]) == ("budget", "opened", "warning")
    assert (opened["route"], opened["arm"], opened["metric"]) == (R, "", "cost")
    assert shown in opened["message"]
    assert "raise the budget, add a cheaper arm, or loosen min_share" in opened["message"]
    serve(driver, 800, 0.0001)
    opened, resolved = driver.alerts()
    assert resolved["event"] == "resolved"
    assert resolved["incident_id"] == opened["incident_id"]
    assert "is held again" in resolved["message"]
    serve(driver, 600, 0.02)
    events = [alert["event"] for alert in driver.alerts()]
    assert events == ["opened", "resolved", "opened"]


def test_a_dear_stretch_that_can_be_repaid_is_no_incident() -> None:
    driver = budgeted(PER_REQUEST)
    serve(driver, 20, 0.02)
    serve(driver, 1_500, 0.001)
    assert not driver.alerts()


def test_a_restart_changes_nothing_about_a_broken_budget() -> None:
    told = []
    for restarts in (False, True):
        driver = budgeted(PER_REQUEST)
        for cost in (0.02, 0.0001):
            for _ in range(20):
                serve(driver, 30, cost)
                if restarts:
                    driver.restart()
        told.append((driver.alerts(), driver.visible()))
    assert told[0] == told[1]
    assert [alert["event"] for alert in told[0][0]] == ["opened", "resolved"]


def test_variants_of_an_experiment_owe_to_the_same_budget() -> None:
    variants = [{"id": "one", "arms": ["a"]}, {"id": "two", "arms": ["b"]}]
    driver = budgeted(PER_REQUEST, experiment={"name": "x", "variants": variants})
    serve(driver, 600, 0.02)
    assert [alert["type"] for alert in driver.alerts() if alert["type"] == "budget"] == ["budget"]


def test_a_policy_without_a_budget_ends_the_incident() -> None:
    driver = budgeted(PER_REQUEST)
    serve(driver, 600, 0.02)
    driver.policy(R, 2, arms=PRICED, **QUIET)
    assert [alert["event"] for alert in driver.alerts()] == ["opened", "resolved"]
    assert driver.alerts()[-1]["message"] == (
        f"budget of route {R}: the policy no longer asks for this; the incident is closed"
    )
