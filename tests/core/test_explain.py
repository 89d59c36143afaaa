"""What a watched router tells of a decision is what was done, and looking changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from core.routing.draw import uniform
from core.routing.explain import Watch, WatchedRouter
from core.routing.explained import Explanation
from core.routing.part import Inputs
from tests.core.routing import BETA, T0, Driver, R, arms

TASKS = {"features": [{"encode": "one_hot", "field": "task_type", "values": ["code", "chat"]}]}
CASES: dict[str, dict[str, Any]] = {
    "beta": {"algorithm": BETA},
    "gaussian": {"objective": {"preset": "balanced"}},
    "pulls": {"algorithm": BETA, "cold_start": {"pulls": 6}},
    "ucb1": {"algorithm": {"name": "ucb1"}},
    "linucb": {"algorithm": {"name": "linucb"}, "context": TASKS},
    "hybrid": {"algorithm": {"name": "hybrid_linucb"}, "context": TASKS},
    "linear thompson": {"algorithm": {"name": "linear_thompson"}, "context": TASKS},
    "discounted": {"forgetting": {"name": "discount"}},
    "segments": {"context": {"segment_by": ["task_type"]}},
    "like": {
        "arms": [
            *arms("a", "b"),
            {"id": "c", "model": "m", "enabled": False, "warm_start": {"like": "a", "weight": 5}},
        ],
    },
    "search": {
        "arms": [{"id": "base", "model": "m", "params": {"top_p": 1}}],
        "algorithm": {
            "name": "search",
            "space": {"temperature": {"low": 0, "high": 2}},
            "evaluations": 6,
            "rewards_per_evaluation": 2,
            "parallel": 2,
        },
    },
}


class WatchedDriver(Driver):
    """A driver whose router shows the decision of one request."""

    def __init__(self, request_id: str, version: int) -> None:
        super().__init__()
        self.watch = Watch(R, request_id, version)
        self.router = WatchedRouter(self.items.get, watch=self.watch)


def drive(driver: Driver, changes: dict[str, Any], requests: int = 40) -> None:
    """The same traffic each time: rewards come two requests later, a few in parts or elsewhere."""
    rng = np.random.default_rng(3)
    driver.policy(R, **changes)
    for index in range(requests):
        task = str(rng.choice(["code", "chat", "mail"]))
        driver.request(R, f"r-{index}", context={"task_type": task})
        quality, latency = rng.uniform(size=2).round(3).tolist()
        if index > 1:
            name = f"r-{index - 2}"
            if index % 5 == 0:
                driver.reward(R, name, latency_ms=100 + latency, final=False)
            driver.reward(R, name, quality=quality)


def explained(changes: dict[str, Any], index: int = 20) -> tuple[WatchedDriver, Explanation]:
    """The explanation of one request amid the traffic."""
    plain = Driver()
    drive(plain, changes)
    version = next(one["state_version"] for one in plain.decisions
                   if one["request_id"] == f"r-{index}")  # fmt: skip
    watched = WatchedDriver(f"r-{index}", version)
    drive(watched, changes)
    assert watched.items == plain.items, "looking changes nothing"
    assert watched.decisions == plain.decisions
    assert watched.watch.explanation is not None
    return watched, watched.watch.explanation


@pytest.mark.parametrize("case", CASES)
def test_the_explanation_is_the_decision(case: str) -> None:
    driver, why = explained(CASES[case])
    answer = next(one for one in driver.decisions if one["request_id"] == "r-20")
    assert (why.arm, why.propensity, why.params) == (
        answer["arm"],
        answer["propensity"],
        answer["params"],
    )
    assert why.state_version == answer["state_version"]
    assert why.draw == uniform(R, "r-20", 1)
    (share,) = [share for share in why.shares if share.low <= why.draw < share.high]
    assert (share.arm, share.probability) == (why.arm, why.propensity)
    assert sum(share.probability for share in why.shares) == pytest.approx(1.0)
    (event,) = [event for event in driver.watch.rewards if event.verdict == "learned"]
    assert event.after is not None
    before = 0.0 if event.before is None else event.before.rewards
    assert event.after.rewards == pytest.approx(before + 1.0, rel=0.05)  # less where it fades
    assert driver.watch.settled


def test_beliefs_are_those_of_the_rewards_so_far() -> None:
    """Beta posteriors, counted by hand."""
    driver, why = explained({"algorithm": BETA, "objective": {"weights": {"quality": 1}}})
    totals = dict.fromkeys("abc", 0.0)
    counts = dict.fromkeys("abc", 0)
    rng = np.random.default_rng(3)
    chosen = {one["request_id"]: one["arm"] for one in driver.decisions}
    for index in range(20):
        rng.choice(["code", "chat", "mail"])
        quality, _ = rng.uniform(size=2).round(3).tolist()
        if index > 1:
            arm = chosen[f"r-{index - 2}"]
            totals[arm] += quality
            counts[arm] += 1
    for view in why.arms:
        n, wins = counts[view.arm], totals[view.arm]
        posterior = stats.beta(1 + wins, 1 + n - wins)
        assert view.belief.rewards == n
        assert view.belief.mean == pytest.approx(posterior.mean(), abs=1e-9)
        assert (view.belief.low, view.belief.high) == pytest.approx(
            posterior.interval(0.95), abs=1e-6
        )
    assert sum(counts.values()) == 18


def test_arms_that_could_not_be_chosen_say_why() -> None:
    changes = {
        "algorithm": BETA,
        "arms": [*arms("a", "b", "c"), {"id": "off", "model": "m", "enabled": False}],
        "cold_start": {"pulls": 1},
    }
    driver = WatchedDriver("r-2", 3)
    driver.policy(R, **changes)
    first = driver.request(R, "r-1")["arm"]
    named = [first, next(arm for arm in "abc" if arm != first)]
    driver.request(R, "r-2", candidates=named)
    why = driver.watch.explanation
    assert why is not None
    assert why.source == "forced_exploration"
    barred = {view.arm: view.barred for view in why.arms}
    assert barred["off"] == "disabled by the policy"
    assert barred[first] == "has had its 1 forced pulls; others were still owed theirs"
    assert barred[named[1]] is None
    (other,) = set("abc") - set(named)
    assert barred[other] == "not among the request's candidates"
    assert {view.arm: view.pulls for view in why.arms}[first] == 1
    assert [(share.arm, share.probability) for share in why.shares] == [(named[1], 1.0)]


def test_contexts_have_names_and_scores_decide() -> None:
    _, why = explained(CASES["linucb"])
    assert why.features is not None
    assert set(why.features) == {"1", "task_type=code", "task_type=chat", "task_type=*"}
    assert sum(why.features.values()) == 2.0
    scores = {view.arm: view.score for view in why.arms}
    assert why.score == "upper bound for this context"
    assert max(scores, key=lambda arm: scores[arm] or 0.0) in {
        share.arm for share in why.shares if share.probability
    }


def test_a_search_shows_the_sets_in_play() -> None:
    _, why = explained(CASES["search"], index=4)
    assert why.source == "search"
    assert [one.arm for one in why.sets] == [share.arm for share in why.shares]
    assert len(why.sets) == 2
    assert all(set(one.params) == {"temperature"} for one in why.sets)
    assert set(why.params) == {"temperature", "top_p"}


def test_every_reward_of_the_request_is_told() -> None:
    driver = WatchedDriver("r", 3)
    driver.policy(R, algorithm=BETA, objective={"weights": {"quality": 1}})
    driver.reward(R, "r", latency_ms=5, final=False)  # held until the request
    driver.request(R, "r")
    driver.reward(R, "r", quality=0.75, arm="c")
    driver.reward(R, "r", quality=0.75, arm="c")
    driver.reward(R, "r", quality=0.1)
    driver.reward(R, "other", quality=0.1)
    events = driver.watch.rewards
    assert [event.verdict for event in events] == [
        "part",
        "learned",
        "duplicate",
        "contradicting",
    ]
    learned = events[1]
    assert (learned.arm, learned.reward) == ("c", 0.75)
    assert learned.outcome == {"quality": 0.75, "latency_ms": 5.0}
    assert learned.before is not None
    assert learned.after is not None
    assert (learned.before.rewards, learned.after.rewards) == (0.0, 1.0)
    assert learned.after.mean == pytest.approx((1 + 0.75) / 3)


def test_fields_of_a_reward_that_were_ignored_are_told() -> None:
    driver = WatchedDriver("r", 2)
    driver.policy(R, algorithm=BETA, objective={"weights": {"quality": 1}})
    driver.request(R, "r")
    driver.reward(R, "r", qualtiy=0.9, cost_usd=0.1, signals={"dwell": 3, "rating": 5}, trace="x")
    (event,) = driver.watch.rewards
    assert event.ignored == (
        "qualtiy (did you mean quality?), signals.dwell (did you mean dwell_s?), trace"
    )


def test_a_late_reward_is_told() -> None:
    driver = WatchedDriver("r", 2)
    driver.policy(R, algorithm=BETA, reward={"window": "1s"})
    driver.request(R, "r")
    driver.handle(Inputs(rewards=[
        driver.record(2, {"route": R, "request_id": "r", "quality": 1.0}, at=T0 + 5_000)
    ]))  # fmt: skip
    assert [event.verdict for event in driver.watch.rewards] == ["late"]
    assert not driver.watch.settled


def test_an_arm_that_a_guardrail_sets_aside_says_which() -> None:
    costs = (0.01, 0.02, 0.5)
    listed = [
        {**arm, "price": {"per_request": cost}}
        for arm, cost in zip(arms("a", "b", "c"), costs, strict=True)
    ]
    driver = WatchedDriver("r", 2)
    driver.policy(R, algorithm=BETA, arms=listed, guardrails={"max_cost_usd": 0.05})
    driver.request(R, "r")
    why = driver.watch.explanation
    assert why is not None
    barred = {view.arm: view.barred for view in why.arms}
    assert (barred["a"], barred["b"]) == (None, None)
    assert barred["c"] == "max_cost_usd: it is predicted to cost 0.5 USD, more than 0.05"
    assert [share.arm for share in why.shares] == ["a", "b"]
