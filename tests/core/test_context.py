from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from math import log1p, pi
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.context.encoder import Encoder, segment_of
from core.context.features import hashed_place
from schemas.fields import epoch_ms
from schemas.policy import (
    ContextSpec,
    CyclicalFeature,
    Feature,
    HashedFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
)
from schemas.request import Context, Request

NOON_ON_MONDAY = epoch_ms(datetime(2026, 5, 4, 12, 30, tzinfo=UTC))


def request(**context: Any) -> Request:
    return Request("r", "a", context=Context(**context))


def vector(feature: Feature, at_ms: int = NOON_ON_MONDAY, **context: Any) -> list[float]:
    """The components of one feature, without the bias."""
    encoder = Encoder(ContextSpec(features=[feature]))
    return [float(x) for x in encoder.unpack(encoder.encode(request(**context), at_ms))[1:]]


metadata = st.dictionaries(
    st.sampled_from(["a", "b=c"]),
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.none(),
)
contexts = st.builds(
    Context,
    input_tokens=st.none() | st.integers(0, 2**53),
    output_length_category=st.none() | st.sampled_from(["short", "long", "endless"]),
    priority=st.none() | st.floats(0, 10),
    task_type=st.none() | st.text(),
    user_id=st.none() | st.text(),
    region=st.none() | st.text(),
    language=st.none() | st.text(),
    metadata=metadata,
)
anything = st.sampled_from(
    ["task_type", "region", "priority", "hour", "metadata.a", "metadata.b=c"]
)
numbers = st.sampled_from(["input_tokens", "priority"])
features = st.one_of(
    st.builds(LogFeature, field=numbers, high=st.floats(1e-300, 1e9)),
    st.builds(
        ScaledFeature,
        field=numbers,
        low=st.floats(-1e308, 0.0),
        high=st.floats(0.0, 1e308, exclude_min=True),
    ),
    st.builds(
        OneHotFeature,
        field=anything,
        values=st.lists(st.text(), min_size=1, max_size=4, unique=True),
    ),
    st.builds(HashedFeature, field=anything, buckets=st.integers(2, 40)),
    st.builds(CyclicalFeature, field=st.sampled_from(["hour", "weekday"])),
)
specs = st.builds(ContextSpec, features=st.none() | st.lists(features, max_size=5))
moments = st.integers(-(2**45), 2**45)


@given(specs, contexts, moments)
def test_every_context_gives_a_bounded_vector_that_float32_holds(
    spec: ContextSpec, context: Context, at_ms: int
) -> None:
    encoder = Encoder(spec)
    data = encoder.encode(Request("r", "a", context=context), at_ms)
    x = encoder.unpack(data)
    assert x.shape == (encoder.dim,)
    assert x.dtype == np.float64
    assert x[0] == 1.0
    assert np.all(np.abs(x) <= 1.0)  # false for NaN, too
    assert x.astype("<f4").tobytes() == data


@given(specs, st.lists(contexts, max_size=4))
def test_a_matrix_has_the_vectors_as_rows(spec: ContextSpec, listed: list[Context]) -> None:
    encoder = Encoder(spec)
    rows = [encoder.encode(Request("r", "a", context=context), 0) for context in listed]
    X = encoder.matrix(rows)
    assert X.shape == (len(rows), encoder.dim)
    assert X.dtype == np.float64
    for context, row, x in zip(listed, rows, X, strict=True):
        assert np.array_equal(encoder.unpack(row), x)
        # What an encoder has seen before leaves no trace.
        assert Encoder(spec).encode(Request("r", "a", context=context), 0) == row


def test_bytes_of_another_dimension_are_refused() -> None:
    encoder = Encoder(ContextSpec())
    row = bytes(4 * encoder.dim)
    refusals: list[Callable[[], object]] = [
        lambda: encoder.unpack(row[4:]),
        lambda: encoder.matrix([row, row + row]),
        lambda: encoder.matrix([row[4:], row + row[:4]]),
    ]
    for refusal in refusals:
        with pytest.raises(ValueError, match="108 were expected"):
            refusal()


def test_the_default_vector() -> None:
    encoder = Encoder(ContextSpec())
    full = request(input_tokens=131_072, output_length_category="long", priority=5, task_type="x")
    x = encoder.unpack(encoder.encode(full, NOON_ON_MONDAY))
    bucket, sign = hashed_place("task_type", "x", 16)
    expected = np.zeros(27)
    expected[[0, 1, 4, 6, 7 + bucket]] = [1, 1, 1, 0.5, sign]
    expected[23:] = [-1, 0, 1, 0]
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(None, 0.0), (0, 0.0), (99, log1p(99) / log1p(999)), (999, 1.0), (10**9, 1.0)],
)
def test_log(tokens: int | None, expected: float) -> None:
    feature = LogFeature(field="input_tokens", high=999)
    assert vector(feature, input_tokens=tokens) == [np.float32(expected)]


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
    ]
    assert len({Encoder(spec).signature for spec in specs}) == len(specs)
    same = ContextSpec(segment_by=["region"], features=[HashedFeature(field="region", buckets=16)])
    assert Encoder(same).signature == Encoder(specs[2]).signature


def test_a_field_that_no_request_has_is_refused() -> None:
    with pytest.raises(ValueError, match="'color' is not a context field"):
        Encoder(ContextSpec(features=[HashedFeature(field="color")]))
