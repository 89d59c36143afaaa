"""How an outcome becomes a reward."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.fields import NonNegative, Positive, Unit
from schemas.policy.strict import Strict

Preset = Literal["quality", "quality_focused", "balanced", "cost_focused", "latency_focused"]


class Weights(Strict, frozen=True):
    """What matters how much; the three are divided by their sum."""

    quality: NonNegative = 0.0
    cost: NonNegative = 0.0
    latency: NonNegative = 0.0


class SignalSpec(Strict, frozen=True):
    """How the user's signals become one score in [0, 1]: their mean, weighted by what they tell.

    Only signals that are there count. The weights' defaults follow how directly a signal speaks
    of the answer: a rating is a judgement; asking again is a clear complaint; all else is what
    users often do, or leave, for reasons of their own.
    """

    rating: NonNegative = 4.0
    """Weight of (rating - 1) / 4."""
    completed: NonNegative = 1.0
    """Weight of: 1 if completed, else 0."""
    retried: NonNegative = 2.0
    """Weight of: 0 if retried, else 1."""
    edited: NonNegative = 1.0
    """Weight of: 0 if edited, else 1."""
    dwell: NonNegative = 0.5
    """Weight of dwell_s / (dwell_s + dwell_scale_s)."""
    saved: NonNegative = 0.5
    """Weight of: 1 if saved, else 0."""
    shared: NonNegative = 0.5
    """Weight of: 1 if shared, else 0."""
    dwell_scale_s: Positive = 30.0
    """The dwell time in seconds that scores one half. 30 s is the usual mark of a satisfied visit
    to a search result (Fox et al. 2005)."""
    share: Unit = 0.2
    """Where quality was measured too: quality becomes (1 - share) quality + share score. An
    expression has both, and mixes them as it says."""


class Objective(Strict, frozen=True):
    """How an outcome becomes one reward in [0, 1]: a preset, weights or an expression of one's own.

    Quality, where signals are there, is mixed with their score; without it, the score stands for
    it.
    """

    preset: Preset = "quality"
    weights: Weights | None = None
    """Instead of the preset's."""
    cost_scale_usd: Positive | None = None
    """The cost at which the cost term is 0. Default: the dearest candidate's."""
    latency_scale_ms: Positive | None = None
    """The latency at which the latency term is 0. Default: the slowest candidate's mean."""
    signals: SignalSpec = SignalSpec()
    expression: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None
    """Instead of weights: a formula of the names quality, cost_usd, latency_ms, success, rating,
    completed, retried, edited, dwell_s, saved, shared (as the reward event has them; true is 1,
    false 0), signal_score, cost_scale, latency_scale, cost_saved, latency_saved, with + - * / **,
    comparisons, and, or, not, ... if ... else ..., min, max, abs, sqrt, exp, log,
    clip(x, low, high), and either(x, y): y where x uses something that was not measured."""
