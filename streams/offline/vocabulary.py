"""Categories that a log shows, written out in the policy that starts from it.

A ``vocabulary`` feature's components belong to the values that a route's requests bring first.
What a log has taught refers to values of its own, so the policy must name these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from core.context.encoder import ContextError
from core.context.vocabulary import Vocabularies
from core.routing.compiled import CompiledPolicy
from schemas.features import FixedTen, features_of
from schemas.policy import (
    ContextSpec,
    Feature,
    InteractionFeature,
    OneHotFeature,
    Policy,
    SimpleFeature,
    VocabularyFeature,
)
from schemas.request import Request
from streams.offline.outcomes import Call


def written_out(policy: Policy, calls: Iterable[Call]) -> Policy:
    """The policy with a ``one_hot`` of the log's first values for every ``vocabulary`` feature.

    A feature of which the log has no value is left out. Policies that use no such feature stay as
    they are.
    """
    compiled = CompiledPolicy(policy, policy.version)
    encoder = compiled.encoder
    if not (compiled.bandit.contextual and encoder.learns):
        return policy
    known = Vocabularies()
    for call in calls:
        if call.context is not None:
            request = Request(request_id="-", route=policy.route, context=call.context)
            try:
                encoder.encode(request, call.at_ms or 0, known)
            except ContextError:
                continue  # it is skipped again, with its reason, when it should teach
    found = [_written(feature, known) for feature in _listed(policy.context)]
    features = [feature for feature in found if feature is not None]
    context = msgspec.structs.replace(policy.context, features=features)
    return msgspec.structs.replace(policy, context=context)


def with_context(document: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """The policy document with the features of ``policy``."""
    features = msgspec.to_builtins(policy.context.features)
    return {**document, "context": {**document.get("context", {}), "features": features}}


def _listed(spec: ContextSpec) -> list[Feature]:
    return [feature for feature in features_of(spec) if not isinstance(feature, FixedTen)]


def _written(feature: Feature, known: Vocabularies) -> Feature | None:
    if isinstance(feature, InteractionFeature):
        left, right = _simple(feature.left, known), _simple(feature.right, known)
        return None if left is None or right is None else InteractionFeature(left, right)
    return _simple(feature, known)


def _simple(feature: SimpleFeature, known: Vocabularies) -> SimpleFeature | None:
    if not isinstance(feature, VocabularyFeature):
        return feature
    values = list(known.values(feature.field))[: feature.size]
    return OneHotFeature(feature.field, values) if values else None
