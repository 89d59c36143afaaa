"""Sessions that stay on the arm they have met."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schemas.fields import Duration, Label
from schemas.policy.strict import Strict


class Sticky(Strict, frozen=True):
    """A session keeps the arm of its first decision, with propensity 1 from then on.

    It is drawn anew when that arm may not be chosen any more, was restarted by a drift, or when
    the session has made no request for ``ttl``.
    """

    by: Label
    """A context field or ``metadata.<key>``; requests without it are not of any session."""
    ttl: Duration = "30m"
    max_sessions: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """That are remembered per route; the requests of any more are decided one by one."""
