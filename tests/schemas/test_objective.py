import json
from typing import Any

import pytest

from schemas.decode import InvalidMessage, decode_policy, decode_stored_policy
from schemas.policy import Objective, SignalSpec

ARM = {"id": "x", "model": "m"}
NO_WEIGHTS = dict.fromkeys(
    ["rating", "completed", "retried", "edited", "dwell", "saved", "shared"], 0
)


def policy(**objective: Any) -> bytes:
    return json.dumps({"route": "a", "version": 1, "arms": [ARM], "objective": objective}).encode()


def test_signals_and_an_expression_arrive() -> None:
    decoded = decode_policy(
        policy(
            expression="0.7 * quality + 0.3 * signal_score",
            signals={"rating": 2, "dwell_scale_s": 60, "share": 0.5},
            cost_scale_usd=0.01,
        )
    )
    assert decoded.objective == Objective(
        expression="0.7 * quality + 0.3 * signal_score",
        signals=SignalSpec(rating=2.0, dwell_scale_s=60.0, share=0.5),
        cost_scale_usd=0.01,
    )
    assert decode_policy(policy()).objective == Objective()


# What the objective says, and what the message must say.
INVALID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no signal counts": (
        {"signals": NO_WEIGHTS},
        ["objective.signals", "at least one must be positive"],
    ),
    "a negative weight": (
        {"signals": {"rating": -1}},
        ["objective.signals.rating", ">= 0.0", "found -1"],
    ),
    "no dwell scale": ({"signals": {"dwell_scale_s": 0}}, ["objective.signals.dwell_scale_s"]),
    "a share above 1": ({"signals": {"share": 2}}, ["objective.signals.share", "<= 1.0"]),
    "a misspelt signal": (
        {"signals": {"dwell_s": 1}},
        ["objective.signals", "`dwell_s`", "did you mean dwell?"],
    ),
    "an empty expression": ({"expression": ""}, ["objective.expression", "length >= 1"]),
    "a long expression": (
        {"expression": "quality" + " " * 994},
        ["objective.expression", "length <= 1000"],
    ),
    "a blank expression": ({"expression": "  "}, ["objective.expression: is empty"]),
    "a syntax error": (
        {"expression": "quality *"},
        ["objective.expression: at its end: something is missing"],
    ),
    "a misspelt name": (
        {"expression": "1 - latency_msec"},
        ["objective.expression: at character 5", "did you mean 'latency_ms'?"],
    ),
    "expression and weights": (
        {"expression": "quality", "weights": {"quality": 1}},
        ["objective: an expression replaces weights"],
    ),
    "expression and preset": (
        {"expression": "quality", "preset": "balanced"},
        ["objective: an expression replaces a preset"],
    ),
    "all at once": (
        {"expression": "qualty + retrid", "weights": {}, "signals": NO_WEIGHTS},
        ["5 problems", "weights: all are 0", "signals", "replaces weights", "quality", "retried"],
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_objective_says_where_and_what(case: str) -> None:
    objective, parts = INVALID[case]
    with pytest.raises(InvalidMessage) as caught:
        decode_policy(policy(**objective))
    assert caught.value.reason == "invalid_policy"
    for part in parts:
        assert part in caught.value.message


def test_a_policy_that_was_accepted_once_is_read_without_looking_again() -> None:
    stored = decode_stored_policy(policy(expression="quality // 2"))
    assert stored.objective.expression == "quality // 2"
