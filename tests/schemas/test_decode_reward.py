import json
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import MAX_EVENT_BYTES, InvalidMessage, decode_reward
from schemas.reward import Outcome, Reward, Signals


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
            signals={
                "rating": 4,
                "completed": True,
                "retried": False,
                "edited": False,
                "dwell_s": 31,
                "saved": True,
                "shared": False,
                "scrolled": "far",
            },
            note="unknown fields are ignored",
        )
    )
    signals = Signals(4.0, True, False, False, 31.0, True, False)
    assert decoded == Reward(
        *("r", "a", 1_770_000_000_000, 0.9, 0.0042, 812.0, True, 0.5, "x"),
        final=False,
        signals=signals,
    )
    assert decoded.outcome() == Outcome(0.9, 0.0042, 812.0, True, 0.5, signals)


@pytest.mark.parametrize(
    "part",
    [
        {"quality": 0},
        {"cost_usd": 0},
        {"latency_ms": 0},
        {"success": False},
        {"reward": 0},
        {"signals": {"rating": 1}},
        {"signals": {"completed": False}},
        {"signals": {"retried": False}},
        {"signals": {"edited": False}},
        {"signals": {"dwell_s": 0}},
        {"signals": {"saved": False}},
        {"signals": {"shared": False}},
    ],
)
def test_one_part_is_an_outcome(part: dict[str, object]) -> None:
    assert not decode_reward(reward(**part)).outcome().empty


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"arm": "x"},
        {"final": True},
        {"quality": None},
        {"signals": None},
        {"signals": {}},
        {"signals": {"rating": None, "unheard_of": 1}},
    ],
)
def test_an_empty_outcome_has_a_reason_of_its_own(fields: dict[str, object]) -> None:
    error = refused(reward(**fields))
    assert error.reason == "empty_outcome"
    for part in ("'r'", "quality", "cost_usd", "latency_ms", "success", "reward", "signals"):
        assert part in error.message


def test_an_empty_outcome_names_the_fields_that_were_ignored() -> None:
    message = refused(reward(qualtiy=0.9, signals={"stars": 5}, trace_id="t")).message
    assert message.endswith(
        "unknown fields, which are ignored: qualtiy (did you mean quality?), signals.stars, "
        "trace_id"
    )
    assert "unknown" not in refused(reward()).message


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
        ({"signals": [5]}, ["signals", "`object", "found [5]"]),
        ({"signals": {"rating": 0}}, ["signals.rating", ">= 1.0", "found 0"]),
        ({"signals": {"rating": 5.5}}, ["signals.rating", "<= 5.0", "found 5.5"]),
        ({"signals": {"dwell_s": -1}}, ["signals.dwell_s", ">= 0.0", "found -1"]),
        ({"signals": {"dwell_s": 1e10}}, ["signals.dwell_s", "<= 1000000000.0"]),
        ({"signals": {"retried": 1}}, ["signals.retried", "`bool", "found 1"]),
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


def test_later_signals_win_one_by_one() -> None:
    early = Outcome(signals=Signals(rating=2, retried=True))
    late = Outcome(quality=0.5, signals=Signals(rating=4, saved=True))
    both = Signals(rating=4, retried=True, saved=True)
    assert early.merged(late) == Outcome(quality=0.5, signals=both)
    assert early.merged(Outcome(quality=0.5)) == Outcome(quality=0.5, signals=early.signals)
    assert Outcome().merged(early) == early


def test_signals_that_say_nothing_leave_no_trace() -> None:
    silent = decode_reward(reward(quality=1, signals={"rating": None})).outcome()
    assert silent == decode_reward(reward(quality=1)).outcome()


seen = st.none() | st.booleans()
outcomes = st.builds(
    Outcome,
    quality=st.none() | st.floats(0, 1),
    cost_usd=st.none() | st.floats(0, 1e6),
    latency_ms=st.none() | st.floats(0, 1e9),
    success=seen,
    reward=st.none() | st.floats(0, 1),
    output_tokens=st.none() | st.integers(0, 2**53),
    signals=st.none()
    | st.builds(
        Signals,
        rating=st.none() | st.floats(1, 5),
        completed=seen,
        retried=seen,
        edited=seen,
        dwell_s=st.none() | st.floats(0, 1e9),
        saved=seen,
        shared=seen,
    ).filter(lambda signals: not signals.empty),
)


@given(outcomes, st.lists(st.integers(0, 2), min_size=13, max_size=13))
def test_parts_of_distinct_fields_merge_to_the_whole_in_any_order(
    whole: Outcome, places: list[int]
) -> None:
    fields = {name: getattr(whole, name) for name in Outcome.__struct_fields__ if name != "signals"}
    signals = {} if whole.signals is None else msgspec.structs.asdict(whole.signals)
    where = dict(zip([*fields, *Signals.__struct_fields__], places, strict=True))
    parts = [
        Outcome(
            **{name: value for name, value in fields.items() if where[name] == part},
            signals=Signals(**own) if own else None,
        )
        for part in range(3)
        for own in [
            {
                name: value
                for name, value in signals.items()
                if where[name] == part and value is not None
            }
        ]
    ]
    for first, second, third in permutations(parts):
        assert first.merged(second).merged(third) == whole
        assert first.merged(second.merged(third)) == whole


@given(outcomes)
def test_an_outcome_survives_the_state(outcome: Outcome) -> None:
    stored = msgspec.msgpack.encode(outcome)
    assert msgspec.msgpack.decode(stored, type=Outcome) == outcome


def test_an_outcome_stored_before_there_were_signals_can_be_read() -> None:
    stored = msgspec.msgpack.encode([0.5, None, 12.0, None, None])
    assert msgspec.msgpack.decode(stored, type=Outcome) == Outcome(quality=0.5, latency_ms=12.0)
