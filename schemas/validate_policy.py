"""What a policy must fulfil as a whole, beyond the types of its fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

import orjson

from schemas.features import (
    CONTEXT_FIELDS,
    MAX_DIMENSION,
    context_dim,
    features_of,
    features_text,
    is_context_field,
)
from schemas.fields import duration_ms
from schemas.policy import (
    ArmSpec,
    ContextSpec,
    OneHotFeature,
    Policy,
    ScaledFeature,
)

MAX_PARAMS_BYTES: Final = 16 * 1024


def policy_problems(policy: Policy) -> list[str]:
    """All that is wrong with a policy, each as one sentence that names the field; [] if nothing.

    The policy's fields must already have the right types and ranges (``decode_policy``).
    """
    return [
        *_version(policy.version),
        *_arms(policy.arms),
        *_objective(policy),
        *_context(policy.context),
        *_durations(policy),
        *_drift(policy),
    ]


def _version(version: int) -> Iterator[str]:
    if version < 1:
        yield f"version: expected 1 or more, found {version}"


def _arms(arms: list[ArmSpec]) -> Iterator[str]:
    for arm_id in _repeated(arm.id for arm in arms):
        yield f"arms: the id {arm_id!r} occurs more than once; give every arm its own"
    if not any(arm.enabled for arm in arms):
        yield "arms: all are disabled; at least one must be enabled"
    for index, arm in enumerate(arms):
        where = f"arms[{index}].params"
        try:
            size = len(orjson.dumps(arm.params))
        except orjson.JSONEncodeError as error:
            yield f"{where}: cannot be written as JSON again ({error}); integers must fit 64 bits"
            continue
        if size > MAX_PARAMS_BYTES:
            yield f"{where}: {size} bytes of JSON, at most {MAX_PARAMS_BYTES} are allowed"


def _objective(policy: Policy) -> Iterator[str]:
    weights = policy.objective.weights
    if weights is not None and not (weights.quality or weights.cost or weights.latency):
        yield "objective.weights: all are 0; at least one must be positive"


def _context(spec: ContextSpec) -> Iterator[str]:
    for index, name in enumerate(spec.segment_by):
        yield from _field(f"context.segment_by[{index}]", name)
    for name in _repeated(spec.segment_by):
        yield f"context.segment_by: {name!r} occurs more than once"
    for index, feature in enumerate(spec.features or ()):
        where = f"context.features[{index}]"
        yield from _field(f"{where}.field", feature.field)
        if isinstance(feature, ScaledFeature) and not feature.low < feature.high:
            yield f"{where}: low ({feature.low}) must be less than high ({feature.high})"
        if isinstance(feature, OneHotFeature):
            for value in _repeated(feature.values):
                yield f"{where}.values: {value!r} occurs more than once"
    alone = [features_text(ContextSpec(features=[feature])) for feature in spec.features or ()]
    for text in _repeated(alone):
        first = alone.index(text)
        again = alone.index(text, first + 1)
        yield f"context.features[{again}]: the same as context.features[{first}]"
    dimension = context_dim(spec)
    if dimension > MAX_DIMENSION:
        yield (
            f"context.features: {len(features_of(spec))} features make {dimension} components, "
            f"at most {MAX_DIMENSION} are allowed; use fewer values or buckets"
        )


def _field(where: str, name: str) -> Iterator[str]:
    if is_context_field(name):
        return
    near = get_close_matches(name, CONTEXT_FIELDS, n=1)
    known = f"known are {', '.join(CONTEXT_FIELDS)}, and metadata.<key>"
    hint = f"did you mean {near[0]!r}?" if near else known
    yield f"{where}: {name!r} is not a context field; {hint}"


def _durations(policy: Policy) -> Iterator[str]:
    for name, value in (("window", policy.reward.window), ("hold", policy.reward.hold)):
        try:
            duration_ms(value)
        except ValueError as error:
            yield f"reward.{name}: {error}"


def _drift(policy: Policy) -> Iterator[str]:
    drift = policy.drift
    if not drift.warning_delta > drift.delta:
        yield (
            f"drift: warning_delta ({drift.warning_delta}) must be greater than delta "
            f"({drift.delta}), so that a warning comes before its drift"
        )
    for metric in _repeated(drift.on):
        yield f"drift.on: {metric!r} occurs more than once"


def _repeated(items: Iterable[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]
