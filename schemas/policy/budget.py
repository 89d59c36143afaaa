"""What a route may spend."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schemas.fields import Duration, Positive
from schemas.policy.strict import Strict


class Budget(Strict, frozen=True):
    """A mean cost per request or per time, kept by a price on money that follows a ledger.

    Either ``usd_per_request``, or ``usd_per_period`` with ``period`` (core.budget). A decision is
    charged with its arm's expected cost, and corrected when the reward tells the true one. Budgets
    need rewards with ``cost_usd``; give arms prices, too, by which they are judged before the
    first. Floors and guardrails come first: the price works within what they leave.
    """

    usd_per_request: Positive | None = None
    """On average over all requests of the route, in USD."""
    burst: Annotated[float, Meta(ge=1.0, le=1e6)] = 30.0
    """In requests' worth of the budget: the debt that one dear arm may lead to."""
    carry: Annotated[float, Meta(ge=1.0, le=1e9)] = 500.0
    """In requests' worth of the budget: how much saving or debt is carried on at most."""
    usd_per_period: Positive | None = None
    """In USD per ``period``, earned evenly as time goes by, however many requests there are. A
    request's worth is what is earned in the mean time between two requests."""
    period: Duration | None = None
    """E.g. "1h" or "1d"; any stretch of that length, not the calendar's."""
