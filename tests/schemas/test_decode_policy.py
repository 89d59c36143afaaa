import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import (
    MAX_POLICY_BYTES,
    InvalidMessage,
    decode_policy,
    decode_stored_policy,
)
from schemas.examples import EXAMPLES
from schemas.policy import LinUCB, Policy, ThompsonGaussian
from schemas.validation.arms import MAX_PARAMS_BYTES

ARM = {"id": "x", "model": "m"}


def policy(**fields: Any) -> bytes:
    return json.dumps({"route": "a", "version": 1, "arms": [ARM], **fields}).encode()


def refused(data: bytes) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        decode_policy(data)
    assert (caught.value.request_id, caught.value.route) == (None, None)
    return caught.value


def test_defaults() -> None:
    decoded = decode_policy(policy())
    assert decoded.algorithm == ThompsonGaussian()
    assert decoded.objective.preset == "quality"
    assert decoded.reward.window == "30m"
    assert decoded.drift.on == ["quality", "cost", "latency"]
    assert decoded.arms[0].enabled


def test_the_example_says_what_it_says() -> None:
    decoded = decode_policy(json.dumps(EXAMPLES["policy"][0]).encode())
    assert decoded.algorithm == LinUCB(alpha=1.0)
    assert [arm.id for arm in decoded.arms] == ["gpt-5.4", "small"]
    assert msgspec.json.decode(msgspec.json.encode(decoded), type=Policy) == decoded


def features(*listed: dict[str, Any]) -> bytes:
    return policy(context={"features": list(listed)})


