from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from math import log1p, pi
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.context.encoder import Encoder, segment_of
from core.context.features import hashed_place
from core.context.vocabulary import Vocabularies
from schemas.decode import decode_request
from schemas.fields import epoch_ms
from schemas.policy import (
    ContextSpec,
    CyclicalFeature,
    EmbeddingFeature,
    HashedFeature,
    InteractionFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
    VocabularyFeature,
)
from schemas.request import Context, Request
from tests.core.contexts import (
    NOON_ON_MONDAY,
    contexts,
    contexts_with,
    moments,
    request,
    specs,
    vector,
)


@given(specs, contexts, moments)
def test_every_context_gives_a_bounded_vector_that_float32_holds(
    spec: ContextSpec, context: Context, at_ms: int
) -> None:
    encoder = Encoder(spec)
    data = encoder.encode(Request("r", "a", context=context), at_ms, Vocabularies())
    x = encoder.unpack(data)
    assert x.shape == (encoder.dim,)
    assert x.dtype == np.float64
    assert x[0] == 1.0
    assert np.all(np.abs(x) <= 1.0)  # false for NaN, too
    assert x.astype("<f4").tobytes() == data


@given(specs, st.lists(contexts, max_size=4))
def test_a_matrix_has_the_vectors_as_rows(spec: ContextSpec, listed: list[Context]) -> None:
    encoder = Encoder(spec)
    known, again = Vocabularies(), Vocabularies()
    rows = [encoder.encode(Request("r", "a", context=context), 0, known) for context in listed]
    X = encoder.matrix(rows)
    assert X.shape == (len(rows), encoder.dim)
    assert X.dtype == np.float64
    for context, row, x in zip(listed, rows, X, strict=True):
        assert np.array_equal(encoder.unpack(row), x)
        # What an encoder has seen before leaves no trace but in the vocabularies.
        assert Encoder(spec).encode(Request("r", "a", context=context), 0, again) == row


@given(specs, contexts_with(st.floats(allow_nan=False, allow_infinity=False)), moments)
def test_a_request_gives_the_same_vector_from_memory_and_from_the_wire(
    spec: ContextSpec, context: Context, at_ms: int
) -> None:
    encoder = Encoder(spec)
    original = Request("r", "a", context=context)
    arrived = decode_request(msgspec.json.encode(original))
    assert encoder.encode(arrived, at_ms, Vocabularies()) == encoder.encode(
        original, at_ms, Vocabularies()
    )


def test_bytes_of_another_dimension_are_refused() -> None:
    encoder = Encoder(ContextSpec())
    row = bytes(4 * encoder.dim)
    refusals: list[Callable[[], object]] = [
        lambda: encoder.unpack(row[4:]),
        lambda: encoder.matrix([row, row + row]),
        lambda: encoder.matrix([row[4:], row + row[:4]]),
    ]
    for refusal in refusals:
        with pytest.raises(ValueError, match="112 were expected"):
            refusal()


def test_the_default_vector() -> None:
    encoder = Encoder(ContextSpec())
    full = request(input_tokens=131_072, output_length_category="long", priority=5, task_type="x")
    vocabularies = Vocabularies()
    vocabularies.place("task_type", "w", 16)
    x = encoder.unpack(encoder.encode(full, NOON_ON_MONDAY, vocabularies))
    expected = np.zeros(28)
    expected[[0, 1, 4, 6, 7 + 1]] = [1, 1, 1, 0.5, 1]
    expected[24:] = [-1, 0, 1, 0]
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(None, 0.0), (0, 0.0), (99, log1p(99) / log1p(999)), (999, 1.0), (10**9, 1.0)],
)
def test_log(tokens: int | None, expected: float) -> None:
    feature = LogFeature(field="input_tokens", high=999)
    assert vector(feature, input_tokens=tokens) == [np.float32(expected)]


@pytest.mark.parametrize(("chars", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4_000, 1_000)])
def test_characters_stand_in_for_tokens_that_nobody_counted(chars: int, tokens: int) -> None:
    for feature in (
        LogFeature(field="input_tokens"),
        ScaledFeature(field="input_tokens", high=1_000),
        HashedFeature(field="input_tokens"),
    ):
        assert vector(feature, input_chars=chars) == vector(feature, input_tokens=tokens)
        both = vector(feature, input_chars=10**6, input_tokens=tokens)
        assert both == vector(feature, input_tokens=tokens)
    assert vector(LogFeature(field="input_chars", high=99), input_chars=99) == [1.0]
    assert vector(LogFeature(field="input_chars"), input_tokens=99) == [0.0]


