"""What a route's events do, one rule at a time."""

from __future__ import annotations

import pytest

from core.routing.part import Inputs
from core.routing.partition import GRACE_MS
from tests.core.routing import BETA, T0, WINDOW_MS, Driver, R, arms, learned


def test_a_decision_names_all_that_a_proxy_needs(driver: Driver) -> None:
    answer = driver.request(R, "q1")
    assert answer["status"] == "decided"
    assert answer["model"] == f"models/{answer['arm']}"
    assert answer["propensity"] == pytest.approx(1 / 3)
    assert answer["policy_version"] == 1
    assert answer["state_version"] == driver.router.version == 2
    assert answer["timestamp"] == T0


def test_a_repeated_request_repeats_its_decision(driver: Driver) -> None:
    first = driver.request(R, "q1")
    driver.reward(R, "q1", quality=1.0)
    driver.policy(R, 2, arms=arms("z"))
    driver.now += 1_000
    assert driver.request(R, "q1") == first
    assert driver.counts(R).decided == 1


def test_a_request_id_is_new_again_after_its_window(driver: Driver) -> None:
    first = driver.request(R, "q1")
    driver.now += WINDOW_MS + 1
    second = driver.request(R, "q1")
    assert second["state_version"] != first["state_version"]
    assert driver.counts(R).decided == 2


def test_an_unpublished_decision_is_repeated_before_its_id_is_used_again(driver: Driver) -> None:
    first = driver.request(R, "q1")
    driver.now += WINDOW_MS + 1
    event = {"route": R, "request_id": "q1"}
    driver.handle(Inputs(requests=[driver.record(1, event)]), emitted=0)
    assert ("decisions", first) in driver.outputs
    assert len(driver.decisions) == 2


