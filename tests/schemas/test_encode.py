import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Alert, Level
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision, Rejection
from schemas.encode import (
    DecisionEncoder,
    decode_alert,
    decode_answer,
    decode_dead_letter,
    encode_alert,
    encode_answer,
    encode_dead_letter,
)

names = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1)
short = names.map(lambda text: text[:100])
int64 = st.integers(-(2**63), 2**63 - 1)
units = st.floats(0.0, 1.0)
finite = st.floats(allow_nan=False, allow_infinity=False)
params = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | int64 | finite | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
)
decisions = st.builds(
    Decision,
    request_id=st.text(min_size=1, max_size=50),
    route=short,
    arm=short,
    model=st.text(),
    params=params,
    propensity=units,
    policy_version=st.integers(0, 2**53),
    state_version=int64,
    timestamp=int64,
)
rejections = st.builds(
    Rejection,
    request_id=st.text(min_size=1, max_size=50),
    route=short,
    code=st.sampled_from(["unknown_route", "no_eligible_arm", "invalid_request"]),
    reason=st.text(),
    state_version=int64,
    timestamp=int64,
)
levels = st.builds(Level, mean=finite, n=int64)
alerts = st.builds(
    Alert,
    alert_id=st.text(),
    incident_id=st.text(),
    event=st.sampled_from(["opened", "updated", "resolved", "notice"]),
    detections=int64,
    opened=int64,
    of=st.text(),
    route=short,
    arm=short,
    type=st.sampled_from(["drift", "warning", "anomaly", "threshold"]),
    severity=st.sampled_from(["info", "warning", "critical"]),
    metric=st.sampled_from(["quality", "cost", "latency", "reward"]),
    before=st.none() | levels,
    after=st.none() | levels,
    detector=st.text(),
    action=st.sampled_from(["alert", "restart_arm"]),
    message=st.text(),
    segment=st.text(),
    state_version=int64,
    timestamp=int64,
)
letters = st.builds(
    DeadLetter,
    reason=st.sampled_from(["invalid_json", "late_reward"]),
    message=st.text(),
    topic=st.text(),
    partition=int64,
    offset=int64,
    timestamp=int64,
    key=st.none() | st.text(),
    value=st.none() | st.text(),
    size=int64,
)


@given(decisions | rejections)
def test_answers_survive_the_wire(answer: Decision | Rejection) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@given(alerts)
def test_alerts_survive_the_wire(alert: Alert) -> None:
    assert decode_alert(encode_alert(alert)) == alert


@given(letters)
def test_dead_letters_survive_the_wire(letter: DeadLetter) -> None:
    assert decode_dead_letter(encode_dead_letter(letter)) == letter


def test_the_text_of_a_decision() -> None:
    decision = Decision("r-1", "acme/chat", "gpt-5", "openai/gpt-5", {"t": 0.7}, 0.25, 12, 48, 1770)
    assert encode_answer(decision) == (
        b'{"status":"decided","request_id":"r-1","route":"acme/chat","arm":"gpt-5",'
        b'"model":"openai/gpt-5","params":{"t":0.7},"propensity":0.25,"policy_version":12,'
        b'"state_version":48,"timestamp":1770}'
    )


@given(decisions)
def test_the_decision_encoder_gives_the_same_bytes(decision: Decision) -> None:
    encode = DecisionEncoder(
        decision.route, decision.arm, decision.model, decision.params, decision.policy_version
    )
    data = encode(
        decision.request_id, decision.propensity, decision.state_version, decision.timestamp
    )
    assert data == encode_answer(decision)


@pytest.mark.parametrize("propensity", [0.0, 1.0, 5e-324, 1e-5, 0.1 + 0.2, 1 / 3])
def test_the_decision_encoder_writes_floats_alike(propensity: float) -> None:
    tricky = {"propensity": 0.0, "policy_version": 7, "state_version": 0, "timestamp": 0}
    encode = DecisionEncoder("a", "b", "c", tricky, 7)
    decision = Decision("r", "a", "b", "c", tricky, propensity, 7, 1, 2)
    assert encode("r", propensity, 1, 2) == encode_answer(decision)


def test_params_that_json_cannot_hold_are_refused_when_the_encoder_is_made() -> None:
    with pytest.raises(orjson.JSONEncodeError):
        DecisionEncoder("a", "b", "c", {"seed": 2**70}, 1)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"status":"maybe"}', b"[]", b"\xff"])
def test_consumers_get_a_value_error(data: bytes) -> None:
    for decode in (decode_answer, decode_alert, decode_dead_letter):
        with pytest.raises(ValueError, match=r"."):
            decode(data)