@pytest.mark.parametrize(
    ("value", "log", "linear"),
    [
        (3, log1p(3) / log1p(9), 0.4),
        (3.5, log1p(3.5) / log1p(9), 0.45),
        (2**62, 1.0, 1.0),
        (0, 0.0, 0.1),
        (-2, 0.0, 0.0),
        (-0.5, 0.0, 0.05),
        (True, 0.0, 0.0),
        ("3", 0.0, 0.0),
        (None, 0.0, 0.0),
        (float("nan"), 0.0, 0.0),
        (float("inf"), 0.0, 0.0),
    ],
)
def test_numbers_in_metadata_are_scaled_and_others_are_missing(
    value: Any, log: float, linear: float
) -> None:
    metadata = {"n.m": value}
    x = vector(LogFeature(field="metadata.n.m", high=9), metadata=metadata)
    y = vector(ScaledFeature(field="metadata.n.m", low=-1, high=9), metadata=metadata)
    assert x == [float(np.float32(log))]
    assert y == [float(np.float32(linear))]


@pytest.mark.parametrize(
    ("priority", "expected"), [(None, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.25), (6.0, 1), (9.0, 1)]
)
def test_linear(priority: float | None, expected: float) -> None:
    assert vector(ScaledFeature(field="priority", low=2, high=6), priority=priority) == [expected]


@pytest.mark.parametrize(
    ("region", "expected"),
    [("eu", [1, 0, 0]), ("us", [0, 1, 0]), ("mars", [0, 0, 1]), ("", [0, 0, 1]), (None, [0, 0, 0])],
)
def test_one_hot(region: str | None, expected: list[float]) -> None:
    feature = OneHotFeature(field="region", values=["eu", "us"])
    assert vector(feature, region=region) == expected


@pytest.mark.parametrize(
    ("value", "place"),
    [(7, 0), (7.0, 0), ("7", 0), (0.5, 1), (True, 2), ("true", 2), (False, 3), (1, 4), (2**62, 4)],
)
def test_values_are_compared_by_their_text(value: object, place: int) -> None:
    feature = OneHotFeature(field="metadata.v", values=["7", "0.5", "true", "false"])
    assert vector(feature, metadata={"v": value}).index(1.0) == place


def test_hashes_never_change() -> None:
    # Learned weights belong to these places: other ones need another version of the encoding.
    assert hashed_place("task_type", "code_generation", 16) == (15, 1.0)
    assert hashed_place("user_id", "u1", 16) == (2, 1.0)
    assert hashed_place("user_id", "ü", 128) == (39, 1.0)


def test_hashes_spread_over_buckets_and_signs_independently() -> None:
    count = 4_000
    places = [hashed_place("user_id", str(number), 8) for number in range(count)]
    for place in product(range(8), (-1.0, 1.0)):
        # Binomial(4000, 1/16): 250 on average, standard deviation 15.3.
        assert 180 < places.count(place) < 320


def test_a_hashed_value_takes_one_component() -> None:
    x = vector(HashedFeature(field="user_id", buckets=5), user_id="somebody")
    assert sorted(map(abs, x)) == [0, 0, 0, 0, 1]
    assert vector(HashedFeature(field="user_id", buckets=5)) == [0] * 5
    one = vector(HashedFeature(field="metadata.x", buckets=128), metadata={"x": "v"})
    other = vector(HashedFeature(field="metadata.y", buckets=128), metadata={"y": "v"})
    assert one != other


HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, [1, 0]), (6, [0, 1]), (12, [-1, 0]), (18, [0, -1]), (-1, None)]
)
def test_hour(hours: int, expected: list[float] | None) -> None:
    x = vector(CyclicalFeature(field="hour"), hours * HOUR_MS + HOUR_MS - 1)
    if expected is None:
        expected = [float(np.float32(np.cos(pi / 12))), float(np.float32(-np.sin(pi / 12)))]
    assert x == expected


