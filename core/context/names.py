"""What the components of an encoded context are called, for those who read a vector."""

from __future__ import annotations

from collections.abc import Sequence

from core.context.vocabulary import Vocabularies
from schemas.features import Encoded, FixedTen, feature_dim, features_of
from schemas.policy import (
    ContextSpec,
    CyclicalFeature,
    EmbeddingFeature,
    HashedFeature,
    InteractionFeature,
    LogFeature,
    OneHotFeature,
    VocabularyFeature,
)

BIAS = "1"
_FIXED_TEN = (
    "log input_tokens",
    "output_length_category (ordinal)",
    "linear priority",
    "cos hour",
    "sin hour",
    "cos weekday",
    "sin weekday",
    "hash task_type",
    "reserved",
)


def component_names(spec: ContextSpec, vocabularies: Vocabularies | None = None) -> list[str]:
    """The name of each component of the vector that ``Encoder(spec)`` makes, in its order.

    A category's component is ``field=value``, and ``field=*`` the one that all other values share;
    a hashed one is ``field#bucket``. ``vocabularies`` are the route's, for the values that it has
    learned; a place that no value has taken yet is ``field=(free i)``.
    """
    names = [BIAS]
    for feature in features_of(spec):
        names += _names(feature, vocabularies)
    return names


def _names(feature: Encoded, vocabularies: Vocabularies | None) -> Sequence[str]:
    if isinstance(feature, OneHotFeature):
        return [f"{feature.field}={value}" for value in (*feature.values, "*")]
    if isinstance(feature, VocabularyFeature):
        known = () if vocabularies is None else vocabularies.values(feature.field)[: feature.size]
        free = [f"(free {place})" for place in range(len(known), feature.size)]
        return [f"{feature.field}={value}" for value in (*known, *free, "*")]
    if isinstance(feature, HashedFeature):
        return [f"{feature.field}#{bucket}" for bucket in range(feature.buckets)]
    if isinstance(feature, CyclicalFeature):
        return [f"cos {feature.field}", f"sin {feature.field}"]
    if isinstance(feature, EmbeddingFeature):
        what = "embedding" if feature.project is None else "projected embedding"
        return [f"{what}[{index}]" for index in range(feature_dim(feature))]
    if isinstance(feature, InteractionFeature):
        right = _names(feature.right, vocabularies)
        return [f"{a} × {b}" for a in _names(feature.left, vocabularies) for b in right]  # noqa: RUF001
    if isinstance(feature, FixedTen):
        return _FIXED_TEN
    return [f"{'log' if isinstance(feature, LogFeature) else 'linear'} {feature.field}"]
