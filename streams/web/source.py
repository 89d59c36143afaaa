"""What the page is told by, so that it can be served without a worker."""

from __future__ import annotations

from typing import Any, Protocol

from core.routing.summarised import RouteSummary
from streams.monitor.view import AlertList, RouteHistory, RouteList, Sort, WorkerView
from streams.web.api import Cycles, Peer, Reason


class Source(Protocol):
    """Answers from memory, at once."""

    def status(self) -> WorkerView:
        """How the worker is."""

    def routes(self, search: str, sort: Sort, offset: int, limit: int) -> RouteList:
        """A stretch of the routes that match."""

    def history(self, route: str, span_ms: int) -> RouteHistory | None:
        """The latest ``span_ms`` of a route; None where it is unknown."""

    def summary(self, route: str) -> RouteSummary | None:
        """A route as its policy and its beliefs are; None where it is unknown."""

    def policy(self, route: str) -> dict[str, Any] | None:
        """The policy in force; None without one."""

    def alerts(self, limit: int, route: str | None) -> AlertList:
        """The newest alerts, of one route or of all."""

    def cycles(self) -> Cycles:
        """What the engine's loop has done."""

    def rejections(self) -> list[Reason]:
        """Requests that were answered by a rejection; the most frequent code first."""

    def dead_letters(self) -> list[Reason]:
        """By reason, the most frequent first."""

    @property
    def partitions(self) -> int:
        """Of each topic."""

    @property
    def brokers(self) -> str:
        """Kafka's addresses."""

    def partition_of(self, route: str) -> int:
        """Where producers send a route's events."""

    def per_second(self) -> float | None:
        """Decisions per second of late, over all routes; None where that is not known yet."""

    def peers(self) -> list[Peer]:
        """The other workers, as far as the group knows their addresses."""
