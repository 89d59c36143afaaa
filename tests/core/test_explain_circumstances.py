"""What a decision was made under is told: budgets, sessions, experiments, floors and fallbacks."""

from __future__ import annotations

from typing import Any

import pytest

from core.routing.draw import uniform
from core.routing.explain import Watch, WatchedRouter
from core.routing.explained import Explanation
from core.routing.part import Inputs
from schemas.state import decision_key, decode_decision
from tests.core.routing import BETA, T0, Driver, R, arms

LINEAR = {"name": "linucb"}
TASKS = {"features": [{"encode": "vocabulary", "field": "task_type", "size": 4}]}
PRICED = [
    {**arm, "price": {"per_request": cost}}
    for arm, cost in zip(arms("a", "b", "c"), (0.001, 0.004, 0.02), strict=True)
]
EXPERIMENT = {
    "name": "x",
    "metric": "quality",
    "variants": [
        {"id": "control", "share": 3},
        {"id": "linear", "algorithm": LINEAR},
        {"id": "only-b", "arms": ["b"]},
    ],
}
ROLLOUT = {
    "name": "to-c",
    "arms": ["c"],
    "margins": {"quality": 0.1},
    "min_time": "1ms",
    "min_samples": 2,
    "steps": [0.3, 1.0],
}
CASES: dict[str, dict[str, Any]] = {
    "budget": {"arms": PRICED, "budget": {"usd_per_request": 0.003}},
    "contextual budget": {
        "arms": PRICED,
        "budget": {"usd_per_request": 0.003},
        "algorithm": LINEAR,
        "context": TASKS,
    },
    "floor": {"guardrails": {"min_share": 0.1}},
    "session": {"sticky": {"by": "user_id"}},
    "experiment": {"algorithm": BETA, "experiment": EXPERIMENT, "context": TASKS},
    "experiment by user": {
        "algorithm": BETA,
        "experiment": {**EXPERIMENT, "unit": "user_id"},
        "context": {**TASKS, "segment_by": ["region"]},
    },
    "experiment with a budget and floors": {
        "arms": PRICED,
        "budget": {"usd_per_request": 0.003},
        "guardrails": {"min_share": 0.05},
        "experiment": EXPERIMENT,
        "context": TASKS,
    },
    "rollout": {"rollout": ROLLOUT},
    "shadow": {
        "algorithm": BETA,
        "shadow": {"name": "s", "algorithm": LINEAR},
        "context": {**TASKS, "segment_by": ["region"]},
    },
    "shadow of an experiment": {
        "algorithm": BETA,
        "experiment": EXPERIMENT,
        "shadow": {"name": "s", "arms": ["b", "c"]},
        "context": TASKS,
    },
    "shadow and sessions": {
        "sticky": {"by": "user_id"},
        "shadow": {"name": "s", "arms": ["b"]},
    },
}


class Watched(Driver):
    """A driver whose router shows the decision of one request."""

    def __init__(self, request_id: str, version: int) -> None:
        super().__init__()
        self.watch = Watch(R, request_id, version)
        self.router = WatchedRouter(self.items.get, watch=self.watch)


def drive(driver: Driver, changes: dict[str, Any]) -> None:
    """Requests of six users and three tasks, each with a reward."""
    driver.policy(R, **changes)
    assert driver.letters() == []
    for number in range(60):
        driver.now += 100
        user, task = f"u{number % 6}", ("code", "chat", "mail")[number % 3]
        context = {"user_id": user, "task_type": task, "region": "eu" if number % 2 else "us"}
        answer = driver.request(R, f"r-{number}", context=context)
        cost = {"a": 0.001, "b": 0.004, "c": 0.02}[answer["arm"]]
        quality = {"a": 0.5, "b": 0.7, "c": 0.8}[answer["arm"]]
        driver.reward(R, f"r-{number}", quality=quality, cost_usd=cost)


