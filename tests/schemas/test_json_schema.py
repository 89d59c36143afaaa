"""The schemas and the decoders must say the same of every document."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import (
    InvalidMessage,
    decode_policy,
    decode_request,
    decode_reward,
    decode_stored_policy,
)
from schemas.encode import decode_alert, decode_answer, decode_dead_letter
from schemas.examples import EXAMPLES
from schemas.json_schema import RECORDS, json_schema

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    if isinstance(value, str):
        try:
            msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            return False
    return True


VALIDATORS = {
    record: jsonschema.Draft202012Validator(json_schema(record), format_checker=FORMATS)
    for record in RECORDS
}
DECODERS: dict[str, Callable[[bytes], object]] = {
    "request": decode_request,
    "reward": decode_reward,
    "policy": decode_policy,
    "decision": decode_answer,
    "alert": decode_alert,
    "dead-letter": decode_dead_letter,
}

labels = st.text(max_size=8)
named = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1, max_size=8
)
units = st.floats(0, 1)
amounts = st.floats(0, 1e6) | st.integers(0, 10**6)
milliseconds = st.integers(946_684_800_000, 7_258_118_399_999)
times = milliseconds | milliseconds.map(
    lambda ms: datetime.fromtimestamp(ms / 1000, UTC).isoformat()
)


def maybe(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.none() | strategy for name, strategy in fields.items()}


requests = st.fixed_dictionaries(
    {"request_id": named, "route": named},
    optional={
        **maybe(timestamp=times, candidates=st.lists(named, min_size=1, max_size=3)),
        "context": st.fixed_dictionaries(
            {},
            optional={
                **maybe(input_tokens=st.integers(0, 2**53), priority=st.floats(0, 10)),
                **maybe(task_type=labels, user_id=labels, region=labels),
                **maybe(embedding=st.lists(units, min_size=1, max_size=3)),
                "metadata": st.dictionaries(
                    labels,
                    labels | st.booleans() | st.integers(-(2**63), 2**63 - 1) | units | st.none(),
                    max_size=3,
                ),
            },
        ),
        "unknown": labels,
    },
)
signals = st.fixed_dictionaries(
    {},
    optional=maybe(
        rating=st.floats(1, 5), retried=st.booleans(), saved=st.booleans(), dwell_s=amounts
    ),
)
rewards = st.fixed_dictionaries(
    {"request_id": named, "route": named, "quality": units},
    optional={
        **maybe(timestamp=times, cost_usd=amounts, latency_ms=amounts, success=st.booleans()),
        **maybe(reward=units, arm=named, signals=signals),
        "final": st.booleans(),
    },
)
features = st.one_of(
    st.fixed_dictionaries(
        {"encode": st.just("log"), "field": st.sampled_from(["input_tokens", "priority"])},
        optional={"high": st.floats(1, 1e9)},
    ),
    st.fixed_dictionaries(
        {"encode": st.just("linear"), "field": st.just("priority"), "high": st.floats(1, 10)}
    ),
    st.fixed_dictionaries(
        {"encode": st.just("one_hot"), "field": st.just("region"), "values": st.just(["a", "b"])}
    ),
    st.fixed_dictionaries(
        {"encode": st.just("hashed"), "field": named.map(lambda key: "metadata." + key)},
        optional={"buckets": st.integers(2, 32)},
    ),
    st.fixed_dictionaries(
        {"encode": st.just("cyclical"), "field": st.sampled_from(["hour", "weekday"])}
    ),
    st.fixed_dictionaries(
        {"encode": st.just("vocabulary"), "field": st.just("language")},
        optional={"size": st.integers(1, 64)},
    ),
)
arms = st.fixed_dictionaries(
    {"id": named, "model": named},
    optional={
        "params": st.dictionaries(labels, labels | units, max_size=2),
        "price": st.none() | st.fixed_dictionaries({}, optional={"input_per_mtok": amounts}),
        "prior": st.none()
        | st.fixed_dictionaries({"mean": units}, optional={"weight": st.floats(0.1, 100)}),
    },
)
policies = st.fixed_dictionaries(
    {
        "route": named,
        "version": st.integers(1, 2**53),
        "arms": st.lists(arms, min_size=1, max_size=3, unique_by=lambda arm: arm["id"]),
    },
    optional={
        "algorithm": st.sampled_from(
            [
                {"name": "linucb", "alpha": 0.5, "ridge": 2},
                {"name": "thompson_beta"},
                {"name": "top_two_thompson", "posterior": "beta"},
                {"name": "kernel_thompson", "components": 8},
                {"name": "epsilon_greedy", "decay_after": 100},
            ]
        ),
        "cold_start": st.sampled_from([{"pulls": 3}, {"prior": {"mean": 1, "weight": 5}}]),
        "forgetting": st.sampled_from(
            [None, {"name": "discount"}, {"name": "sliding_window", "rewards": 100}]
        ),
        "objective": st.fixed_dictionaries(
            {"preset": st.sampled_from(["quality", "balanced"])},
            optional={
                **maybe(weights=st.just({"quality": 1, "cost": 0.5})),
                **maybe(cost_scale_usd=st.floats(0.1, 9)),
                "signals": st.just({"rating": 2, "share": 0.5}),
            },
        ),
        "context": st.fixed_dictionaries(
            {"segment_by": st.just(["region", "hour"])},
            optional=maybe(
                features=st.lists(
                    features, max_size=3, unique_by=lambda one: (one["encode"], one["field"])
                )
            ),
        ),
        "reward": st.sampled_from([{"window": "1.5h", "hold": 30}, {"max_open": 5}]),
        "drift": st.sampled_from([{"on": ["cost"], "action": "restart_arm"}, {"delta": 0.01}]),
    },
)
VALID = {"request": requests, "reward": rewards, "policy": policies}

# No whole floats: JSON Schema takes 1.0 for an integer, our decoders do not.
WRONG = [None, True, -1, 2.5, 10**12, "", "x", "a\n", "é" * 300, [], ["x"] * 65, {}, {"x": 1}]


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values below ``node``."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def broken(draw: st.DrawFn, documents: st.SearchStrategy[Any]) -> Any:
    """A document with one value replaced, removed, or added beside it."""
    document = deepcopy(draw(documents))
    *above, last = draw(st.sampled_from(sorted(places(document), key=repr)))
    parent = document
    for step in above:
        parent = parent[step]
    change = draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace":
        parent[last] = draw(st.sampled_from(WRONG))
    elif change == "remove":
        del parent[last]
    elif isinstance(parent, dict):
        parent["surplus"] = draw(st.sampled_from(WRONG))
    return document


def accepts(decode: Callable[[bytes], object], document: Any) -> bool:
    try:
        decode(json.dumps(document).encode())
    except InvalidMessage as error:
        return error.reason == "empty_outcome"
    return True


@pytest.mark.parametrize("record", RECORDS)
def test_schemas_are_schemas(record: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(record))


@pytest.mark.parametrize(
    ("record", "example"),
    [(record, example) for record, examples in EXAMPLES.items() for example in examples],
)
def test_examples_fit_their_schema_and_their_decoder(record: str, example: Any) -> None:
    VALIDATORS[record].validate(example)
    DECODERS[record](json.dumps(example).encode())


@pytest.mark.parametrize("record", ["request", "reward", "policy"])
@given(data=st.data())
def test_what_is_valid_is_valid_for_both(record: str, data: st.DataObject) -> None:
    document = data.draw(VALID[record])
    assert accepts(DECODERS[record], document)
    assert VALIDATORS[record].is_valid(document)


@pytest.mark.parametrize("record", ["request", "reward"])
@given(data=st.data())
def test_an_event_is_invalid_for_both_or_for_none(record: str, data: st.DataObject) -> None:
    document = data.draw(broken(VALID[record]))
    assert accepts(DECODERS[record], document) == VALIDATORS[record].is_valid(document)


@given(broken(policies))
def test_a_policy_is_invalid_for_both_up_to_what_only_the_whole_shows(document: Any) -> None:
    valid = VALIDATORS["policy"].is_valid(document)
    if accepts(decode_policy, document):
        assert valid
    if valid:
        assert accepts(decode_stored_policy, document)


@pytest.mark.parametrize("record", ["decision", "alert", "dead-letter"])
@given(data=st.data())
def test_an_output_is_invalid_for_both_or_for_none(record: str, data: st.DataObject) -> None:
    document = data.draw(broken(st.sampled_from(EXAMPLES[record])))
    try:
        DECODERS[record](json.dumps(document).encode())
        accepted = True
    except msgspec.ValidationError:
        accepted = False
    assert accepted == VALIDATORS[record].is_valid(document)


def test_docstrings_below_fields_are_descriptions() -> None:
    definitions = json_schema("policy")["$defs"]
    assert definitions["LinUCB"]["properties"]["ridge"]["description"] == (
        "A starts as ridge times the identity."
    )
    assert "`metadata.<key>`" in definitions["HashedFeature"]["properties"]["field"]["description"]
    decision = json_schema("decision")["$defs"]["Decision"]["properties"]
    assert "from 1" in decision["state_version"]["description"]


def test_nothing_stands_beside_a_reference() -> None:
    for record in RECORDS:
        for path in places(json_schema(record)):
            if path[-1] == "$ref" and len(path) > 1:
                node: Any = json_schema(record)
                for step in path[:-1]:
                    node = node[step]
                assert list(node) == ["$ref"]
