"""A policy that searches parameters: proposals are decisions, rewards feed it, the best stays."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.core.routing import Driver, R

BASE = {"id": "base", "model": "models/base", "params": {"top_p": 1.0, "temperature": 0.3}}
SPACE = {
    "temperature": {"low": 0.0, "high": 2.0},
    "max_tokens": {"low": 64, "high": 4096, "type": "integer", "scale": "log"},
}


def search(**changes: Any) -> dict[str, Any]:
    found = {
        "name": "search",
        "space": SPACE,
        "evaluations": 12,
        "rewards_per_evaluation": 2,
        "parallel": 2,
        **changes,
    }
    return found if "method" in changes else found | {"initial": 4}


def quality(params: dict[str, Any]) -> float:
    return max(0.0, 1.0 - abs(params["temperature"] - 1.2) / 2)


def serve(driver: Driver, count: int, prefix: str = "q") -> list[dict[str, Any]]:
    answers = []
    for number in range(count):
        answer = driver.request(R, f"{prefix}{number}")
        answers.append(answer)
        driver.reward(R, f"{prefix}{number}", quality=quality(answer["params"]))
    return answers


@pytest.mark.parametrize("method", ["bayesian", "random", "latin_hypercube", "sobol"])
def test_a_search_proposes_learns_ends_and_leaves_the_best(method: str) -> None:
    driver = Driver()
    driver.policy(R, algorithm=search(method=method), arms=[BASE])
    answers = serve(driver, 120)
    tried = {answer["arm"]: answer["params"] for answer in answers}
    assert 8 <= len(tried) <= 12
    for answer in answers:
        params = answer["params"]
        assert params == tried[answer["arm"]]
        assert params["top_p"] == 1.0
        assert 0.0 <= params["temperature"] <= 2.0
        assert 64 <= params["max_tokens"] <= 4096
        assert isinstance(params["max_tokens"], int)
        assert answer["model"] == "models/base"
    last = answers[-30:]
    assert len({answer["arm"] for answer in last}) == 1
    assert {answer["propensity"] for answer in last} == {1.0}
    rated = sorted((quality(params) for params in tried.values()), reverse=True)
    assert quality(last[-1]["params"]) >= rated[2]


def test_a_restart_in_the_middle_changes_nothing() -> None:
    runs = []
    for restarts in (False, True):
        driver = Driver()
        driver.policy(R, algorithm=search(), arms=[BASE])
        answers = []
        for number in range(60):
            answers += serve(driver, 1, f"q{number}-")
            if restarts:
                driver.restart()
        runs.append((answers, driver.visible()))
    assert runs[0] == runs[1]


def test_a_proposal_is_repeated_as_it_was_also_under_another_policy() -> None:
    driver = Driver()
    driver.policy(R, algorithm=search(), arms=[BASE])
    first = driver.request(R, "q")
    driver.reward(R, "q", quality=0.5)
    other = search(space={"temperature": {"low": 0.0, "high": 0.1}})
    driver.policy(R, 2, algorithm=other, arms=[BASE])
    driver.restart()
    assert driver.request(R, "q") == first
    assert driver.request(R, "new")["params"]["temperature"] <= 0.1


def test_a_changed_search_starts_afresh_and_its_old_rewards_are_not_learned() -> None:
    driver = Driver()
    driver.policy(R, algorithm=search(), arms=[BASE])
    driver.request(R, "q")
    driver.policy(R, 2, algorithm=search(evaluations=6), arms=[BASE])
    driver.reward(R, "q", quality=0.5)
    assert driver.counts(R).unlearned == 1
    assert len({answer["arm"] for answer in serve(driver, 60)}) <= 6


def test_every_segment_searches_for_itself() -> None:
    driver = Driver()
    context = {"segment_by": ["task_type"]}
    driver.policy(R, algorithm=search(method="sobol"), arms=[BASE], context=context)
    arms: Counter[str] = Counter()
    for number in range(8):
        for task in ("code", "chat"):
            request_id = f"{task}{number}"
            answer = driver.request(R, request_id, context={"task_type": task})
            if task == "code":
                arms[answer["arm"]] += 1
                driver.reward(R, request_id, quality=0.5)
    chat = driver.request(R, "last", context={"task_type": "chat"})
    assert len(arms) > 2
    assert chat["arm"] in ("base@1", "base@2")


def test_a_served_fallback_without_proposal_is_not_learned_by_the_search() -> None:
    driver = Driver()
    driver.policy(R, algorithm=search(), arms=[BASE])
    driver.request(R, "q")
    driver.reward(R, "q", quality=0.5, arm="base")
    assert driver.counts(R).unlearned == 1
    driver.request(R, "r")
    driver.reward(R, "r", quality=0.5, arm="other")
    assert driver.letters() == ["unknown_arm"]


def test_a_search_has_one_arm() -> None:
    driver = Driver()
    driver.policy(R, algorithm=search())
    assert driver.letters() == ["invalid_policy"]
    assert "needs exactly one" in driver.outputs[-1][1]["message"]
