"""Contexts, features and policies for tests of the encoder."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from core.context.encoder import Encoder
from core.context.vocabulary import Vocabularies
from schemas.fields import epoch_ms
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
    VocabularyFeature,
)
from schemas.request import Context, Request

NOON_ON_MONDAY = epoch_ms(datetime(2026, 5, 4, 12, 30, tzinfo=UTC))
DIM = 5
"""Of all embeddings that the strategies below give."""


def request(**context: Any) -> Request:
    return Request("r", "a", context=Context(**context))


def vector(
    feature: Feature,
    at_ms: int = NOON_ON_MONDAY,
    known: Vocabularies | None = None,
    **context: Any,
) -> list[float]:
    """The components of one feature, without the bias."""
    encoder = Encoder(ContextSpec(features=[feature]))
    data = encoder.encode(request(**context), at_ms, known)
    return [float(x) for x in encoder.unpack(data)[1:]]


def contexts_with(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Context]:
    """Contexts whose metadata may hold those numbers, among others."""
    metadata = st.dictionaries(
        st.sampled_from(["a", "b=c"]),
        st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | numbers | st.none(),
    )
    return st.builds(
        Context,
        input_tokens=st.none() | st.integers(0, 2**53),
        input_chars=st.none() | st.integers(0, 2**53),
        output_length_category=st.none() | st.sampled_from(["short", "long", "endless"]),
        priority=st.none() | st.floats(0, 10),
        task_type=st.none() | st.text(),
        user_id=st.none() | st.text(),
        region=st.none() | st.text(),
        language=st.none() | st.text(),
        embedding=st.none() | st.lists(st.floats(-1e3, 1e3), min_size=DIM, max_size=DIM),
        metadata=metadata,
    )


contexts = contexts_with(st.floats())
moments = st.integers(-(2**45), 2**45)
_anything = st.sampled_from(
    ["task_type", "region", "priority", "input_chars", "hour", "metadata.a", "metadata.b=c"]
)
_numbers = st.sampled_from(["input_tokens", "input_chars", "priority", "metadata.a"])
simple = st.one_of(
    st.builds(LogFeature, field=_numbers, high=st.floats(1e-300, 1e9)),
    st.builds(
        ScaledFeature,
        field=_numbers,
        low=st.floats(-1e308, 0.0),
        high=st.floats(0.0, 1e308, exclude_min=True),
    ),
    st.builds(
        OneHotFeature,
        field=_anything,
        values=st.lists(st.text(), min_size=1, max_size=4, unique=True),
    ),
    st.builds(HashedFeature, field=_anything, buckets=st.integers(2, 40)),
    st.builds(VocabularyFeature, field=_anything, size=st.integers(1, 4)),
    st.builds(CyclicalFeature, field=st.sampled_from(["hour", "weekday"])),
    st.builds(EmbeddingFeature, dim=st.just(DIM), project=st.none() | st.integers(2, 4)),
)
features: st.SearchStrategy[Feature] = simple | st.builds(
    InteractionFeature, left=simple, right=simple
)
specs = st.one_of(
    st.builds(ContextSpec, features=st.none() | st.lists(features, max_size=5)),
    st.just(ContextSpec(preset="fixed_10")),
)
