"""Guardrails that can be kept."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.fields import duration_ms
from schemas.policy import Policy, Search


def guardrail_problems(policy: Policy) -> Iterator[str]:
    """What is wrong with the guardrails of a policy."""
    guardrails = policy.guardrails
    if guardrails is None:
        return
    if isinstance(policy.algorithm, Search):
        yield "guardrails: a search has one arm, so there is nothing to choose; leave them out"
    try:
        duration_ms(guardrails.cooldown)
    except ValueError as error:
        yield f"guardrails.cooldown: {error}"
    fallback = guardrails.fallback
    if fallback is not None and fallback not in {arm.id for arm in policy.arms}:
        yield f"guardrails.fallback: {fallback!r} is not an arm of this policy"
    enabled = sum(arm.enabled for arm in policy.arms)
    if guardrails.min_share * enabled > 1.0:
        yield (
            f"guardrails.min_share: {enabled} enabled arms with {guardrails.min_share:g} each make "
            f"more than 1; at most {1 / enabled:.4g} is possible"
        )
