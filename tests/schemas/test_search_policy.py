"""A search as a policy's algorithm: what is accepted, and what is refused with which words."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policy import Parameter, Policy, Search, ThompsonGaussian
from schemas.policy.search import level_counts
from schemas.validation.search import search_problems

TEMPERATURE = {"low": 0, "high": 2}
TOKENS = {"low": 64, "high": 4096, "type": "integer", "scale": "log"}
SPACE = {"temperature": TEMPERATURE, "max_tokens": TOKENS}
ARM = {"id": "gpt-5", "model": "openai/gpt-5", "params": {"seed": 1}}


def policy(*, arms: list[dict[str, Any]] | None = None, **fields: Any) -> Policy:
    other = {name: fields.pop(name) for name in ("forgetting", "cold_start") if name in fields}
    record = {
        "route": "a",
        "version": 1,
        "arms": [ARM] if arms is None else arms,
        "algorithm": {"name": "search", "space": SPACE, **fields},
        **other,
    }
    return msgspec.json.decode(json.dumps(record), type=Policy)


def problems(**fields: Any) -> list[str]:
    return list(search_problems(policy(**fields)))


def test_defaults() -> None:
    search = policy().algorithm
    assert search == Search(
        space={
            "temperature": Parameter(low=0.0, high=2.0),
            "max_tokens": Parameter(low=64.0, high=4096.0, type="integer", scale="log"),
        },
        method="bayesian",
        evaluations=40,
        rewards_per_evaluation=10,
        parallel=4,
    )
    assert problems() == []
    again = msgspec.json.decode(msgspec.json.encode(policy()), type=Policy)
    assert again == policy()


@pytest.mark.parametrize(
    "fields",
    [
        {"initial": 40},
        {"method": "grid", "evaluations": 256, "grid_levels": 16},
        {"method": "grid", "grid_levels": {"temperature": 20, "max_tokens": 2}},
        {"method": "grid"},
        {"method": "random", "stop": {"patience": 5}},
        {"stop": {"patience": 5, "min_improvement": 0.01, "expected_improvement": 0.001}},
        {"space": {f"p{i}": TEMPERATURE for i in range(8)}},
        {"space": {"n": {"low": -1, "high": 0, "type": "integer"}}},
        {"space": {"x": {"low": -3, "high": -2.5}}},
        {"arms": [{**ARM, "id": "a" * 124}]},
    ],
)
def test_what_can_be_carried_out_is_accepted(fields: dict[str, Any]) -> None:
    assert problems(**fields) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"arms": [ARM, {**ARM, "id": "b"}]}, ["arms: a search needs exactly one", "found 2"]),
        ({"arms": [{**ARM, "id": "a" * 125}]}, ["arms[0].id: 125 characters, at most 124"]),
        ({"arms": [{**ARM, "prior": {"mean": 0.5}}]}, ["arms[0].prior: has no meaning"]),
        ({"arms": [{**ARM, "warm_start": {"weight": 1}}]}, ["arms[0].warm_start: has no meaning"]),
        ({"forgetting": {"name": "discount"}}, ["forgetting: has no meaning for a search"]),
        ({"cold_start": {"pulls": 1}}, ["cold_start: has no meaning for a search"]),
        ({"space": {"x": {"low": 2, "high": 2}}}, ["space['x']: low (2) must be less than high"]),
        (
            {"space": {"x": {"low": 0, "high": 1, "scale": "log"}}},
            ["space['x']: low (0) must be greater than 0 on a log scale"],
        ),
        (
            {"space": {"n": {"low": 1, "high": 2.5, "type": "integer"}}},
            ["space['n']: high (2.5) must be a whole number"],
        ),
        ({"space": {"x": {"low": 100, "high": 100.5}}}, ["space['x']", "differ by at least 1 %"]),
        ({"initial": 41}, ["initial: 41 is more than the 40 evaluations"]),
        ({"method": "sobol", "initial": 4}, ["initial: is for bayesian, and the method is sobol"]),
        ({"grid_levels": 4}, ["grid_levels: is for grid, and the method is bayesian"]),
        (
            {"method": "grid", "grid_levels": 7},
            ["evaluations: the grid has 49 sets, and 40", "fewer grid_levels"],
        ),
        (
            {"method": "grid", "space": {f"p{i}": TEMPERATURE for i in range(6)}},
            ["evaluations: the grid has 64 sets, and 40"],
        ),
        (
            {"method": "grid", "grid_levels": {"temperature": 2, "top_p": 2}},
            ["grid_levels: 'top_p' is not a parameter", "grid_levels: 'max_tokens' is missing"],
        ),
        ({"method": "grid", "grid_levels": 1}, ["grid_levels: the grid has one set only"]),
        ({"method": "grid", "stop": {"patience": 3}}, ["stop: a grid is tried as a whole"]),
        ({"stop": {}}, ["stop: expected patience or expected_improvement"]),
        (
            {"stop": {"expected_improvement": 0.1, "min_improvement": 0.1}},
            ["stop.min_improvement: has no meaning without patience"],
        ),
        (
            {"method": "random", "stop": {"expected_improvement": 0.1}},
            ["stop.expected_improvement: is for bayesian"],
        ),
    ],
)
def test_what_cannot_be_carried_out_is_refused(fields: dict[str, Any], expected: list[str]) -> None:
    found = problems(**fields)
    assert len(found) <= len(expected)
    for words in expected:
        assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    "fields",
    [
        {"space": {}},
        {"space": {f"p{i}": TEMPERATURE for i in range(9)}},
        {"space": {"": TEMPERATURE}},
        {"space": {"x": {"low": 0}}},
        {"space": {"x": {"low": 0, "high": 1, "step": 0.1}}},
        {"space": {"x": {"low": 0, "high": 1e300}}},
        {"method": "bayes"},
        {"evaluations": 257},
        {"evaluations": 1},
        {"parallel": 0},
        {"rewards_per_evaluation": 0},
        {"grid_levels": "many"},
        {"seed": -1},
    ],
)
def test_fields_have_types_and_ranges(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        policy(**fields)


def test_other_algorithms_are_not_looked_at() -> None:
    other = msgspec.structs.replace(policy(arms=[ARM, ARM]), algorithm=ThompsonGaussian())
    assert list(search_problems(other)) == []


parameters = st.one_of(
    st.just(Parameter(low=0.0, high=1.0)),
    st.integers(1, 30).map(lambda n: Parameter(low=0.0, high=float(n), type="integer")),
)


@given(
    space=st.dictionaries(st.sampled_from("abcdef"), parameters, min_size=1, max_size=6),
    evaluations=st.integers(2, 256),
)
def test_the_default_grid_is_the_finest_that_fits(
    space: dict[str, Parameter], evaluations: int
) -> None:
    most = {n: p.high + 1 if p.type == "integer" else math.inf for n, p in space.items()}

    def size(levels: int) -> float:
        return math.prod(min(levels, most[name]) for name in space)

    counts = level_counts(Search(space=space, method="grid", evaluations=evaluations))
    assert list(counts) == list(space)
    n = max(counts.values())
    assert counts == {name: min(n, most[name]) for name in space}
    assert size(n) <= evaluations or n == 2
    assert size(n + 1) > evaluations or n == max(most.values())
