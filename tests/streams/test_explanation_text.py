"""What ``thalweg explain`` prints of budgets, sessions, experiments and searches."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import pytest

from core.routing.explained import Explanation, RewardEvent
from schemas.encode import decode_answer
from streams.audit import explanation
from streams.audit.explain import Explained
from streams.console import make_console
from tests.core import test_explain, test_explain_circumstances


def _found(case: str, index: int) -> Explained:
    answer: dict[str, Any]
    why: Explanation
    if case == "search":
        driver, why = test_explain.explained(test_explain.CASES[case], index)
        answer = next(one for one in driver.decisions if one["request_id"] == f"r-{index}")
    else:
        changes = test_explain_circumstances.CASES[case]
        answer, why = test_explain_circumstances.explained(changes, index)
    decided = decode_answer(orjson.dumps(answer))
    return Explained(0, 0, 0, decided, "equal", why, [], [])


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("budget", ["USD, expected", "Price of money: ", "A request may cost 0.003 USD"]),
        ("floor", ["Guardrails: min_share 0.1.", "0.1 (min_share) of every arm"]),
        ("session", ["Session 'u2' (user_id) has been on", "the session stays on its arm"]),
        ("experiment", ["Experiment x: variant", "only-b", "  all   ", "0.2"]),
        ("rollout", ["Rollout to-c: variant", "candidate"]),
        ("shadow", ["Shadow s, which decides without routing:", "The outcome weighs "]),
        ("shadow and sessions", ["It is not scored by this decision: the session kept its arm."]),
        ("search", ["Policy version 1: search (space", "Parameter sets in play:"]),
    ],
)
def test_it_tells_what_the_decision_was_made_under(
    case: str, parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = _found(case, 20)
    explanation.show(make_console(), found)
    text = capsys.readouterr().out
    for part in parts:
        assert part in text
    assert "null" not in text
    assert "None" not in text
    assert max(map(len, text.splitlines())) <= 100
    propensity = (
        f"with probability {orjson.loads(explanation.as_json(found))['why']['propensity']:.6g}"
    )
    assert propensity in text


def test_a_refused_reward_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    found = _found("shadow", 20)
    refused = RewardEvent(9, 0, "refused", {"quality": 0.5}, "stranger", refused="unknown_arm")
    found = dataclasses.replace(found, rewards=[refused])
    explanation.show(make_console(), found)
    text = " ".join(capsys.readouterr().out.split())
    assert "refused; the decision stays open for a corrected one (unknown_arm)" in text
