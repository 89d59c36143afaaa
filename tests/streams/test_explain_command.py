"""``thalweg explain`` on what a killed worker has written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from core.routing.draw import uniform
from tests.streams.audit_log import BETA, LINEAR, SEARCH, Log, copied, the_log
from tests.streams.test_replay_command import compacted, only


@pytest.fixture(scope="module")
def log(brokers: str, tmp_path_factory: pytest.TempPathFactory) -> Log:
    return the_log(brokers, tmp_path_factory)


@pytest.fixture(scope="module")
def answers(log: Log) -> dict[str, list[dict[str, Any]]]:
    """By route, the decisions in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for (route, _), answer in log.answers().items():
        found.setdefault(route, []).append(answer)
    return {
        route: sorted(mine, key=lambda one: int(one["state_version"]))
        for route, mine in found.items()
    }


def explained(log: Log, answer: dict[str, Any]) -> dict[str, Any]:
    result = log.run("explain", "--json", answer["route"], answer["request_id"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


def the_event(log: Log, role: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The last event of a topic that names the request."""
    names = answer["route"], answer["request_id"]
    events = [
        orjson.loads(record.value)
        for records in log.read(role).values()
        for record in records
        if record.value.startswith(b"{")
    ]
    return [one for one in events if (one["route"], one["request_id"]) == names][-1]


def with_reward(log: Log, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The last decision that has got a reward."""
    rewarded = {
        orjson.loads(record.value)["request_id"]
        for records in log.read("rewards").values()
        for record in records
        if record.key == answers[0]["route"].encode() and record.value.startswith(b"{")
    }
    return [answer for answer in answers if answer["request_id"] in rewarded][-1]


def test_a_contextual_decision_with_its_reward(
    log: Log, answers: dict[str, list[dict[str, Any]]]
) -> None:
    answer = with_reward(log, answers[LINEAR])
    found = explained(log, answer)
    assert found["answer"] == answer
    assert found["published"] == "equal"
    why = found["why"]
    request = the_event(log, "requests", answer)
    region, task = request["context"]["region"], request["context"]["task_type"]
    assert why["request"]["context"] == request["context"]
    assert (why["segment"], why["policy_version"]) == (f"region={region}", 1)
    assert why["algorithm"] == {"name": "linucb", "alpha": 0.5, "ridge": 1.0}
    categories = {name: x for name, x in why["features"].items() if name.startswith("task_type")}
    assert len(categories) == 3
    assert [name for name, x in categories.items() if x] in ([f"task_type={task}"], ["task_type=*"])
    assert 0.0 < why["features"]["log input_tokens"] < 1.0
    assert why["draw"] == uniform(LINEAR, answer["request_id"], 1)
    assert (why["arm"], why["propensity"]) == (answer["arm"], answer["propensity"])
    scores = {one["arm"]: one["score"] for one in why["arms"] if one["score"] is not None}
    assert scores[answer["arm"]] == pytest.approx(max(scores.values()), abs=1e-9)

    reward = the_event(log, "rewards", answer)
    learned = found["rewards"][-1]
    assert learned["verdict"] == "learned"
    assert learned["outcome"]["quality"] == reward["quality"]
    assert learned["arm"] == reward.get("arm", answer["arm"])
    assert learned["after"]["rewards"] == learned["before"]["rewards"] + 1
    assert learned["before"]["low"] <= learned["before"]["mean"] <= learned["before"]["high"]


def test_forced_exploration_says_whom_it_owes(
    log: Log, answers: dict[str, list[dict[str, Any]]]
) -> None:
    """The first six decisions of the route are two pulls of each of three arms."""
    pulls = dict.fromkeys(("small", "medium", "large"), 0)
    for answer in answers[BETA][:6]:
        why = explained(log, answer)["why"]
        assert why["source"] == "forced_exploration"
        assert {one["arm"]: one["pulls"] for one in why["arms"]} == pulls
        barred = {one["arm"] for one in why["arms"] if one["barred"]}
        asked = why["request"].get("candidates", list(pulls))
        assert barred == {arm for arm in pulls if pulls[arm] == 2 or arm not in asked}
        pulls[answer["arm"]] += 1
    assert set(pulls.values()) == {2}


def test_a_search_shows_its_sets(log: Log, answers: dict[str, list[dict[str, Any]]]) -> None:
    answer = with_reward(log, answers[SEARCH])
    found = explained(log, answer)
    (played,) = [one for one in found["why"]["sets"] if one["arm"] == answer["arm"]]
    assert played["params"]["temperature"] == answer["params"]["temperature"]
    assert played["probability"] == answer["propensity"]
    learned = found["rewards"][-1]
    assert learned["after"]["rewards"] == 1 + (learned["before"] or {"rewards": 0})["rewards"]


def test_a_rejection_is_explained_by_its_reason(log: Log) -> None:
    result = log.run("explain", "log/unknown", "0-0")
    assert result.exit_code == 0
    assert "0-0 of log/unknown was rejected: unknown_route" in result.stdout
    assert "publish one on the policy topic" in result.stdout


def test_people_read_it_in_words(log: Log, answers: dict[str, list[dict[str, Any]]]) -> None:
    answer = with_reward(log, answers[LINEAR])
    result = log.run("explain", LINEAR, answer["request_id"])
    assert result.exit_code == 0
    first, *_ = result.stdout.splitlines()
    assert first == (
        f"{answer['request_id']} of {LINEAR}: {answer['arm']} (models/{answer['arm']}), with "
        f"probability {answer['propensity']:.6g}"
    )
    for part in (
        "It stands on the decision topic like that, bit for bit.",
        "Policy version 1: linucb (alpha 0.5, ridge 1.0)",
        "log input_tokens",
        "Score: the upper bound for this context.",
        f"→   {answer['arm']}",
        "counted, and the arm learned from it",
    ):
        assert part in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_a_tampered_decision_is_not_what_replay_explains(
    log: Log, answers: dict[str, list[dict[str, Any]]], topic_prefix: str
) -> None:
    answer = answers[BETA][7]

    def change(records: list[Any]) -> list[Any]:
        return [
            replace(one, value=orjson.dumps(answer | {"propensity": 0.01}))
            if orjson.loads(one.value) == answer
            else one
            for one in records
        ]

    made = copied(log, topic_prefix, only("decisions", change))
    found = explained(made, answer)
    assert (found["answer"], found["published"]) == (answer, "different")
    result = made.run("explain", BETA, answer["request_id"])
    assert "SOMETHING ELSE" in result.stdout


def test_topics_that_no_longer_reach_back(
    log: Log, answers: dict[str, list[dict[str, Any]]], topic_prefix: str
) -> None:
    """A compacted changelog, and no decisions any more: the changelog still remembers them."""
    change = only("changelog", compacted)
    made = copied(log, topic_prefix, change, deleted={"decisions": 10**6})
    late = explained(made, answers[LINEAR][-1])
    assert (late["answer"], late["published"]) == (answers[LINEAR][-1], "absent")
    assert late["replayed_from"] > 0

    gone = copied(log, f"{topic_prefix}2-", change, deleted={"requests": 20})
    early = gone.run("explain", LINEAR, answers[LINEAR][0]["request_id"])
    assert early.exit_code == 2
    assert "the decision cannot be replayed" in early.stderr
    assert "gone from the topics" in early.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((LINEAR, "no-such"), "there is no answer to request 'no-such'"),
        (("no/route", "r"), "there is no answer to request 'r' of 'no/route'"),
    ],
)
def test_a_request_that_was_never_answered(
    log: Log, arguments: tuple[str, str], named: str
) -> None:
    result = log.run("explain", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr


def test_a_state_version_that_is_not_the_answers(
    log: Log, answers: dict[str, list[dict[str, Any]]]
) -> None:
    answer = answers[BETA][0]
    result = log.run("explain", "--state-version", "999", BETA, answer["request_id"])
    assert result.exit_code == 2
    assert f"but at {answer['state_version']}" in result.stderr
    version = str(answer["state_version"])
    assert log.run("explain", "--state-version", version, BETA, answer["request_id"]).exit_code == 0