def explained(changes: dict[str, Any], index: int) -> tuple[dict[str, Any], Explanation]:
    """The answer to one request amid the traffic, and its explanation."""
    plain = Driver()
    drive(plain, changes)
    answer = next(one for one in plain.decisions if one["request_id"] == f"r-{index}")
    watched = Watched(f"r-{index}", answer["state_version"])
    drive(watched, changes)
    assert watched.items == plain.items, "looking changes nothing"
    assert watched.decisions == plain.decisions
    assert watched.watch.explanation is not None
    return answer, watched.watch.explanation


@pytest.mark.parametrize("index", [3, 30, 58])
@pytest.mark.parametrize("case", CASES)
def test_the_propensity_shown_is_the_answers(case: str, index: int) -> None:
    answer, why = explained(CASES[case], index)
    assert (why.arm, why.propensity) == (answer["arm"], answer["propensity"])
    assert sum(share.probability for share in why.shares) == pytest.approx(1.0)
    if why.trial is None:
        (share,) = [share for share in why.shares if share.arm == why.arm]
        assert share.probability == why.propensity


@pytest.mark.parametrize("index", range(40, 52))
@pytest.mark.parametrize("case", [case for case in CASES if "experiment" in case or "roll" in case])
def test_the_variants_mix_to_the_propensity(case: str, index: int) -> None:
    answer, why = explained(CASES[case], index)
    trial = why.trial
    assert trial is not None
    assert trial.variant == answer["variant"]
    assert sum(one.share for one in trial.variants) == pytest.approx(1.0)
    mix: dict[str, float] = {}
    for one in trial.variants:
        if one.share:
            assert sum(one.shares.values()) == pytest.approx(1.0)
        for arm, probability in one.shares.items():
            mix[arm] = mix.get(arm, 0.0) + one.share * probability
    assert mix == trial.mix
    assert mix[why.arm] == answer["propensity"]
    (met,) = [one for one in trial.variants if one.variant == trial.variant]
    assert met.shares == {share.arm: share.probability for share in why.shares}
    by_user = "by user" in case
    assert trial.unit == (f"u{index % 6}" if by_user else f"r-{index}")
    assert trial.draw == uniform(f"{R}\0{trial.name}", trial.unit, 0)
    assert trial.kind == ("rollout" if case == "rollout" else "experiment")


def test_the_ledger_is_that_of_the_requests_before() -> None:
    """Spending, debt and expected costs, counted by hand from the answers and the rewards."""
    costs = {"a": 0.001, "b": 0.004, "c": 0.02}
    _, why = explained(CASES["budget"], 30)
    plain = Driver()
    drive(plain, CASES["budget"])
    spent = sum(costs[one["arm"]] for one in plain.decisions[:30])
    assert why.budget is not None
    assert why.budget.requests == 30
    assert why.budget.spent_usd == pytest.approx(spent)
    assert why.budget.debt == pytest.approx(spent / 0.003 - 30)
    assert why.budget.worth_usd == 0.003
    assert why.budget.burst == 30.0
    assert why.budget.price > 0.0
    assert {view.arm: view.cost_usd for view in why.arms} == pytest.approx(costs)


def test_an_arm_that_the_budget_cannot_bear_says_so() -> None:
    dear = [*PRICED[:2], {"id": "c", "model": "m", "price": {"per_request": 1.0}}]
    driver = Watched("r", 2)
    driver.policy(R, algorithm=BETA, arms=dear, budget={"usd_per_request": 0.003})
    driver.request(R, "r")
    why = driver.watch.explanation
    assert why is not None
    barred = {view.arm: view.barred for view in why.arms}
    assert (barred["a"], barred["b"]) == (None, None)
    assert str(barred["c"]).startswith("budget: it is expected to cost 1 USD")


