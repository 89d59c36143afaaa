"""A request about to be decided."""

from __future__ import annotations

from core.routing.draw import Distribution
from core.routing.meeting import Met
from core.routing.spending import Affordable
from schemas.state import Session


class Waiting:
    """A request about to be decided; those of contextual routes wait for each other."""

    __slots__ = (
        "budget",
        "key",
        "met",
        "replaces",
        "request_id",
        "serial",
        "session",
        "shadow",
        "stays",
        "timestamp",
        "version",
        "x",
    )

    def __init__(
        self,
        key: bytes,
        request_id: str,
        version: int,
        serial: int,
        timestamp: int,
        x: bytes,
        *,
        replaces: bool,
    ) -> None:
        self.key = key
        self.request_id = request_id
        self.version = version
        self.serial = serial
        self.timestamp = timestamp
        self.x = x
        self.replaces = replaces
        """Whether an older decision, given up by now, stands under the same key."""
        self.budget: Affordable | None = None
        self.met: Met | None = None
        self.shadow: Distribution | None = None
        """How the policy's shadow would draw."""
        self.session = b""
        """The key of the request's session, where arms stay for sessions."""
        self.stays: Session | None = None
        """The session whose arm it keeps."""

    def charge(self, arm: str) -> None:
        """Charge the budget, if there is one, with what the chosen arm is expected to cost."""
        if self.budget is not None and arm in self.budget.costs:
            self.budget.pacer.reserve(self.budget.costs[arm])