def test_the_reward_teaches_the_decided_arm_once(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    driver.reward(R, "q1", quality=1.0)
    driver.reward(R, "q1", quality=1.0)
    assert learned(driver, arm) == 1
    assert driver.counts(R).joined == 1
    assert driver.counts(R).duplicates == 1
    assert driver.letters() == []


def test_a_contradicting_reward_is_refused(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    driver.reward(R, "q1", quality=1.0)
    driver.reward(R, "q1", quality=0.0)
    assert learned(driver, arm) == 1
    assert driver.letters() == ["contradicting_reward"]


def test_a_late_reward_is_refused_and_later_still_unknown(driver: Driver) -> None:
    driver.request(R, "q1")
    driver.now += WINDOW_MS + 1
    driver.reward(R, "q1", quality=1.0)
    assert driver.letters() == ["late_reward"]
    driver.now += GRACE_MS
    driver.reward(R, "q1", quality=1.0)
    driver.now += 61_000
    driver.request(R, "q2")
    assert driver.letters() == ["late_reward", "unknown_request"]


def test_parts_merge_and_learning_happens_once(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    driver.reward(R, "q1", cost_usd=0.01, final=False)
    driver.reward(R, "q1", latency_ms=100.0, final=False)
    assert learned(driver, arm) == 0
    driver.restart()
    driver.reward(R, "q1", quality=1.0)
    assert learned(driver, arm) == 1
    assert driver.counts(R).joined == 1


def test_parts_alone_count_when_the_window_closes(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    driver.reward(R, "q1", quality=1.0, final=False)
    driver.restart()
    driver.now += WINDOW_MS + 1
    driver.request(R, "q2")
    assert learned(driver, arm) == 0
    driver.reward(R, "q2", quality=1.0)
    assert driver.counts(R).joined == 2


def test_the_arm_that_really_served_learns(driver: Driver) -> None:
    arm = driver.request(R, "q1")["arm"]
    other = next(name for name in "abc" if name != arm)
    driver.reward(R, "q1", quality=1.0, arm=other)
    assert learned(driver, arm) == 0
    assert learned(driver, other) == 1


def test_a_reward_that_comes_first_waits_for_its_request(driver: Driver) -> None:
    driver.reward(R, "q1", quality=1.0)
    driver.restart()
    arm = driver.request(R, "q1")["arm"]
    assert learned(driver, arm) == 1
    assert not [key for key in driver.items if key.startswith(b"H")]


def test_a_held_reward_ends_as_unknown(driver: Driver) -> None:
    driver.reward(R, "nothing", quality=1.0)
    assert driver.letters() == []
    driver.now += 60_001
    driver.request(R, "q1")
    assert driver.letters() == ["unknown_request"]
    assert not [key for key in driver.items if key.startswith(b"H")]


def test_held_rewards_are_bounded(driver: Driver) -> None:
    driver.policy(R, 2, reward={"max_held": 2})
    for number in range(3):
        driver.reward(R, f"early-{number}", quality=1.0)
    assert driver.letters() == ["held_rewards_full"]


def test_open_decisions_are_bounded() -> None:
    driver = Driver()
    driver.policy(R, reward={"max_open": 3})
    for number in range(20):
        driver.request(R, f"q{number}")
    driver.request(R, "one more, so that the last ones go")
    assert len([key for key in driver.items if key.startswith(b"D")]) <= 4
    driver.reward(R, "q0", quality=1.0)
    driver.now += 61_000
    driver.request(R, "later")
    assert driver.letters() == ["unknown_request"]


def test_what_was_not_published_is_kept() -> None:
    driver = Driver()
    driver.policy(R, reward={"max_open": 1})
    for number in range(5):
        event = {"route": R, "request_id": f"q{number}"}
        driver.handle(Inputs(requests=[driver.record(1, event)]), emitted=0)
    assert len([key for key in driver.items if key.startswith(b"D")]) == 5
    assert len(driver.router.unpublished(0).decisions) == 5


def test_segments_learn_apart() -> None:
    driver = Driver()
    context = {"segment_by": ["task_type"]}
    driver.policy(R, arms=arms("a", "b"), algorithm=BETA, context=context)
    best = {"code": "a", "chat": "b"}
    for number in range(400):
        task = ("code", "chat")[number % 2]
        answer = driver.request(R, f"q{number}", context={"task_type": task})
        driver.reward(R, f"q{number}", quality=float(answer["arm"] == best[task]))
    chosen = {
        (task, driver.request(R, f"last-{task}-{n}", context={"task_type": task})["arm"])
        for task in best
        for n in range(10)
    }
    assert chosen == set(best.items())


def test_a_drop_alerts_and_restarts_the_arm() -> None:
    driver = Driver()
    drift = {"on": ["quality"], "action": "restart_arm"}
    driver.policy(R, arms=arms("a"), algorithm=BETA, drift=drift)
    for number in range(1_200):
        driver.request(R, f"q{number}")
        driver.reward(R, f"q{number}", quality=0.9 if number < 800 else 0.5)
    drifts = [alert for alert in driver.alerts() if alert["type"] == "drift"]
    assert len(drifts) == 1, "the detector starts afresh with its arm"
    alert = drifts[0]
    assert (alert["severity"], alert["metric"], alert["arm"]) == ("critical", "quality", "a")
    assert alert["before"]["mean"] == pytest.approx(0.9, abs=0.02)
    assert alert["after"]["mean"] == pytest.approx(0.5, abs=0.1)
    assert alert["action"] == "restart_arm"
    assert len({found["alert_id"] for found in driver.alerts()}) == len(driver.alerts())
    assert 0 < learned(driver, "a") < 400


def test_many_windows_that_close_at_once_are_cut_into_parts() -> None:
    driver = Driver(max_part_bytes=2_000)
    driver.policy(R)
    for number in range(60):
        driver.request(R, f"q{number}")
        driver.reward(R, f"q{number}", quality=1.0, final=False)
    driver.now += WINDOW_MS + 1
    record = driver.record(2, {"route": R, "request_id": "q0", "quality": 1.0})
    parts = driver.handle(Inputs(rewards=[record]))
    assert len(parts) > 3
    sizes = [sum(len(k) + len(v or b"") for k, v in part.puts.items()) for part in parts]
    assert max(sizes) < 6_000
    assert driver.counts(R).joined == 60
