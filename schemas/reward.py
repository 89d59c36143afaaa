"""What was observed after the call."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import ArmId, Milliseconds, RequestId, Route, Timestamp, Unit, Usd


class Outcome(Struct, frozen=True, array_like=True):
    """The measured parts of an outcome; money in USD, latency in ms."""

    quality: Unit | None = None
    cost_usd: Usd | None = None
    latency_ms: Milliseconds | None = None
    success: bool | None = None
    reward: Unit | None = None
    """The reward itself, for proxies that compute it: it is then taken as it is."""

    @property
    def empty(self) -> bool:
        """Whether nothing at all was observed."""
        return (
            self.quality is None
            and self.cost_usd is None
            and self.latency_ms is None
            and self.success is None
            and self.reward is None
        )

    def merged(self, later: Outcome) -> Outcome:
        """The fields of both; where both have one, the later part's."""
        return Outcome(
            quality=self.quality if later.quality is None else later.quality,
            cost_usd=self.cost_usd if later.cost_usd is None else later.cost_usd,
            latency_ms=self.latency_ms if later.latency_ms is None else later.latency_ms,
            success=self.success if later.success is None else later.success,
            reward=self.reward if later.reward is None else later.reward,
        )


class Reward(Struct, frozen=True, omit_defaults=True):
    """One reward event, on ``llm.rewards``, keyed by its route; joined by ``request_id``."""

    request_id: RequestId
    route: Route
    timestamp: Timestamp | None = None
    """When it was observed. Default: when the broker or the producer stamped the record."""
    quality: Unit | None = None
    """How good the answer was, from 0 to 1."""
    cost_usd: Usd | None = None
    """What the call cost, in USD."""
    latency_ms: Milliseconds | None = None
    """How long the call took, in ms."""
    success: bool | None = None
    """false: the call failed and earns nothing; true: quality 1, where no quality is given."""
    reward: Unit | None = None
    """The reward itself, for proxies that compute it: it is then taken as it is."""
    arm: ArmId | None = None
    """The arm that really served, if the proxy fell back to another than the decided one."""
    final: Annotated[
        bool,
        Meta(description="false: more parts follow; they merge, and learning happens once."),
    ] = True

    def outcome(self) -> Outcome:
        """The observed part of this event."""
        return Outcome(self.quality, self.cost_usd, self.latency_ms, self.success, self.reward)
