"""The answer to one request: a decision, or a rejection with its reason."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from schemas.fields import ArmId, EpochMs, RequestId, Route, Unit

RejectionCode = Literal["unknown_route", "no_eligible_arm", "invalid_request"]


class Decision(Struct, frozen=True, tag_field="status", tag="decided"):
    """Which arm serves the request, with the exact probability of that choice."""

    request_id: RequestId
    route: Route
    arm: ArmId
    model: str
    params: dict[str, Any]
    propensity: Unit
    policy_version: int
    state_version: int
    """The place of the request among all inputs that its partition applied, from 1."""
    timestamp: EpochMs
    variant: str | UnsetType = UNSET
    """Which side of the route's experiment or rollout it met. The propensity is over all sides."""


class Rejection(Struct, frozen=True, tag_field="status", tag="rejected"):
    """Why no arm was chosen; the proxy should use its own fallback."""

    request_id: RequestId
    route: Route
    code: RejectionCode
    reason: str
    state_version: int
    timestamp: EpochMs


Answer = Decision | Rejection
"""What stands on ``llm.decisions``, told apart by ``status``."""