# Case: the bytes, and what the message must say.
INVALID: dict[str, tuple[bytes, list[str]]] = {
    "algorithm": (
        policy(algorithm={"name": "lin_ucb"}),
        ["algorithm.name", "'lin_ucb'", "did you mean linucb?", "thompson_beta", "thompson_gaus"],
    ),
    "algorithm like nothing": (
        policy(algorithm={"name": "oracle"}),
        ["algorithm.name", "'oracle'", "known are thompson_gaussian, thompson_beta"],
    ),
    "algorithm without name": (
        policy(algorithm={"alpha": 1}),
        ["algorithm", "`name`", "known values of name are thompson_gaussian, thompson_beta"],
    ),
    "algorithm as text": (
        policy(algorithm="linucb"),
        ["algorithm", "`object`", 'write {"name": "linucb"}'],
    ),
    "parameter of another": (
        policy(algorithm={"name": "thompson_gaussian", "alpha": 1}),
        ["algorithm", "unknown field `alpha`", "known are name, prior_std"],
    ),
    "misspelt key": (policy(objetive={}), ["`objetive`", "did you mean objective?"]),
    "misspelt key of an arm": (
        policy(arms=[{**ARM, "Param": {}}]),
        ["arms[0]", "`Param`", "did you mean params?"],
    ),
    "preset": (
        policy(objective={"preset": "balance"}),
        ["objective.preset", "'balance'", "did you mean balanced?", "latency_focused"],
    ),
    "metric": (policy(drift={"on": ["quality", "costs"]}), ["drift.on[1]", "did you mean cost?"]),
    "encoding": (features({"encode": "onehot", "field": "region"}), ["did you mean one_hot?"]),
    "field of a log": (
        features({"encode": "log", "field": "tokens"}),
        ["context.features[0].field", "did you mean 'input_tokens'?"],
    ),
    "model": (policy(arms=[{"id": "x", "model": ""}]), ["arms[0].model", "length >= 1"]),
    "no arms": (policy(arms=[]), ["arms", "length >= 1"]),
    "version 0": (policy(version=0), ["version", "1 or more", "found 0"]),
    "version -1": (policy(version=-1), ["version", "1 or more", "found -1"]),
    "two arms of one id": (policy(arms=[ARM, ARM]), ["arms", "'x'", "more than once"]),
    "all disabled": (policy(arms=[{**ARM, "enabled": False}]), ["arms", "disabled"]),
    "params too big": (
        policy(arms=[{**ARM, "params": {"p": "x" * (MAX_PARAMS_BYTES - 7)}}]),
        ["arms[0].params", str(MAX_PARAMS_BYTES + 1), str(MAX_PARAMS_BYTES)],
    ),
    "params beyond 64 bits": (
        policy(arms=[ARM, {"id": "y", "model": "m", "params": {"seed": 2**70}}]),
        ["arms[1].params", "64 bits"],
    ),
    "weights": (policy(objective={"weights": {}}), ["objective.weights", "positive"]),
    "window": (policy(reward={"window": "30 minutes"}), ["reward.window", "'30 minutes'", "30m"]),
    "hold": (policy(reward={"hold": 0}), ["reward.hold", "between 1 ms and 366 days"]),
    "huge window": (policy(reward={"window": 10**400}), ["reward.window"]),
    "warning": (
        policy(drift={"delta": 0.02, "warning_delta": 0.02}),
        ["drift", "warning_delta (0.02) must be greater than delta (0.02)"],
    ),
    "metric twice": (policy(drift={"on": ["cost", "cost"]}), ["drift.on", "'cost'"]),
    "empty range": (
        features({"encode": "linear", "field": "priority", "low": 3, "high": 3}),
        ["context.features[0]", "low (3.0) must be less than high (3.0)"],
    ),
    "feature field": (
        features({"encode": "hashed", "field": "tasktype"}),
        ["context.features[0].field", "'tasktype'", "did you mean 'task_type'?"],
    ),
    "a session as a field": (
        policy(sticky={"by": "session"}),
        ["sticky.by", "'session' is not a context field", "metadata.session"],
    ),
    "empty metadata key": (
        features({"encode": "hashed", "field": "metadata."}),
        ["context.features[0].field", "metadata.<key>"],
    ),
    "value twice": (
        features({"encode": "one_hot", "field": "region", "values": ["eu", "eu"]}),
        ["context.features[0].values", "'eu'"],
    ),
    "feature twice": (
        features(
            {"encode": "hashed", "field": "region"},
            {"encode": "cyclical", "field": "hour"},
            {"encode": "hashed", "field": "region", "buckets": 16},
        ),
        ["context.features[2]", "same as context.features[0]"],
    ),
    "dimension": (
        features(
            {"encode": "hashed", "field": "region", "buckets": 128},
            {"encode": "hashed", "field": "user_id", "buckets": 128},
        ),
        ["context.features", "257 components", "256"],
    ),
    "segment field": (
        policy(context={"segment_by": ["color"]}),
        ["context.segment_by[0]", "'color'", "known are input_tokens", "weekday"],
    ),
    "segment twice": (
        policy(context={"segment_by": ["region", "region"]}),
        ["context.segment_by", "'region'", "more than once"],
    ),
}


@pytest.mark.parametrize(("data", "parts"), INVALID.values(), ids=INVALID)
def test_an_invalid_policy_says_where_and_what(data: bytes, parts: list[str]) -> None:
    error = refused(data)
    assert error.reason == "invalid_policy"
    for part in parts:
        assert part in error.message
    assert "problems" not in error.message


def test_all_problems_are_reported_at_once() -> None:
    error = refused(
        policy(
            arms=[{**ARM, "enabled": False}],
            reward={"window": "soon", "hold": "later"},
            drift={"delta": 0.5, "warning_delta": 0.1},
            context={"segment_by": ["nothing"]},
        )
    )
    assert error.message.startswith("5 problems: (1) ")
    for part in ("(5) ", "disabled", "'soon'", "'later'", "warning_delta", "'nothing'"):
        assert part in error.message


