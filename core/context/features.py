"""How each kind of feature writes its components into a vector.

Categories are one-hot or hashed, never ordinal: an order that is not there misleads a linear model.
No value makes a writer fail, whether seen before or not; a missing one leaves zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from math import cos, log1p, pi, sin
from operator import attrgetter

from core.context.fields import hour_of, reader, text_of, weekday_of
from schemas.policy import (
    CyclicalFeature,
    Feature,
    HashedFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
)
from schemas.request import Context

Write = Callable[[list[float], Context, int], None]
"""Takes the vector, the context, and its time in ms since the epoch."""


def writer(feature: Feature, at: int) -> Write:
    """The function that writes ``feature`` into a vector of zeros, from component ``at`` on."""
    if isinstance(feature, LogFeature):
        return _log(feature, at)
    if isinstance(feature, ScaledFeature):
        return _linear(feature, at)
    if isinstance(feature, OneHotFeature):
        return _one_hot(feature, at)
    if isinstance(feature, HashedFeature):
        return _hashed(feature, at)
    return _cyclical(feature, at)


def _log(feature: LogFeature, at: int) -> Write:
    get = attrgetter(feature.field)
    full = log1p(feature.high)

    def write(values: list[float], context: Context, _at_ms: int) -> None:
        value = get(context)
        if value is not None:
            values[at] = min(1.0, log1p(value) / full)

    return write


def _linear(feature: ScaledFeature, at: int) -> Write:
    get = attrgetter(feature.field)
    low, span = feature.low, feature.high - feature.low

    def write(values: list[float], context: Context, _at_ms: int) -> None:
        value = get(context)
        if value is not None:
            values[at] = min(1.0, max(0.0, (value - low) / span))

    return write


def _one_hot(feature: OneHotFeature, at: int) -> Write:
    read = reader(feature.field)
    places = {value: at + index for index, value in enumerate(feature.values)}
    other = at + len(feature.values)

    def write(values: list[float], context: Context, at_ms: int) -> None:
        value = read(context, at_ms)
        if value is not None:
            values[places.get(text_of(value), other)] = 1.0

    return write


def _hashed(feature: HashedFeature, at: int) -> Write:
    read = reader(feature.field)
    field, buckets = feature.field, feature.buckets

    def write(values: list[float], context: Context, at_ms: int) -> None:
        value = read(context, at_ms)
        if value is not None:
            bucket, sign = hashed_place(field, text_of(value), buckets)
            values[at + bucket] = sign

    return write


@lru_cache(maxsize=16_384)
def hashed_place(field: str, text: str, buckets: int) -> tuple[int, float]:
    """Bucket and sign of a category, from separate bits of one BLAKE2b digest."""
    digest = blake2b(f"{field}={text}".encode(errors="surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    return (number >> 1) % buckets, 1.0 if number & 1 else -1.0


def _cyclical(feature: CyclicalFeature, at: int) -> Write:
    place, period = (hour_of, 24) if feature.field == "hour" else (weekday_of, 7)
    circle = [
        (round(cos(2 * pi * step / period), 12), round(sin(2 * pi * step / period), 12))
        for step in range(period)
    ]

    def write(values: list[float], _context: Context, at_ms: int) -> None:
        values[at], values[at + 1] = circle[place(at_ms)]

    return write
