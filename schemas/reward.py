"""What was observed after the call."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.fields import ArmId, Count, Milliseconds, RequestId, Route, Timestamp, Unit, Usd

Rating = Annotated[float, Meta(ge=1.0, le=5.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e9, description="Seconds.")]


class Signals(Struct, frozen=True, omit_defaults=True):
    """What the user did with the answer; each signal may be missing, unknown ones are ignored."""

    rating: Rating | None = None
    """The user's rating, from 1 (worst) to 5 (best)."""
    completed: bool | None = None
    """The user did what the answer was for."""
    retried: bool | None = None
    """The user asked again or had the answer made anew."""
    edited: bool | None = None
    """The user changed the answer before using it."""
    dwell_s: Seconds | None = None
    """How long the user stayed with the answer, in seconds."""
    saved: bool | None = None
    """The user kept the answer."""
    shared: bool | None = None
    """The user passed the answer on."""

    @property
    def empty(self) -> bool:
        """Whether no signal is there."""
        return self == _NO_SIGNALS

    def merged(self, later: Signals) -> Signals:
        """The signals of both; where both have one, the later part's."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(later), strict=True)
        return Signals(*(old if new is None else new for old, new in pairs))


_NO_SIGNALS = Signals()


class Outcome(Struct, frozen=True, array_like=True):
    """The measured parts of an outcome; money in USD, latency in ms."""

    quality: Unit | None = None
    cost_usd: Usd | None = None
    latency_ms: Milliseconds | None = None
    success: bool | None = None
    reward: Unit | None = None
    """The reward itself, for proxies that compute it: it is then taken as it is."""
    signals: Signals | None = None
    """None, rather than signals of which none is there: equal outcomes have equal bytes."""
    output_tokens: Count | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing at all was observed."""
        return (
            self.quality is None
            and self.cost_usd is None
            and self.latency_ms is None
            and self.success is None
            and self.reward is None
            and self.signals is None
            and self.output_tokens is None
        )

    def merged(self, later: Outcome) -> Outcome:
        """The fields of both, and the signals of both; where both have one, the later part's."""
        signals = self.signals if later.signals is None else later.signals
        tokens = self.output_tokens if later.output_tokens is None else later.output_tokens
        if self.signals is not None and later.signals is not None:
            signals = self.signals.merged(later.signals)
        return Outcome(
            quality=self.quality if later.quality is None else later.quality,
            cost_usd=self.cost_usd if later.cost_usd is None else later.cost_usd,
            latency_ms=self.latency_ms if later.latency_ms is None else later.latency_ms,
            success=self.success if later.success is None else later.success,
            reward=self.reward if later.reward is None else later.reward,
            signals=signals,
            output_tokens=tokens,
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
    """false: the call failed and earns nothing; true: quality 1, where nothing else tells it."""
    reward: Unit | None = None
    """The reward itself, for proxies that compute it: it is then taken as it is."""
    arm: ArmId | None = None
    """The arm that really served, if the proxy fell back to another than the decided one."""
    final: Annotated[
        bool,
        Meta(description="false: more parts follow; they merge, and learning happens once."),
    ] = True
    signals: Signals | None = None
    """What the user did with the answer: it stands for the quality, or adds to it."""
    output_tokens: Count | None = None
    """How many the model wrote; watched where the policy says so."""

    def outcome(self) -> Outcome:
        """The observed part of this event."""
        signals = self.signals
        if signals is not None and signals.empty:
            signals = None
        return Outcome(
            self.quality,
            self.cost_usd,
            self.latency_ms,
            self.success,
            self.reward,
            signals,
            self.output_tokens,
        )
