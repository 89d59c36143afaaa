"""The candidates of a route, and what is believed of them before their first reward."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from schemas.fields import ArmId, Positive, Unit, Usd
from schemas.policy.strict import Strict


class Price(Strict, frozen=True):
    """What a call costs, in USD: per million tokens, per request, or both."""

    input_per_mtok: Usd = 0.0
    output_per_mtok: Usd = 0.0
    cached_per_mtok: Usd | None = None
    """Of input tokens that the provider had cached. Default: as other input tokens."""
    per_request: Usd = 0.0


class Prior(Strict, frozen=True):
    """What is believed of an arm before its first reward: a mean, worth ``weight`` rewards."""

    mean: Unit = 0.5
    weight: Positive = 2.0


class WarmStart(Strict, frozen=True):
    """What an arm begins with instead of nothing: what another arm, or a log, has taught.

    Exactly one of ``like`` and ``evidence``.
    """

    weight: Positive
    """How many rewards it is worth at most: what is there beyond is scaled down to it."""
    like: ArmId | None = None
    """The arm of this policy that it resembles: its statistics when this arm is first met."""
    evidence: Annotated[bytes, Meta(max_length=700_000)] | None = None
    """Statistics learned elsewhere, in base64, as ``thalweg warm-start`` makes them of a log."""


class ColdStart(Strict, frozen=True):
    """How arms without rewards of their own are treated."""

    prior: Prior | None = None
    """Of arms that declare none. A high mean is optimistic: every arm is tried until its rewards
    say otherwise. Default: the algorithm's own."""
    pulls: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Forced exploration: every arm of a segment is chosen that often first, evenly."""


class ArmSpec(Strict, frozen=True):
    """One candidate: a model with its parameters, price and prior."""

    id: ArmId
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    """What the proxy calls it, e.g. openai/gpt-5.4; handed on as it is."""
    params: dict[str, Any] = field(default_factory=dict)
    """Handed on as they are; at most 16 KiB of JSON."""
    price: Price | None = None
    prior: Prior | None = None
    warm_start: WarmStart | None = None
    enabled: bool = True
    """false: never chosen, but its statistics are kept."""
