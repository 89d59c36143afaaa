"""What no algorithm may do, whatever it has learned."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schemas.fields import ArmId, Duration, Positive, Unit
from schemas.policy.strict import Strict

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Level = Annotated[float, Meta(gt=0.5, lt=1.0)]


class Guardrails(Strict, frozen=True):
    """Which arms a request may get at all, and how much each of those gets at least.

    ``max_cost_usd`` looks at each request by itself. The floor of quality and the ceilings of
    latency and errors judge an arm, per segment, by its rewards: it is set aside while they are
    not clearly kept, and then gets no more than ``probe_share``, by which it can come back.
    """

    min_share: Share = 0.0
    """Of every arm that may be chosen, e.g. 0.05; all get the same where that would exceed 1."""
    max_cost_usd: Positive | None = None
    """Of one request, as predicted from its tokens and the arm's price, or else as observed."""
    min_quality: Unit | None = None
    """The arm's mean quality must be above, with ``confidence``."""
    max_latency_ms: Positive | None = None
    """``latency_quantile`` of the arm's calls must be faster, with ``confidence``."""
    latency_quantile: Level = 0.95
    max_error_rate: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    """The share of failed calls (``success: false``) among the arm's last ``error_window``."""
    error_window: Annotated[int, Meta(ge=4, le=64)] = 20
    cooldown: Duration = "30s"
    """After too many errors: how long an arm is not even probed."""
    confidence: Level = 0.95
    min_rewards: Annotated[int, Meta(ge=2, le=1_000_000)] = 30
    """An arm with fewer is not judged by quality or latency; nor by latency while so few calls
    could not show ``latency_quantile`` if all of them had been fast."""
    memory: Annotated[float, Meta(ge=10.0, le=1e9)] = 1_000.0
    """Over about how many of an arm's latest rewards its quality and latency are judged."""
    probe_share: Annotated[float, Meta(ge=0.0, le=0.1)] = 0.01
    """Of each arm that is set aside. 0: it stays so until the policy changes."""
    fallback: ArmId | None = None
    """Serves where no arm may be chosen. Default: such a request is rejected, with the reasons."""
