"""Segments and features that requests have, and a vector that is not too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isfinite

from schemas.features import (
    MAX_DIMENSION,
    NUMBER_FIELDS,
    context_dim,
    features_of,
    features_text,
    is_context_field,
    is_number_field,
    simple_features,
)
from schemas.policy import (
    ContextSpec,
    EmbeddingFeature,
    Feature,
    InteractionFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
    SimpleFeature,
)
from schemas.validation.common import not_a_field, repeated

_LISTED = "context.features"


def context_problems(spec: ContextSpec) -> Iterator[str]:
    """What is wrong with the context of a policy."""
    for index, name in enumerate(spec.segment_by):
        yield from _field(f"context.segment_by[{index}]", name)
    for name in repeated(spec.segment_by):
        yield f"context.segment_by: {name!r} occurs more than once"
    if spec.preset is not None and spec.features is not None:
        yield (
            f"context: expected at most one of preset and features, found both; the preset "
            f"{spec.preset} is a whole list of features"
        )
        return
    simple = list(simple_features(spec.features or ()))
    for path, feature in simple:
        yield from _simple(_LISTED + path, feature)
    yield from _embeddings(simple)
    yield from _repeated_features(spec.features or ())
    dimension = context_dim(spec)
    if dimension > MAX_DIMENSION:
        yield (
            f"{_LISTED}: {len(features_of(spec))} features make {dimension} components, at most "
            f"{MAX_DIMENSION} are allowed; {_smaller(spec.features or ())}"
        )


def _simple(where: str, feature: SimpleFeature) -> Iterator[str]:
    if isinstance(feature, EmbeddingFeature):
        if feature.project is not None and feature.project >= feature.dim:
            yield (
                f"{where}: project ({feature.project}) must be less than dim ({feature.dim}); "
                "leave it out to keep the embedding as it is"
            )
        return
    if isinstance(feature, LogFeature | ScaledFeature):
        yield from _number(f"{where}.field", feature.field)
    else:
        yield from _field(f"{where}.field", feature.field)
    if isinstance(feature, ScaledFeature):
        if not feature.low < feature.high:
            yield f"{where}: low ({feature.low}) must be less than high ({feature.high})"
        elif not isfinite(feature.high - feature.low):
            yield f"{where}: low ({feature.low}) and high ({feature.high}) are too far apart"
    if isinstance(feature, OneHotFeature):
        for value in repeated(feature.values):
            yield f"{where}.values: {value!r} occurs more than once"


def _embeddings(simple: Iterable[tuple[str, SimpleFeature]]) -> Iterator[str]:
    """A request has one embedding, so all features must expect the same length."""
    first: tuple[str, int] | None = None
    for path, feature in simple:
        if not isinstance(feature, EmbeddingFeature):
            continue
        if first is None:
            first = path, feature.dim
        elif feature.dim != first[1]:
            yield (
                f"{_LISTED}{path}.dim: expected {first[1]} as in {_LISTED}{first[0]}, found "
                f"{feature.dim}; a request has one embedding"
            )


def _repeated_features(features: Iterable[Feature]) -> Iterator[str]:
    alone = [_identity(feature) for feature in features]
    for text in repeated(alone):
        first = alone.index(text)
        again = alone.index(text, first + 1)
        yield f"{_LISTED}[{again}]: the same as {_LISTED}[{first}]"


def _identity(feature: Feature) -> str:
    """Equal for features with the same components, in whatever order."""
    if isinstance(feature, InteractionFeature):
        return " x ".join(sorted([_identity(feature.left), _identity(feature.right)]))
    return features_text(ContextSpec(features=[feature]))


def _smaller(features: Iterable[Feature]) -> str:
    """What to do about a vector that is too long."""
    if any(
        isinstance(feature, EmbeddingFeature) and feature.project is None
        for _, feature in simple_features(list(features))
    ):
        return "project the embedding, e.g. to 32 components"
    return "use fewer values or buckets"


def _number(where: str, name: str) -> Iterator[str]:
    if is_context_field(name) and not is_number_field(name):
        yield (
            f"{where}: {name!r} is not a number; expected {', '.join(NUMBER_FIELDS)} or "
            "metadata.<key>"
        )
    else:
        yield from _field(where, name)


def _field(where: str, name: str) -> Iterator[str]:
    if not is_context_field(name):
        yield not_a_field(where, name)
