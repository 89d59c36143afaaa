"""Who may look on: each decision, reward and alert of a partition as it is made.

An observer changes nothing and is no part of the state; it sees what is applied, which is before it
is durable, and each record once per owner of the partition.
"""

from __future__ import annotations

from typing import Protocol

from schemas.alert import Alert
from schemas.reward import Outcome


class Observer(Protocol):
    """Looks on while a router works. Its methods must be quick, and must not raise."""

    def decided(
        self, route: str, segment: str, arm: str, propensity: float, at_ms: int, *, explored: bool
    ) -> None:
        """A request was decided; ``explored``: another arm was likelier."""

    def rewarded(
        self,
        route: str,
        segment: str,
        arm: str,
        outcome: Outcome,
        reward: float | None,
        delay_ms: int,
        at_ms: int,
    ) -> None:
        """A reward was counted for ``arm``, which served, ``delay_ms`` after its decision."""

    def repeated(self, route: str, at_ms: int) -> None:
        """A reward came again after it was counted, and changed nothing."""

    def alerted(self, alert: Alert) -> None:
        """An alert was made."""
