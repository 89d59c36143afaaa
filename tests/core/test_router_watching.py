"""Detections become incidents: opened once, told sparingly, resolved, and never opened again by a
restart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.routing.part import Inputs
from tests.core.routing import Driver, R, arms, learned

MINUTE = 60_000


def shown(driver: Driver, **wanted: Any) -> list[dict[str, Any]]:
    return [a for a in driver.alerts() if all(a[name] == value for name, value in wanted.items())]


def serve(
    driver: Driver,
    count: int,
    outcome: Callable[[int], dict[str, Any]] | None,
    *,
    every_ms: int = 100,
    context: dict[str, Any] | None = None,
    restarts: bool = False,
) -> None:
    """Requests one after the other, with a reward each unless there is no outcome."""
    for _ in range(count):
        number = driver.offsets[1]
        driver.now += every_ms
        driver.request(R, f"q{number}", context=context or {})
        if outcome is not None:
            driver.reward(R, f"q{number}", **outcome(number))
        if restarts and number % 37 == 0:
            driver.restart()


def steps(seed: int, before: float, after: float, at: int) -> Callable[[int], dict[str, Any]]:
    rng = np.random.default_rng(seed)

    def outcome(number: int) -> dict[str, Any]:
        mean = before if number < at else after
        return {"quality": float(rng.random() < mean)}

    return outcome


@pytest.mark.parametrize("restarts", [False, True])
def test_one_change_is_one_incident_with_an_end(restarts: bool) -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), drift={"on": ["quality"], "cooldown": "2m"})
    serve(driver, 600, steps(1, 0.9, 0.3, 300), restarts=restarts)
    serve(driver, 3_000, steps(2, 0.3, 0.3, 0), restarts=restarts)
    found = shown(driver, type="drift", metric="quality") + shown(driver, type="warning")
    assert len({alert["incident_id"] for alert in found}) == 1
    events = [alert["event"] for alert in sorted(found, key=lambda a: a["state_version"])]
    assert events.count("opened") == events.count("resolved") == 1
    assert (events[0], events[-1]) == ("opened", "resolved")
    worst = [alert["severity"] for alert in found]
    assert "critical" in worst
    end = shown(driver, event="resolved")[0]
    assert end["timestamp"] - end["opened"] > 2 * MINUTE
    assert end["detections"] >= len(events) - 1
    assert "no further drift for 2 min; over after" in end["message"]
    assert len({alert["alert_id"] for alert in driver.alerts()}) == len(driver.alerts())


def test_a_restart_changes_no_alert() -> None:
    told = []
    for restarts in (False, True):
        driver = Driver()
        driver.policy(
            R,
            arms=arms("a"),
            drift={"on": ["quality"], "action": "restart_arm", "mix": ["task_type"]},
            anomalies={"on": ["cost"], "min_samples": 20},
            thresholds=[{"metric": "quality", "below": 0.5, "window": "10s"}],
        )
        rng = np.random.default_rng(5)
        quality = steps(1, 0.9, 0.3, 300)

        def outcome(number: int, rng: Any = rng, quality: Any = quality) -> dict[str, Any]:
            cost = 0.5 if number in (200, 201, 400) else float(rng.uniform(0.001, 0.002))
            return {**quality(number), "cost_usd": cost}

        serve(driver, 600, outcome, restarts=restarts)
        told.append(driver.alerts())
    assert told[0] == told[1]
    assert {alert["type"] for alert in told[0]} >= {"drift", "anomaly", "threshold"}


def test_a_burst_of_anomalies_is_one_incident_told_sparingly() -> None:
    driver = Driver()
    spec = {"on": ["latency"], "cooldown": "1m", "repeat": "10s"}
    driver.policy(R, arms=arms("a"), anomalies=spec, drift={"on": []})
    rng = np.random.default_rng(3)

    def outcome(number: int) -> dict[str, Any]:
        usual = float(rng.lognormal(np.log(800), 0.2))
        return {"quality": 1.0, "latency_ms": 60_000.0 if 300 <= number < 310 else usual}

    serve(driver, 300, outcome)
    assert not shown(driver, type="anomaly")
    serve(driver, 10, outcome)
    serve(driver, 700, outcome)
    found = shown(driver, type="anomaly")
    assert [alert["event"] for alert in found] == ["opened", "resolved"]
    assert found[0]["after"] == {"mean": 60_000.0, "n": 1}
    assert found[0]["before"]["mean"] == pytest.approx(800, rel=0.2)
    assert found[-1]["detections"] == 10


LIMITS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "reward": ({"below": 0.5}, {"reward": 0.9}, {"reward": 0.2}),
    "quality": ({"below": 0.5}, {"quality": 0.9}, {"quality": 0.2}),
    "cost": ({"above": 0.01}, {"cost_usd": 0.001}, {"cost_usd": 0.05}),
    "latency": ({"above": 900}, {"latency_ms": 500}, {"latency_ms": 2_000}),
    "latency_p95": ({"above": 900}, {"latency_ms": 500}, {"latency_ms": 2_000}),
    "error_rate": ({"above": 0.1}, {"success": True}, {"success": False}),
    "tokens": ({"above": 100}, {"output_tokens": 50}, {"output_tokens": 500}),
}


@pytest.mark.parametrize("metric", LIMITS)
def test_a_threshold_opens_and_resolves(metric: str) -> None:
    limit, good, bad = LIMITS[metric]
    driver = Driver()
    spec = {"metric": metric, "window": "10s", "min_samples": 20, **limit}
    quiet = {"drift": {"on": []}, "join": None}
    driver.policy(R, arms=arms("a"), thresholds=[spec], **quiet)
    serve(driver, 200, lambda _: good)
    assert not driver.alerts()
    serve(driver, 200, lambda _: bad)
    assert [alert["event"] for alert in driver.alerts()][:1] == ["opened"]
    opened = driver.alerts()[0]
    assert opened["metric"] == metric
    assert opened["of"].startswith(metric)
    shown_limit = "10 %" if metric == "error_rate" else str(next(iter(limit.values())))
    assert f"{next(iter(limit))} {shown_limit}" in opened["message"]
    serve(driver, 200, lambda _: good)
    assert driver.alerts()[-1]["event"] == "resolved"
    assert "is back: " in driver.alerts()[-1]["message"]
    assert f"limit {shown_limit}" in driver.alerts()[-1]["message"]
    assert len({alert["incident_id"] for alert in driver.alerts()}) == 1


def test_rates_of_decisions_have_thresholds_too() -> None:
    driver = Driver()
    limits = [
        {"metric": "exploration_rate", "above": 0.2, "window": "10s"},
        {"metric": "arm_share", "arm": "b", "above": 0.2, "window": "10s", "name": "too much b"},
        {"metric": "update_rate", "below": 1.0, "window": "10s", "severity": "critical"},
        {"metric": "join_rate", "below": 0.5, "window": "10s"},
        {"metric": "regret_rate", "above": 0.1, "window": "10s"},
    ]
    algorithm = {"name": "fixed_split"}
    driver.policy(R, arms=arms("a", "b"), algorithm=algorithm, thresholds=limits, join=None)
    worth = {"a": 0.9, "b": 0.1}

    def outcome(_: int) -> dict[str, Any]:
        return {"reward": worth[driver.decisions[-1]["arm"]]}

    serve(driver, 400, outcome)
    assert {alert["of"] for alert in shown(driver, event="opened")} >= {
        "too much b",
        "regret_rate above 0.1",
    }
    serve(driver, 400, None)
    names = {alert["of"]: alert for alert in shown(driver, event="opened")}
    assert {"join_rate below 0.5", "update_rate below 1"} <= set(names)
    assert names["update_rate below 1"]["severity"] == "critical"


def test_hysteresis_keeps_an_incident_open_until_it_is_clear() -> None:
    driver = Driver()
    spec = {"metric": "cost", "above": 0.01, "clear": 0.005, "window": "10s", "min_samples": 20}
    driver.policy(R, arms=arms("a"), thresholds=[spec], drift={"on": []}, join=None)
    serve(driver, 200, lambda _: {"cost_usd": 0.02})
    serve(driver, 300, lambda _: {"cost_usd": 0.008})
    assert not shown(driver, event="resolved")
    serve(driver, 300, lambda _: {"cost_usd": 0.001})
    assert len(shown(driver, event="resolved")) == len(shown(driver, event="opened")) == 1


def test_an_incident_ends_when_nothing_is_measured_any_more() -> None:
    driver = Driver()
    spec = {"metric": "cost", "above": 0.01, "window": "10s", "min_samples": 20}
    driver.policy(R, arms=arms("a"), thresholds=[spec], drift={"on": []}, join=None)
    serve(driver, 200, lambda _: {"cost_usd": 0.02})
    driver.now += MINUTE
    driver.reward("some/other", "x", quality=1.0)  # moves the partition's clock
    assert [alert["event"] for alert in driver.alerts()][-1] == "resolved"
    assert driver.alerts()[-1]["message"] == (
        f"cost on route {R}: nothing was measured over the last 10 s, so the incident is closed "
        "(it was above 0.01 USD)"
    )


def test_a_silently_broken_feedback_loop_is_told_without_being_asked() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), drift={"on": []})
    serve(driver, 900, lambda _: {"quality": 1.0}, every_ms=2_000)
    assert not driver.alerts()
    serve(driver, 900, None, every_ms=2_000)
    opened = shown(driver, event="opened")
    assert [(alert["type"], alert["severity"]) for alert in opened] == [("join", "critical")]
    assert opened[0]["before"]["mean"] > 0.9
    assert opened[0]["after"]["mean"] < 0.5
    assert "dead letters" in opened[0]["message"]
    serve(driver, 900, lambda _: {"quality": 1.0}, every_ms=2_000)
    assert [alert["event"] for alert in driver.alerts()][-1] == "resolved"
    assert len(shown(driver, event="opened")) == 1


def test_nobody_is_told_of_missing_rewards_where_the_policy_says_so() -> None:
    driver = Driver()
    driver.policy(R, arms=arms("a"), drift={"on": []}, join=None)
    serve(driver, 900, lambda _: {"quality": 1.0}, every_ms=2_000)
    serve(driver, 900, None, every_ms=2_000)
    assert not driver.alerts()
    assert driver.counts(R).join == b""


def test_an_arm_that_a_guardrail_sets_aside_is_an_incident() -> None:
    driver = Driver()
    rails = {"max_error_rate": 0.3, "error_window": 10, "cooldown": "1s", "probe_share": 0.1}
    driver.policy(R, guardrails=rails, drift={"on": []}, join=None)

    def outcome(number: int) -> dict[str, Any]:
        broken = 200 <= number < 400 and driver.decisions[-1]["arm"] == "a"
        return {"success": not broken, "quality": 0.0 if broken else 0.8}

    serve(driver, 200, outcome)
    assert not driver.alerts()
    serve(driver, 200, outcome)
    opened = shown(driver, event="opened", type="guardrail")
    assert [(alert["arm"], alert["action"]) for alert in opened] == [("a", "set_aside")]
    assert opened[0]["severity"] == "critical"
    assert "max_error_rate" in opened[0]["message"]
    serve(driver, 3_000, outcome)
    ends = shown(driver, event="resolved", type="guardrail")
    assert [(alert["arm"], alert["action"]) for alert in ends] == [("a", "reinstated")]


def test_a_changed_request_mix_is_told_once_and_is_never_critical() -> None:
    driver = Driver()
    driver.policy(
        R, arms=arms("a"), drift={"on": [], "mix": ["task_type", "input_tokens"]}, join=None
    )
    rng = np.random.default_rng(8)
    for number in range(1_200):
        after = number >= 600
        task = "code" if rng.random() < (0.9 if after else 0.2) else "chat"
        tokens = int(rng.lognormal(np.log(2_000 if after else 300), 0.4))
        serve(driver, 1, None, context={"task_type": task, "input_tokens": tokens})
        if number == 599:
            assert not shown(driver, type="drift")
    found = shown(driver, metric="mix", event="opened")
    assert {alert["of"] for alert in found} == {"task_type", "input_tokens"}
    assert all(alert["arm"] == "" for alert in found)
    assert not shown(driver, severity="critical")


@pytest.mark.parametrize("action", ["discount_arm", "explore_arm", "restart_arm"])
def test_a_drift_does_what_the_policy_asks(action: str) -> None:
    driver = Driver()
    driver.policy(
        R,
        arms=arms("a", "b"),
        algorithm={"name": "thompson_beta"},
        cold_start={"pulls": 3},
        drift={"on": ["quality"], "action": action, "keep": 0.25},
        join=None,
    )
    outcome = steps(4, 0.9, 0.2, 400)
    before: dict[str, float] = {}
    for _ in range(1_000):
        before = {arm: learned(driver, arm) for arm in "ab"}
        serve(driver, 1, outcome)
        if shown(driver, type="drift"):
            break
    alert = shown(driver, type="drift")[0]
    assert alert["action"] == action
    arm = alert["arm"]
    now = learned(driver, arm)
    if action == "restart_arm":
        assert now == 0.0
    elif action == "discount_arm":
        assert now == pytest.approx(0.25 * (before[arm] + 1.0))
    else:
        assert now == before[arm] + 1.0
        serve(driver, 3, outcome)
        assert {decision["arm"] for decision in driver.decisions[-3:]} == {arm}


def test_a_new_policy_ends_the_incidents_that_it_does_not_speak_of() -> None:
    driver = Driver()
    spec = {"metric": "cost", "above": 0.01, "window": "10s", "min_samples": 20}
    driver.policy(R, arms=arms("a"), thresholds=[spec], drift={"on": []}, join=None)
    serve(driver, 200, lambda _: {"cost_usd": 0.02})
    assert len(shown(driver, event="opened")) == 1
    driver.policy(R, version=2, arms=arms("a"), drift={"on": []}, join=None)
    assert driver.alerts()[-1]["event"] == "resolved"
    assert driver.alerts()[-1]["message"] == (
        f"cost on route {R}: the policy no longer asks for this; the incident is closed"
    )
    assert not [key for key in driver.items if key[:1] in b"LI"]


def test_an_observer_sees_what_happens_and_changes_nothing() -> None:
    class Eye:
        def __init__(self) -> None:
            self.seen: list[tuple[str, Any]] = []

        def decided(self, *args: Any, **more: Any) -> None:
            self.seen.append(("decided", (args, more)))

        def rewarded(self, *args: Any) -> None:
            self.seen.append(("rewarded", args))

        def alerted(self, alert: Any) -> None:
            self.seen.append(("alerted", alert))

    eye = Eye()
    watched, alone = Driver(observer=eye), Driver()
    for driver in (watched, alone):
        driver.policy(R, arms=arms("a"), drift={"on": ["quality"]})
        serve(driver, 600, steps(1, 0.9, 0.2, 300))
    assert watched.items == alone.items
    assert watched.alerts() == alone.alerts()
    kinds = [kind for kind, _ in eye.seen]
    assert kinds.count("decided") == kinds.count("rewarded") == 600
    assert kinds.count("alerted") == len(watched.alerts()) > 0


def test_a_window_opens_with_its_first_request_though_the_decision_waits() -> None:
    """Contextual requests wait to be decided together: the clock goes on meanwhile."""
    spec = {"metric": "join_rate", "below": 0.5, "window": "10s", "min_samples": 1}
    found = []
    for together in (True, False):
        driver = Driver()
        driver.policy(R, algorithm={"name": "linucb"}, thresholds=[spec], join=None)
        requests = [
            driver.record(1, {"route": R, "request_id": f"q{n}"}, at=driver.now + 1_000 * n)
            for n in range(40)
        ]
        for cut in [requests] if together else [[one] for one in requests]:
            driver.handle(Inputs(requests=cut))
        found.append((driver.visible(), driver.alerts()))
    assert found[0] == found[1]
    assert [alert["event"] for alert in found[0][1]][:1] == ["opened"]