@pytest.mark.parametrize("day", range(4, 18))
def test_weekday_agrees_with_the_calendar(day: int) -> None:
    when = datetime(2026, 5, day, 23, 59, tzinfo=UTC)
    x = vector(CyclicalFeature(field="weekday"), epoch_ms(when))
    angle = 2 * pi * when.weekday() / 7
    assert x == pytest.approx([np.cos(angle), np.sin(angle)], abs=1e-7)
    spec = ContextSpec(segment_by=["weekday", "hour"])
    assert segment_of(spec, request(), epoch_ms(when)) == f"weekday={when.weekday()}|hour=23"


def test_the_signature_tells_encodings_apart() -> None:
    specs = [
        ContextSpec(),
        ContextSpec(features=[]),
        ContextSpec(features=[HashedFeature(field="region")]),
        ContextSpec(features=[HashedFeature(field="region", buckets=17)]),
        ContextSpec(features=[HashedFeature(field="language")]),
        ContextSpec(features=[OneHotFeature(field="region", values=["a", "b"])]),
        ContextSpec(features=[OneHotFeature(field="region", values=["b", "a"])]),
        ContextSpec(features=[LogFeature(field="priority"), CyclicalFeature(field="hour")]),
        ContextSpec(features=[CyclicalFeature(field="hour"), LogFeature(field="priority")]),
        ContextSpec(features=[VocabularyFeature(field="region")]),
        ContextSpec(features=[VocabularyFeature(field="region", size=17)]),
        ContextSpec(features=[EmbeddingFeature(dim=8)]),
        ContextSpec(features=[EmbeddingFeature(dim=8, project=4)]),
        ContextSpec(features=[EmbeddingFeature(dim=9, project=4)]),
        *(
            ContextSpec(features=[InteractionFeature(left=left, right=right)])
            for left in (HashedFeature(field="region"), HashedFeature(field="region", buckets=17))
            for right in (LogFeature(field="priority"), LogFeature(field="input_tokens"))
        ),
        ContextSpec(
            features=[
                InteractionFeature(
                    left=LogFeature(field="priority"), right=HashedFeature(field="region")
                )
            ]
        ),
        ContextSpec(preset="fixed_10"),
    ]
    assert len({Encoder(spec).signature for spec in specs}) == len(specs)
    same = ContextSpec(segment_by=["region"], features=[HashedFeature(field="region", buckets=16)])
    assert Encoder(same).signature == Encoder(specs[2]).signature


@pytest.mark.parametrize(
    ("field", "context"),
    [
        ("input_tokens", {"input_tokens": 7}),
        ("input_chars", {"input_chars": 7}),
        ("output_length_category", {"output_length_category": "short"}),
        ("priority", {"priority": 7.0}),
        ("task_type", {"task_type": "code"}),
        ("user_id", {"user_id": "u"}),
        ("region", {"region": "eu"}),
        ("language", {"language": "python"}),
        ("metadata.a.b", {"metadata": {"a.b": "x"}}),
        ("hour", {}),
        ("weekday", {}),
    ],
)
def test_every_field_can_be_a_category_and_part_of_a_segment(
    field: str, context: dict[str, Any]
) -> None:
    (value,) = context.values() or [{"hour": 12, "weekday": 0}[field]]
    text = str(value["a.b"] if isinstance(value, dict) else value).removesuffix(".0")
    segment = segment_of(ContextSpec(segment_by=[field]), request(**context), NOON_ON_MONDAY)
    assert segment == f"{field}={text}"
    assert vector(OneHotFeature(field=field, values=[text]), **context) == [1, 0]
    known = Vocabularies()
    assert vector(VocabularyFeature(field=field, size=1), known=known, **context) == [1, 0]
    assert known.values(field) == (text,)
    assert max(map(abs, vector(HashedFeature(field=field), **context))) == 1


def test_a_field_that_no_request_has_is_refused() -> None:
    with pytest.raises(ValueError, match="'color' is not a context field"):
        Encoder(ContextSpec(features=[HashedFeature(field="color")]))
    with pytest.raises(ValueError, match="'region' is not a context field that holds numbers"):
        Encoder(ContextSpec(features=[LogFeature(field="region")]))
