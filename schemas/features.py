"""What a policy's feature list means: known fields, the default list, dimensions, identity."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, get_args

import msgspec

from schemas.policy import (
    ContextField,
    ContextSpec,
    CyclicalFeature,
    Feature,
    HashedFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
)

METADATA: Final = "metadata."
CONTEXT_FIELDS: Final[tuple[str, ...]] = get_args(ContextField)
MAX_DIMENSION: Final = 256

DEFAULT_FEATURES: Final[tuple[Feature, ...]] = (
    LogFeature(field="input_tokens"),
    OneHotFeature(field="output_length_category", values=["short", "medium", "long"]),
    ScaledFeature(field="priority"),
    HashedFeature(field="task_type"),
    CyclicalFeature(field="hour"),
    CyclicalFeature(field="weekday"),
)


def is_context_field(name: str) -> bool:
    """Whether a policy may read ``name`` from a request: a field, or ``metadata.<key>``."""
    return name in CONTEXT_FIELDS or (name.startswith(METADATA) and name != METADATA)


def features_of(spec: ContextSpec) -> Sequence[Feature]:
    """The features of a policy; the default list where it names none."""
    return DEFAULT_FEATURES if spec.features is None else spec.features


def feature_dim(feature: Feature) -> int:
    """How many components of the vector a feature takes."""
    if isinstance(feature, OneHotFeature):
        return len(feature.values) + 1
    if isinstance(feature, HashedFeature):
        return feature.buckets
    if isinstance(feature, CyclicalFeature):
        return 2
    return 1


def context_dim(spec: ContextSpec) -> int:
    """The length of the encoded vector: the constant component, then those of all features."""
    return 1 + sum(feature_dim(feature) for feature in features_of(spec))


def features_text(spec: ContextSpec) -> str:
    """The feature list as canonical JSON: equal for two lists that say the same.

    Defaults are written out, so that a later change of a default shows.
    """
    listed = [
        [feature.__struct_config__.tag, msgspec.structs.asdict(feature)]
        for feature in features_of(spec)
    ]
    return json.dumps(listed, sort_keys=True, separators=(",", ":"))
