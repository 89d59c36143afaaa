"""Sessions that stay on their arm, and what makes them move."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from core.routing.part import Inputs
from schemas.state import decode_session, session_key
from tests.core.routing import Driver, R, arms

STICKY = {"by": "metadata.session", "ttl": "10s"}
SPLIT = {"name": "fixed_split"}


def sticky(**changes: Any) -> Driver:
    driver = Driver()
    driver.policy(R, **{"algorithm": SPLIT, "sticky": STICKY, **changes})
    assert driver.letters() == []
    return driver


def ask(driver: Driver, request_id: str, session: str | None, **fields: Any) -> dict[str, Any]:
    metadata = {} if session is None else {"session": session}
    return driver.request(R, request_id, context={"metadata": metadata}, **fields)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"algorithm": {"name": "linear_thompson"}},
        {"algorithm": {"name": "thompson_beta"}, "budget": {"usd_per_request": 1.0}},
        {"cold_start": {"pulls": 5}},
        {
            "experiment": {
                "name": "x",
                "variants": [{"id": "one"}, {"id": "two", "arms": ["a", "b"]}],
                "unit": "metadata.session",
            }
        },
    ],
    ids=["split", "contextual", "budget", "forced", "experiment"],
)
def test_a_session_stays_on_its_arm_with_certainty(changes: dict[str, Any]) -> None:
    driver = sticky(**changes)
    met: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in range(120):
        session = f"s{number % 12}"
        met[session].append(ask(driver, f"q{number}", session))
        driver.reward(R, f"q{number}", quality=number % 3 / 2, cost_usd=0.1)
        if number % 17 == 0:
            driver.restart()
    for answers in met.values():
        assert len({answer["arm"] for answer in answers}) == 1
        assert {answer["propensity"] for answer in answers[1:]} == {1.0}
    assert len({answers[0]["arm"] for answers in met.values()}) > 1
    assert len({ask(driver, f"alone{n}", None)["propensity"] for n in range(3)}) >= 1


def test_one_batch_keeps_a_session_together() -> None:
    driver = sticky(algorithm={"name": "linucb"}, context={"segment_by": ["task_type"]})
    events = [
        {
            "route": R,
            "request_id": f"q{number}",
            "context": {"metadata": {"session": f"s{number % 3}"}, "task_type": "xy"[number % 2]},
        }
        for number in range(30)
    ]
    driver.handle(Inputs(requests=[driver.record(1, event) for event in events]))
    met = defaultdict(set)
    for answer in driver.decisions:
        met[int(answer["request_id"][1:]) % 3].add(answer["arm"])
    assert all(len(found) == 1 for found in met.values())


def test_a_session_moves_when_its_arm_may_not_be_chosen() -> None:
    driver = sticky()
    first = ask(driver, "q1", "s")["arm"]
    rest = [name for name in "abc" if name != first]
    other = ask(driver, "q2", "s", candidates=rest)
    assert other["arm"] in rest
    assert other["propensity"] == 0.5
    assert ask(driver, "q3", "s")["arm"] == other["arm"]
    disabled = [{**arm, "enabled": arm["id"] != other["arm"]} for arm in arms("a", "b", "c")]
    driver.policy(R, 2, algorithm=SPLIT, sticky=STICKY, arms=disabled)
    assert ask(driver, "q4", "s")["arm"] != other["arm"]


def test_a_session_that_went_quiet_is_drawn_anew_and_forgotten() -> None:
    driver = sticky()
    key = session_key(R, "s")
    ask(driver, "q1", "s")
    driver.now += 9_000
    assert ask(driver, "q2", "s")["propensity"] == 1.0
    assert decode_session(driver.items[key]).deadline == driver.now + 10_000
    driver.now += 10_001
    ask(driver, "q3", None)
    assert key not in driver.items
    assert ask(driver, "q4", "s")["propensity"] == pytest.approx(1 / 3)


def test_a_restarted_arm_keeps_no_session() -> None:
    driver = sticky(
        algorithm={"name": "thompson_beta"},
        arms=arms("a", "b"),
        drift={"on": ["quality"], "action": "restart_arm"},
    )
    arm = ask(driver, "first", "s")["arm"]
    for number in range(600):
        found = ask(driver, f"q{number}", "s")
        driver.reward(R, f"q{number}", quality=0.9 if number < 300 else 0.1)
        if any(alert["action"] == "restart_arm" for alert in driver.alerts()):
            break
    assert found["arm"] == arm
    assert ask(driver, "after", "s")["propensity"] < 1.0
    assert ask(driver, "again", "s")["propensity"] == 1.0


@pytest.mark.parametrize("restarts", [False, True])
def test_a_request_with_an_older_timestamp_does_not_shorten_a_session(restarts: bool) -> None:
    driver = sticky()
    ask(driver, "q0", "s")
    driver.now -= 3_000  # the brokers' or the producers' clocks differ
    ask(driver, "q1", "s")
    if restarts:
        driver.restart()
    driver.now += 3_000 + 9_000
    ask(driver, "q2", None)
    assert session_key(R, "s") in driver.items
    driver.now += 2_000
    ask(driver, "q3", None)
    ask(driver, "q4", None)
    assert session_key(R, "s") not in driver.items


def test_only_so_many_sessions_are_remembered() -> None:
    driver = sticky(sticky={**STICKY, "max_sessions": 3})
    for number in range(10):
        ask(driver, f"q{number}", f"s{number}")
    assert len([key for key in driver.items if key.startswith(b"T")]) == 3
    driver.restart()
    ask(driver, "more", "s9")
    assert len([key for key in driver.items if key.startswith(b"T")]) == 3
    driver.now += 10_001
    ask(driver, "late", None)
    ask(driver, "later", "s9")
    assert [key for key in driver.items if key.startswith(b"T")] == [session_key(R, "s9")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sticky": {"by": "shoe_size"}}, "sticky.by"),
        ({"sticky": {"by": "user_id", "ttl": "soon"}}, "sticky.ttl"),
    ],
)
def test_sessions_that_cannot_be_told_apart_are_refused(changes: dict[str, Any], said: str) -> None:
    driver = Driver()
    driver.policy(R, **changes)
    assert driver.letters() == ["invalid_policy"]
    assert said in driver.outputs[-1][1]["message"]
