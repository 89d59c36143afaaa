"""Why a request gets no arm, in words that say what to do."""

from __future__ import annotations

from typing import NamedTuple

from core.routing.compiled import CompiledPolicy


class Refusals(NamedTuple):
    """Why none of a request's arms may be chosen."""

    reasons: dict[str, str]


def no_policy(route: str, latest: int) -> str:
    """Of a route that has none; ``latest`` is the highest version that it had, 0 for none."""
    if latest:
        return (
            f"the policy of route {route!r} was withdrawn: publish one of a version above {latest} "
            f"on the policy topic with key {route!r}"
        )
    return (
        f"route {route!r} has no policy: publish one on the policy topic with key {route!r}, or "
        "name candidates in the request"
    )


def none_left(compiled: CompiledPolicy, refusals: Refusals) -> str:
    """Of a policy of which a request could get no arm."""
    if refusals.reasons:
        removed = "; ".join(f"{arm}: {reason}" for arm, reason in refusals.reasons.items())
        return (
            f"guardrails of policy version {compiled.version} set aside every arm that the request "
            f"could get, and name no fallback: {removed}"
        )
    enabled = ", ".join(compiled.eligible) or "none"
    return (
        f"no arm is left to choose: policy version {compiled.version} has the enabled arms "
        f"{enabled}, and the request's candidates name none of them"
    )
