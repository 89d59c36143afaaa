"""How each kind of feature writes its components into a vector.

Categories are one-hot or hashed, never ordinal: an order that is not there misleads a linear model.
No value makes a writer fail, whether seen before or not; a missing one leaves zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from math import cos, log1p, pi, sin

from core.context.embedding import projected, unit
from core.context.fields import CYCLES, category, number
from core.context.vocabulary import Vocabularies
from schemas.features import feature_dim
from schemas.policy import (
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
from schemas.request import Context

Write = Callable[[list[float], Context, int, Vocabularies | None], None]
"""Takes the vector, the context, its time in ms since the epoch, and the route's vocabularies."""


def writer(feature: Feature, at: int) -> Write:
    """The function that writes ``feature`` into a vector of zeros, from component ``at`` on.

    Only vocabulary features look at the vocabularies. They extend them, too, and raise ValueError
    where there are none. Embeddings must have the feature's length.
    """
    if isinstance(feature, LogFeature):
        return _log(feature, at)
    if isinstance(feature, ScaledFeature):
        return _linear(feature, at)
    if isinstance(feature, OneHotFeature):
        return _one_hot(feature, at)
    if isinstance(feature, HashedFeature):
        return _hashed(feature, at)
    if isinstance(feature, VocabularyFeature):
        return _vocabulary(feature, at)
    if isinstance(feature, EmbeddingFeature):
        return _embedding(feature, at)
    if isinstance(feature, InteractionFeature):
        return _interaction(feature, at)
    return _cyclical(feature, at)


def _log(feature: LogFeature, at: int) -> Write:
    read = number(feature.field)
    full = log1p(feature.high)

    def write(values: list[float], context: Context, _at: int, _known: Vocabularies | None) -> None:
        value = read(context)
        if value is not None and value > 0:
            share = log1p(value) / full
            values[at] = share if share < 1.0 else 1.0

    return write


def _linear(feature: ScaledFeature, at: int) -> Write:
    read = number(feature.field)
    low, span = feature.low, feature.high - feature.low

    def write(values: list[float], context: Context, _at: int, _known: Vocabularies | None) -> None:
        value = read(context)
        if value is not None:
            share = (value - low) / span
            if share > 0.0:
                values[at] = share if share < 1.0 else 1.0

    return write


def _one_hot(feature: OneHotFeature, at: int) -> Write:
    read = category(feature.field)
    places = {value: at + index for index, value in enumerate(feature.values)}
    other = at + len(feature.values)

    def write(
        values: list[float], context: Context, at_ms: int, _known: Vocabularies | None
    ) -> None:
        value = read(context, at_ms)
        if value is not None:
            values[places.get(value, other)] = 1.0

    return write


def _hashed(feature: HashedFeature, at: int) -> Write:
    read = category(feature.field)
    field, buckets = feature.field, feature.buckets

    def write(
        values: list[float], context: Context, at_ms: int, _known: Vocabularies | None
    ) -> None:
        value = read(context, at_ms)
        if value is not None:
            bucket, sign = hashed_place(field, value, buckets)
            values[at + bucket] = sign

    return write


@lru_cache(maxsize=16_384)
def hashed_place(field: str, text: str, buckets: int) -> tuple[int, float]:
    """Bucket and sign of a category, from separate bits of one BLAKE2b digest."""
    digest = blake2b(f"{field}={text}".encode(errors="surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    return (number >> 1) % buckets, 1.0 if number & 1 else -1.0


def _vocabulary(feature: VocabularyFeature, at: int) -> Write:
    read = category(feature.field)
    field, size = feature.field, feature.size

    def write(
        values: list[float], context: Context, at_ms: int, known: Vocabularies | None
    ) -> None:
        if known is None:
            raise ValueError("a vocabulary feature needs the vocabularies of its route")
        value = read(context, at_ms)
        if value is not None:
            values[at + known.place(field, value, size)] = 1.0

    return write


def _cyclical(feature: CyclicalFeature, at: int) -> Write:
    shift, step_ms, period = CYCLES[feature.field]
    circle = [
        (round(cos(2 * pi * step / period), 12), round(sin(2 * pi * step / period), 12))
        for step in range(period)
    ]

    def write(
        values: list[float], _context: Context, at_ms: int, _known: Vocabularies | None
    ) -> None:
        values[at], values[at + 1] = circle[(at_ms + shift) // step_ms % period]

    return write


def _embedding(feature: EmbeddingFeature, at: int) -> Write:
    components = feature.project
    end = at + feature_dim(feature)

    def write(values: list[float], context: Context, _at: int, _known: Vocabularies | None) -> None:
        given = context.embedding
        if given is not None:
            values[at:end] = (
                unit(given).tolist() if components is None else projected(given, components)
            )

    return write


def _interaction(feature: InteractionFeature, at: int) -> Write:
    """Products in row-major order: component i of ``left`` times j of ``right`` is i * n + j."""
    m, n = feature_dim(feature.left), feature_dim(feature.right)
    write_left, write_right = writer(feature.left, 0), writer(feature.right, 0)

    def write(
        values: list[float], context: Context, at_ms: int, known: Vocabularies | None
    ) -> None:
        left, right = [0.0] * m, [0.0] * n
        write_left(left, context, at_ms, known)
        write_right(right, context, at_ms, known)
        factors = [(j, b) for j, b in enumerate(right, at) if b]
        for row, a in enumerate(left):
            if a:
                for j, b in factors:
                    values[row * n + j] = a * b

    return write
