"""Arms that are new: forced exploration, warm starts, and which changes keep what was learned."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from typing import Any

import numpy as np
import pytest

from core.bandits.registry import make_bandit
from schemas.policy import ThompsonBeta
from tests.core.routing import BETA, Driver, R, arms, learned

GREEDY = {"name": "epsilon_greedy", "epsilon": 0.0}


def serve(driver: Driver, count: int, prefix: str = "q", quality: float = 1.0) -> Counter[str]:
    """Requests with a reward each; how often each arm was chosen."""
    chosen: Counter[str] = Counter()
    for number in range(count):
        answer = driver.request(R, f"{prefix}{number}")
        chosen[answer["arm"]] += 1
        driver.reward(R, f"{prefix}{number}", quality=quality)
    return chosen


@pytest.mark.parametrize("algorithm", [GREEDY, {"name": "linucb"}])
def test_forced_exploration_chooses_every_arm_so_often_first(algorithm: dict[str, Any]) -> None:
    driver = Driver()
    driver.policy(R, algorithm=algorithm, cold_start={"pulls": 4})
    answers = [driver.request(R, f"q{number}") for number in range(12)]
    assert Counter(answer["arm"] for answer in answers) == {"a": 4, "b": 4, "c": 4}
    pulled: Counter[str] = Counter()
    for answer in answers:
        owed = [arm for arm in "abc" if pulled[arm] < 4]
        assert answer["arm"] in owed
        assert answer["propensity"] == 1 / len(owed)
        pulled[answer["arm"]] += 1
        driver.restart()
    for number in range(12):
        driver.reward(R, f"q{number}", quality=1.0 if answers[number]["arm"] == "b" else 0.0)
    assert driver.request(R, "last")["arm"] == "b"


def test_an_arm_that_is_added_later_gets_its_pulls_too() -> None:
    driver = Driver()
    driver.policy(R, algorithm=GREEDY, cold_start={"pulls": 3})
    serve(driver, 9)
    driver.policy(R, 2, algorithm=GREEDY, cold_start={"pulls": 3}, arms=arms("a", "b", "d"))
    assert serve(driver, 3, "new", quality=0.0) == {"d": 3}
    assert "d" not in serve(driver, 10, "rest")


def test_only_candidates_are_explored() -> None:
    driver = Driver()
    driver.policy(R, algorithm=GREEDY, cold_start={"pulls": 2})
    chosen = Counter(
        driver.request(R, f"q{number}", candidates=["a", "b"])["arm"] for number in range(4)
    )
    assert chosen == {"a": 2, "b": 2}
    assert Counter(driver.request(R, f"c{number}")["arm"] for number in range(2)) == {"c": 2}


def test_a_restarted_arm_is_explored_again() -> None:
    driver = Driver()
    driver.policy(
        R,
        algorithm=GREEDY,
        cold_start={"pulls": 5},
        arms=arms("a", "b"),
        drift={"on": ["quality"], "action": "restart_arm"},
    )
    serve(driver, 10, "first", quality=0.8)
    for number in range(400):
        arm = driver.request(R, f"q{number}")["arm"]
        driver.reward(R, f"q{number}", quality=0.9 if number < 200 else 0.1)
        if any(alert["action"] == "restart_arm" for alert in driver.alerts()):
            break
    assert any(alert["arm"] == arm for alert in driver.alerts())
    assert learned(driver, arm) == 0.0
    answers = [driver.request(R, f"again{number}") for number in range(5)]
    assert [(answer["arm"], answer["propensity"]) for answer in answers] == [(arm, 1.0)] * 5


def warm(name: str, **start: Any) -> dict[str, Any]:
    return {**arms(name)[0], "warm_start": start}


def test_an_arm_begins_like_another_worth_so_many_rewards() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, arms=arms("a"))
    serve(driver, 50)
    new = [*arms("a"), warm("d", like="a", weight=20.0), warm("e", like="d", weight=500.0)]
    driver.policy(R, 2, algorithm=BETA, arms=new)
    driver.request(R, "first")
    assert learned(driver, "a") == 50.0
    assert learned(driver, "d") == pytest.approx(20.0)
    assert learned(driver, "e") == pytest.approx(20.0)
    share = driver.request(R, "second")["propensity"]
    assert 0.05 < share < 0.9


def test_a_warm_start_happens_once_whatever_the_donor_learns_later() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, arms=arms("a"))
    serve(driver, 5)
    driver.policy(R, 2, algorithm=BETA, arms=[*arms("a"), warm("d", like="a", weight=20.0)])
    driver.request(R, "first", candidates=["d"])
    for number in range(30):
        driver.request(R, f"m{number}", candidates=["a"])
        driver.reward(R, f"m{number}", quality=0.0)
    driver.restart()
    assert learned(driver, "a") == 35.0
    assert learned(driver, "d") == 5.0


def evidence(rewards: int = 40) -> str:
    bandit = make_bandit(ThompsonBeta(), 1)
    state = bandit.new(None)
    for _ in range(rewards):
        bandit.learn(state, np.ones(1), 1.0)
    return b64encode(bandit.encode(state)).decode()


def test_an_arm_begins_with_evidence_from_a_log() -> None:
    driver = Driver()
    start = warm("b", evidence=evidence(), weight=30.0)
    driver.policy(R, algorithm=BETA, arms=[*arms("a"), start])
    assert learned(driver, "b") == pytest.approx(30.0)
    assert serve(driver, 20)["b"] > 12


def test_evidence_for_another_algorithm_is_refused_with_the_way_out() -> None:
    driver = Driver()
    start = warm("b", evidence=evidence(), weight=30.0)
    driver.policy(R, algorithm={"name": "linucb"}, arms=[*arms("a"), start])
    assert driver.letters() == ["invalid_policy"]
    message = driver.outputs[-1][1]["message"]
    assert "'b'" in message
    assert "thalweg warm-start" in message
    assert driver.request(R, "q")["code"] == "unknown_route"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"weight": 5.0}, "exactly one of like and evidence"),
        ({"weight": 5.0, "like": "a", "evidence": "AAAA"}, "exactly one of like and evidence"),
        ({"weight": 5.0, "like": "z"}, "'z' is not an arm"),
        ({"weight": 5.0, "like": "b"}, "circle"),
    ],
)
def test_a_warm_start_that_cannot_be_is_refused(start: dict[str, Any], said: str) -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, arms=[*arms("a"), warm("b", **start)])
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]


def test_algorithms_that_read_the_same_statistics_keep_them() -> None:
    driver = Driver()
    driver.policy(R, algorithm={"name": "thompson_gaussian"})
    arm = serve(driver, 30).most_common(1)[0][0]
    before = learned(driver, arm)
    for version, name in enumerate(("ucb1", "softmax", "epsilon_greedy", "kl_ucb"), 2):
        driver.policy(R, version, algorithm={"name": name})
        assert learned(driver, arm) == before
    driver.policy(R, 9, algorithm=BETA)
    assert learned(driver, arm) == 0.0


@pytest.mark.parametrize(
    "forgetting",
    [{"name": "discount", "factor": 0.9}, {"name": "sliding_window", "rewards": 16}],
)
def test_forgetting_counts_the_rewards_of_all_arms(forgetting: dict[str, Any]) -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, arms=arms("a", "b"), forgetting=forgetting)
    for number in range(100):
        arm = "a" if number < 20 else "b"
        driver.request(R, f"q{number}", candidates=[arm])
        driver.reward(R, f"q{number}", quality=1.0)
    # What a has learned is as good as forgotten, so that it is as likely as a new arm to be best.
    shares = Counter(driver.request(R, f"after{number}")["arm"] for number in range(60))
    assert shares["a"] > 0
    driver.policy(R, 2, algorithm=BETA, arms=arms("b", "c"), forgetting=forgetting)
    answer = driver.request(R, "new", candidates=["c"])
    assert answer["status"] == "decided"


def test_changing_a_discount_keeps_what_was_learned() -> None:
    driver = Driver()
    driver.policy(R, algorithm=BETA, forgetting={"name": "discount", "factor": 0.9})
    arm = serve(driver, 30).most_common(1)[0][0]
    before = learned(driver, arm)
    driver.policy(R, 2, algorithm=BETA, forgetting={"name": "discount", "factor": 0.95})
    assert learned(driver, arm) == before > 0