def test_a_session_that_stays_says_since_when() -> None:
    answer, why = explained(CASES["session"], 13)
    first, before = explained(CASES["session"], 1)[0], explained(CASES["session"], 7)[0]
    assert why.source == "session"
    assert why.session is not None
    assert (why.session.by, why.session.value) == ("user_id", "u1")
    assert why.session.since == first["state_version"]
    assert why.session.last_ms == before["timestamp"]
    assert answer["propensity"] == 1.0
    others = [view for view in why.arms if view.arm != why.arm]
    assert {view.barred for view in others} == {"the session stays on its arm"}
    assert explained(CASES["session"], 1)[1].source == "algorithm"


@pytest.mark.parametrize("index", range(20, 30))
@pytest.mark.parametrize("case", ["shadow", "shadow of an experiment"])
def test_the_shadow_shown_is_the_one_that_is_scored(case: str, index: int) -> None:
    _, why = explained(CASES[case], index)
    plain = Driver()
    drive(plain, CASES[case])
    stored = decode_decision(plain.items[decision_key(R, f"r-{index}")])
    assert why.shadow is not None
    assert why.shadow.name == "s"
    assert sum(why.shadow.shares.values()) == pytest.approx(1.0)
    assert why.shadow.share == stored.shadow == why.shadow.shares.get(why.arm, 0.0)
    assert why.shadow.support == stored.support


def test_a_decision_that_a_session_keeps_scores_no_shadow() -> None:
    _, why = explained(CASES["shadow and sessions"], 13)
    assert why.source == "session"
    assert why.shadow is not None
    assert why.shadow.shares
    assert (why.shadow.share, why.shadow.support) == (None, None)


def test_a_reward_that_names_a_stranger_is_told_as_refused() -> None:
    driver = Watched("r", 2)
    driver.policy(R, algorithm=BETA)
    driver.request(R, "r")
    driver.reward(R, "r", quality=0.5, arm="stranger")
    driver.reward(R, "r", quality=0.5, final=False)
    driver.reward(R, "r", quality=0.5)
    told = [(event.verdict, event.refused) for event in driver.watch.rewards]
    assert told == [("refused", "unknown_arm"), ("part", ""), ("learned", "")]


def test_the_fallback_is_named_as_such() -> None:
    guardrails = {"min_quality": 0.9, "min_rewards": 2, "fallback": "b", "probe_share": 0.02}
    driver = Watched("last", 2 + 2 * 60)
    driver.policy(R, algorithm=BETA, guardrails=guardrails)
    for number in range(60):
        driver.request(R, f"r-{number}")
        driver.reward(R, f"r-{number}", quality=0.1)
    driver.request(R, "last")
    why = driver.watch.explanation
    assert why is not None
    assert why.source == "fallback"
    assert why.guardrails is not None
    assert (why.guardrails["fallback"], why.guardrails["min_quality"]) == ("b", 0.9)
    shares = {share.arm: share.probability for share in why.shares}
    assert shares == pytest.approx({"b": 0.96, "a": 0.02, "c": 0.02})
    assert all(str(view.guardrail).startswith("min_quality") for view in why.arms)


def test_a_variant_without_an_arm_says_why() -> None:
    """The request's candidates leave one variant nothing: it is told, and the others' mix."""
    driver = Watched("r-0", 2)
    driver.policy(R, algorithm=BETA, experiment=EXPERIMENT, context=TASKS)
    driver.handle(Inputs(requests=[
        driver.record(1, {"route": R, "request_id": "r-0", "candidates": ["a"]}, at=T0)
    ]))  # fmt: skip
    why = driver.watch.explanation
    if why is None:  # the request met the variant that has none
        pytest.fail("choose another request id: this one meets only-b")
    assert why.trial is not None
    (nothing,) = [one for one in why.trial.variants if one.variant == "only-b"]
    assert nothing.shares == {}
    assert "the request's candidates name none" in str(nothing.refused)
    assert why.propensity == why.trial.mix["a"] == pytest.approx(0.8)