def test_all_fields_that_do_not_fit_are_reported_at_once() -> None:
    error = refused(
        policy(
            version="1",
            arms=[{"id": "x", "modle": "m"}, {**ARM, "id": "", "price": {"input": 1}}, 3],
            algorithm={"name": "fixed_split", "shares": {"x": "half", "y": -1}},
            budgt={"usd_per_request": 1},
            drift={"on": ["quality", "costs"]},
        )
    )
    for number, part in enumerate(
        (
            'version: Expected `int`, got `str`, found "1"',
            'arms[0]: Object missing required field `model`; it has "id", "modle"; is "modle" a',
            "arms[1].id: Expected `str` of length >= 1",
            "arms[1].price: Object contains unknown field `input`",
            "arms[2]: Expected `object`, got `int`, found 3",
            'algorithm.shares["x"]: Expected `float`, got `str`',
            'algorithm.shares["y"]: Expected `float` >= 0.0, found -1',
            "unknown field `budgt`; did you mean budget?",
            "drift.on[1]: Invalid enum value 'costs'; did you mean cost?",
        ),
        1,
    ):
        assert f"({number}) " in error.message
        assert part in error.message, part
    assert error.message.startswith("9 problems: ")


def test_of_very_many_problems_the_first_are_reported() -> None:
    message = refused(policy(arms=[{"id": f"a{number}"} for number in range(60)])).message
    assert message.startswith("51 problems: (1) arms[0]: ")
    assert "(50) arms[49]: " in message
    assert message.endswith("(51) there are more problems; these are the first")


def test_a_piece_of_a_policy_is_not_taken_for_misspelt_fields() -> None:
    error = refused(json.dumps({"rollout": {"name": "n", "margins": {"quality": 0.1}}}).encode())
    assert "missing required field `route`" in error.message
    assert "misspelt" not in error.message


def test_an_empty_document_is_called_so() -> None:
    assert "there is nothing in it" in refused(b"null").message


FAULTS: dict[str, Any] = {
    "version": "one",
    "objective": {"preset": "best"},
    "reward": {"max_open": 0},
    "guardrails": {"min_share": 2},
    "sticky": {"by": 7},
    "drift": {"delta": "small"},
    "surprise": 1,
}


@given(st.sets(st.sampled_from(sorted(FAULTS)), min_size=1))
def test_each_fault_is_reported_once_whatever_the_others(names: set[str]) -> None:
    alone = {name: refused(policy(**{name: FAULTS[name]})).message for name in names}
    together = refused(policy(**{name: FAULTS[name] for name in names})).message
    if len(names) > 1:
        assert together.startswith(f"{len(names)} problems: ")
    for message in alone.values():
        assert together.count(message) == 1


LIMITS = {
    "params": policy(arms=[{**ARM, "params": {"p": "x" * (MAX_PARAMS_BYTES - 8)}}]),
    "dimension": features(
        {"encode": "hashed", "field": "region", "buckets": 128},
        {"encode": "hashed", "field": "user_id", "buckets": 127},
    ),
    "one of two enabled": policy(arms=[{**ARM, "enabled": False}, {"id": "y", "model": "m"}]),
    "one weight": policy(objective={"weights": {"latency": 0.1}}),
    "metadata": policy(context={"segment_by": ["metadata.team", "hour"]}),
    "no features": policy(context={"features": []}),
}


@pytest.mark.parametrize("data", LIMITS.values(), ids=LIMITS)
def test_what_lies_within_the_limits_is_taken(data: bytes) -> None:
    assert decode_policy(data).route == "a"


def test_size_and_syntax() -> None:
    assert refused(policy() + b" " * MAX_POLICY_BYTES).reason == "too_large"
    assert refused(b"{").reason == "invalid_json"
    deep = b'{"p":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert refused(policy(arms=[{**ARM, "params": 0}]).replace(b"0", deep)).reason == "invalid_json"


def test_a_stored_policy_is_held_to_its_types_alone() -> None:
    stored = Policy(route="a", version=0, arms=decode_policy(policy()).arms)
    assert decode_stored_policy(msgspec.json.encode(stored)) == stored
    with pytest.raises(InvalidMessage, match="arms"):
        decode_stored_policy(policy(arms="x"))
