"""The names of a context's components."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.context.encoder import Encoder
from core.context.names import component_names
from core.context.vocabulary import Vocabularies
from schemas.policy import (
    ContextSpec,
    CyclicalFeature,
    EmbeddingFeature,
    Feature,
    HashedFeature,
    InteractionFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
    SimpleFeature,
    VocabularyFeature,
)
from schemas.request import Context, Request

TIMES = chr(215)
AT = 1_750_000_000_000
SIMPLE: list[SimpleFeature] = [
    LogFeature(field="input_tokens"),
    ScaledFeature(field="priority"),
    OneHotFeature(field="task_type", values=["code", "chat"]),
    VocabularyFeature(field="region", size=3),
    HashedFeature(field="user_id", buckets=5),
    CyclicalFeature(field="weekday"),
    EmbeddingFeature(dim=2),
]
ALL: list[Feature] = [
    *SIMPLE,
    *(InteractionFeature(left=left, right=right) for left in SIMPLE for right in SIMPLE),
]
REQUEST = Request(
    request_id="r",
    route="a",
    context=Context(
        input_tokens=100, priority=5.0, task_type="chat", region="eu", user_id="u", embedding=[3, 4]
    ),
)


@given(st.lists(st.sampled_from(ALL), max_size=5))
def test_every_component_has_a_name(features: list[Feature]) -> None:
    spec = ContextSpec(features=features)
    assert len(component_names(spec)) == Encoder(spec).dim


@pytest.mark.parametrize(
    "spec", [ContextSpec(), ContextSpec(preset="fixed_10")], ids=["default", "fixed_10"]
)
def test_so_do_those_of_the_defaults(spec: ContextSpec) -> None:
    names = component_names(spec)
    assert len(set(names)) == len(names) == Encoder(spec).dim


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        (SIMPLE[0], ["log input_tokens"]),
        (SIMPLE[1], ["linear priority"]),
        (SIMPLE[2], ["task_type=chat"]),
        (SIMPLE[3], ["region=eu"]),
        (SIMPLE[6], ["embedding[0]", "embedding[1]"]),
        (
            InteractionFeature(left=SIMPLE[2], right=SIMPLE[6]),
            [f"task_type=chat {TIMES} embedding[{index}]" for index in range(2)],
        ),
        (
            InteractionFeature(left=SIMPLE[3], right=SIMPLE[1]),
            [f"region=eu {TIMES} linear priority"],
        ),
    ],
)
def test_the_names_are_of_the_components_that_are_written(
    feature: Feature, expected: list[str]
) -> None:
    """What the encoder writes for a request stands under names that say so."""
    spec = ContextSpec(features=[feature])
    vocabularies = Vocabularies()
    vocabularies.place("region", "us", 3)
    encoder = Encoder(spec)
    x = encoder.unpack(encoder.encode(REQUEST, AT, vocabularies)).tolist()
    names = component_names(spec, vocabularies)
    assert [name for name, value in zip(names, x, strict=True) if value] == ["1", *expected]


def test_places_of_a_vocabulary_that_no_value_has_are_free() -> None:
    vocabularies = Vocabularies()
    vocabularies.place("region", "us", 3)
    spec = ContextSpec(features=[SIMPLE[3]])
    assert component_names(spec, vocabularies) == [
        "1",
        "region=us",
        "region=(free 1)",
        "region=(free 2)",
        "region=*",
    ]
