import json

import pytest

from schemas.decode import MAX_EVENT_BYTES, InvalidMessage, decode_reward
from schemas.reward import Outcome, Reward


def reward(**fields: object) -> bytes:
    return json.dumps({"request_id": "r", "route": "a", **fields}).encode()


def refused(data: bytes) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        decode_reward(data)
    return caught.value


def test_every_field_arrives() -> None:
    decoded = decode_reward(
        reward(
            timestamp=1_770_000_000_000,
            quality=0.9,
            cost_usd=0.0042,
            latency_ms=812,
            success=True,
            reward=0.5,
            arm="x",
            final=False,
            signals={"rating": 5},
        )
    )
    assert decoded == Reward(
        "r", "a", 1_770_000_000_000, 0.9, 0.0042, 812.0, True, 0.5, "x", final=False
    )
    assert decoded.outcome() == Outcome(0.9, 0.0042, 812.0, success=True, reward=0.5)


@pytest.mark.parametrize(
    "part", [{"quality": 0}, {"cost_usd": 0}, {"latency_ms": 0}, {"success": False}, {"reward": 0}]
)
def test_one_part_is_an_outcome(part: dict[str, object]) -> None:
    assert not decode_reward(reward(**part)).outcome().empty


@pytest.mark.parametrize("fields", [{}, {"arm": "x"}, {"final": True}, {"quality": None}])
def test_an_empty_outcome_has_a_reason_of_its_own(fields: dict[str, object]) -> None:
    error = refused(reward(**fields))
    assert error.reason == "empty_outcome"
    for part in ("'r'", "quality", "cost_usd", "latency_ms", "success", "reward"):
        assert part in error.message


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"cost_usd": -1}, ["cost_usd", ">= 0.0", "found -1"]),
        ({"cost_usd": 10**30}, ["cost_usd", "<= 1000000.0"]),
        ({"latency_ms": 1e10}, ["latency_ms", "<= 1000000000.0"]),
        ({"quality": 1.01}, ["quality", "<= 1.0", "found 1.01"]),
        ({"quality": "good"}, ["quality", "`float", 'found "good"']),
        ({"success": "yes"}, ["success", "`bool", 'found "yes"']),
        ({"success": 1}, ["success", "`bool", "found 1"]),
        ({"arm": ""}, ["arm", "length >= 1"]),
        ({"quality": 1, "final": None}, ["final", "`bool`", "found null"]),
        ({"quality": 1, "timestamp": 1_770_000_000}, ["timestamp", "seconds"]),
        ({"quality": 1, "timestamp": "1900-01-01T00:00:00Z"}, ["timestamp", "1900-01-01"]),
    ],
)
def test_an_invalid_reward_says_where_and_what(fields: dict[str, object], parts: list[str]) -> None:
    error = refused(reward(**fields))
    assert error.reason == "invalid_message"
    # Nobody waits for an answer to a reward.
    assert (error.request_id, error.route) == (None, None)
    for part in parts:
        assert part in error.message


def test_size_is_limited() -> None:
    assert refused(reward(quality=1, note="x" * MAX_EVENT_BYTES)).reason == "too_large"


def test_the_later_part_wins_where_both_have_one() -> None:
    early = Outcome(quality=0.1, cost_usd=1.0, success=True)
    late = Outcome(quality=0.9, latency_ms=5.0)
    assert early.merged(late) == Outcome(0.9, 1.0, 5.0, success=True)
    assert Outcome().empty
    assert not early.empty
