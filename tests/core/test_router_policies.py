"""What policies and candidates do to a route, one rule at a time."""

from __future__ import annotations

from core.routing.part import Inputs
from core.routing.partition import GRACE_MS
from tests.core.routing import BETA, WINDOW_MS, Driver, R, arms, learned


def test_a_policy_change_keeps_the_statistics_of_unchanged_arms(driver: Driver) -> None:
    for number in range(30):
        driver.request(R, f"q{number}")
        driver.reward(R, f"q{number}", quality=1.0)
    before = {arm: learned(driver, arm) for arm in "abc"}
    assert sum(before.values()) == 30
    changed = arms("a", "b", "d")
    changed[1]["params"] = {"temperature": 0.1}
    driver.policy(R, 2, algorithm=BETA, arms=changed)
    assert learned(driver, "a") == before["a"]
    assert learned(driver, "b") == 0
    assert learned(driver, "d") == 0


def test_another_objective_starts_afresh(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    driver.reward(R, "q1", quality=1.0)
    driver.policy(R, 2, algorithm=BETA, objective={"preset": "balanced"})
    assert learned(driver, arm) == 0


def test_an_invalid_policy_changes_nothing(driver: Driver) -> None:
    driver.policy(R, 2, arms=arms("x", "x"))
    assert driver.letters() == ["invalid_policy"]
    assert driver.request(R, "q1")["policy_version"] == 1


def test_a_withdrawn_policy_rejects_and_its_statistics_stay(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    driver.reward(R, "q1", quality=1.0)
    driver.handle(Inputs(policies=[driver.record(0, None, R)]))
    answer = driver.request(R, "q2")
    assert (answer["status"], answer["code"]) == ("rejected", "unknown_route")
    assert "was withdrawn: publish one of a version above 1" in answer["reason"]
    named = driver.request(R, "q3", candidates=["a"])
    assert named["status"] == "rejected"
    assert "candidates" not in named["reason"], "they do not help where a policy was published"
    driver.policy(R, 1, algorithm=BETA)
    assert driver.letters() == ["stale_policy"]
    driver.policy(R, 2, algorithm=BETA)
    assert learned(driver, arm) == 1


def test_the_same_policy_again_is_no_news(driver: Driver) -> None:
    driver.policy(R, 1, algorithm=BETA)
    assert driver.letters() == []


def test_old_policy_versions_go_when_no_decision_needs_them(driver: Driver) -> None:
    driver.request(R, "q1")
    driver.policy(R, 2, algorithm=BETA)
    assert len([key for key in driver.items if key.startswith(b"P")]) == 2
    driver.now += WINDOW_MS + GRACE_MS + 2
    driver.request(R, "q2")
    driver.reward(R, "q2", quality=1.0)  # the reward clock closes windows
    driver.request(R, "q3")
    assert len([key for key in driver.items if key.startswith(b"P")]) == 1


def test_candidates_narrow_the_choice(driver: Driver) -> None:
    answer = driver.request(R, "q1", candidates=["b", "unheard-of"])
    assert (answer["arm"], answer["propensity"]) == ("b", 1.0)
    rejected = driver.request(R, "q2", candidates=["unheard-of"])
    assert rejected["code"] == "no_eligible_arm"


def test_an_unknown_route_with_candidates_gets_the_default_policy() -> None:
    driver = Driver()
    first = driver.request(R, "q1", candidates=["openai/gpt-5", "mistral/large"])
    assert first["model"] in {"openai/gpt-5", "mistral/large"}
    assert first["policy_version"] == 0
    driver.reward(R, "q1", quality=1.0)
    driver.restart()
    assert driver.request(R, "q2", candidates=["new/model"])["model"] == "new/model"
    assert driver.request(R, "q3")["status"] == "decided"
    driver.policy(R, 1)
    assert driver.request(R, "q4")["policy_version"] == 1


def test_a_disabled_arm_is_not_chosen(driver: Driver) -> None:
    changed = arms("a", "b")
    changed[0]["enabled"] = False
    driver.policy(R, 2, arms=changed)
    assert {driver.request(R, f"q{n}")["arm"] for n in range(20)} == {"b"}


def test_what_was_never_published_cannot_be_withdrawn() -> None:
    """A decision under the arms that requests have named can be repeated whatever comes after."""
    driver = Driver()
    first = driver.request("r", "q1", candidates=["x", "y"])
    driver.handle(Inputs(policies=[driver.record(0, None, "r")]))
    assert driver.letters() == ["invalid_policy"]
    driver.request("r", "q2", candidates=["z"])
    assert driver.request("r", "q1") == first
