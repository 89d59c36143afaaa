"""What a policy's feature list means: known fields, the default list, dimensions, identity."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from schemas.policy import (
    ContextField,
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
from schemas.policy.strict import Strict

METADATA: Final = "metadata."
CONTEXT_FIELDS: Final[tuple[str, ...]] = get_args(ContextField)
NUMBER_FIELDS: Final = ("input_tokens", "input_chars", "priority")
"""Those that can be scaled, beside ``metadata.<key>``."""
MAX_DIMENSION: Final = 256
TIME_FIELDS: Final = frozenset({"hour", "weekday"})


class FixedTen(Strict, frozen=True, tag_field="encode", tag="fixed_10"):
    """What the preset of that name stands for; no policy can list it as a feature.

    Components, after the constant 1 at 0:

    1. input_tokens, log(1 + value) / log(1 + 131072), at most 1
    2. output_length_category: short 0, medium 0.5, long 1, another name 0.5
    3. priority / 10
    4. cosine and
    5. sine of the hour in UTC
    6. cosine and
    7. sine of the weekday in UTC, Monday 0
    8. task_type: a hash of the name, one of 0, 1/1023, ..., 1
    9. 0, reserved

    What is missing is 0. It is inferior to the default features: 2 and 8 put categories into
    an order, and 8's means nothing, so a linear model learns that neighbours earn alike (LinUCB's
    regret over 5,000 steps in an earlier system: 309 with ordinal categories, 36 with one-hot
    ones). It is for those who must compare with a system that encoded like this.
    """


DEFAULT_FEATURES: Final[tuple[Feature, ...]] = (
    LogFeature(field="input_tokens"),
    OneHotFeature(field="output_length_category", values=["short", "medium", "long"]),
    ScaledFeature(field="priority"),
    VocabularyFeature(field="task_type"),
    CyclicalFeature(field="hour"),
    CyclicalFeature(field="weekday"),
)
PRESETS: Final = {"fixed_10": (FixedTen(),)}

Encoded = Feature | FixedTen
"""What a vector is made of."""


def is_context_field(name: str) -> bool:
    """Whether a policy may read ``name`` from a request: a field, or ``metadata.<key>``."""
    return name in CONTEXT_FIELDS or (name.startswith(METADATA) and name != METADATA)


def is_number_field(name: str) -> bool:
    """Whether log and linear may read ``name``: metadata may hold a number."""
    return is_context_field(name) and (name in NUMBER_FIELDS or name.startswith(METADATA))


def features_of(spec: ContextSpec) -> Sequence[Encoded]:
    """The features of a policy; the default list where it names none and no preset."""
    if spec.preset is not None:
        return PRESETS[spec.preset]
    return DEFAULT_FEATURES if spec.features is None else spec.features


def simple_features(features: Sequence[Encoded]) -> Iterator[tuple[str, SimpleFeature]]:
    """The features with the sides of interactions taken apart, each with its path in the list."""
    for index, feature in enumerate(features):
        if isinstance(feature, InteractionFeature):
            yield f"[{index}].left", feature.left
            yield f"[{index}].right", feature.right
        elif not isinstance(feature, FixedTen):
            yield f"[{index}]", feature


def feature_dim(feature: Encoded) -> int:
    """How many components of the vector a feature takes."""
    if isinstance(feature, OneHotFeature):
        return len(feature.values) + 1
    if isinstance(feature, HashedFeature):
        return feature.buckets
    if isinstance(feature, VocabularyFeature):
        return feature.size + 1
    if isinstance(feature, CyclicalFeature):
        return 2
    if isinstance(feature, EmbeddingFeature):
        return feature.dim if feature.project is None else feature.project
    if isinstance(feature, InteractionFeature):
        return feature_dim(feature.left) * feature_dim(feature.right)
    if isinstance(feature, FixedTen):
        return 9
    return 1


def context_dim(spec: ContextSpec) -> int:
    """The length of the encoded vector: the constant component, then those of all features."""
    return 1 + sum(feature_dim(feature) for feature in features_of(spec))


def features_text(spec: ContextSpec) -> str:
    """The feature list as canonical JSON: equal for two lists that say the same.

    Defaults are written out, so that a later change of a default shows.
    """
    listed = [_listed(feature) for feature in features_of(spec)]
    return json.dumps(listed, sort_keys=True, separators=(",", ":"))


def _listed(feature: Strict) -> list[Any]:
    """A feature as its tag and its fields, the sides of an interaction likewise."""
    values = {name: getattr(feature, name) for name in feature.__struct_fields__}
    return [
        feature.__struct_config__.tag,
        {name: _listed(x) if isinstance(x, Strict) else x for name, x in values.items()},
    ]


def reads_time(spec: ContextSpec) -> bool:
    """Whether a vector depends on when its request was made."""
    features = features_of(spec)
    return any(isinstance(feature, FixedTen) for feature in features) or any(
        isinstance(feature, CyclicalFeature) or getattr(feature, "field", None) in TIME_FIELDS
        for _, feature in simple_features(features)
    )
