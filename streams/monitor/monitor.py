"""What a worker has seen of its routes, whatever their number, in bounded memory.

Every route has a dozen totals. The busiest ones, and those that somebody looked at lately, have a
history (``Detail``); of these, the very busiest have a name in the metrics. Both are told anew
every ``RANK_MS``; a route keeps its place unless another one is half as busy again, so that places
do not change hands for nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from schemas.alert import Alert
from streams.metrics import OTHER, REWARD_SECONDS
from streams.monitor.counts import RouteCounts, Spread
from streams.monitor.detail import Detail
from streams.monitor.history import history_of, latency_p95
from streams.monitor.routes import Route, Routes
from streams.monitor.view import AlertList, RouteHistory, RouteLine, RouteList, Sort

RANK_MS: Final = 30_000
DETAILS: Final = 300
"""Routes with a history: at 5 arms each, 70 MiB once all have been busy for 6 hours."""
MOST_ROUTES: Final = 50_000
"""Routes with totals; the idlest ones make room for others."""
_ALERTS: Final = 1_000
_IDLE: Final = 1e-3
"""Decisions per minute: a route with fewer is given no place."""
_HYSTERESIS: Final = 1.5
_ASKED_MS: Final = 900_000
"""How long a route that somebody looked at keeps its history."""
_ASKED_SHARE: Final = 4
"""At most one in so many histories is for those who look."""


class Monitor:
    """Looks on at all partitions of a worker. All methods must be called from one thread."""

    def __init__(
        self, *, named: int = 50, details: int = DETAILS, most_routes: int = MOST_ROUTES
    ) -> None:
        self._named_most = named
        self._details_most = max(details, named)
        self._most_routes = most_routes
        self._partitions: dict[int, Routes] = {}
        self._named: dict[str, Route] = {}
        self._detailed: dict[str, Route] = {}
        self._count = 0
        self._ranked_ms = 0
        self._alerts: deque[Alert] = deque(maxlen=_ALERTS)
        self.latest_ms = 1 << 62
        """What is stamped later is taken to be of now: a producer's clock may be wrong."""
        self.others = RouteCounts(whole=True)
        """What happened to routes without a name."""
        self._gone = Spread(REWARD_SECONDS)
        """Times to reward of routes that had a name."""
        self.alert_counts: Counter[tuple[str, str, str]] = Counter()
        """By type, severity and event."""
        self.refused: Counter[str] = Counter()
        """Rewards that were not counted, by what became of them."""

    # ---- partitions -----------------------------------------------------------------------

    def of(self, partition: int) -> Routes:
        """Who looks on at a partition that this worker has taken."""
        return self._partitions[partition]

    def take(self, partitions: Iterable[int], now_ms: int) -> None:
        """These are the worker's partitions from now on; what it keeps goes on being counted."""
        wanted = set(partitions)
        for partition in self._partitions.keys() - wanted:
            self.forget(partition)
        for partition in sorted(wanted - self._partitions.keys()):
            self._partitions[partition] = Routes(self, partition, now_ms)

    def know(self, partition: int, routes: Iterable[str]) -> None:
        """Routes that the partition has, maybe without traffic yet.

        Nothing is noted of a partition that another worker has by now.
        """
        found = self._partitions.get(partition)
        if found is None:
            return
        for name in routes:
            if name not in found.by_name and self._count < self._most_routes:
                self._add(found, name)

    def forget(self, partition: int) -> None:
        """The partition went to another worker, which counts from now on."""
        gone = self._partitions.pop(partition, None)
        if gone is None:
            return
        for route in gone.by_name.values():
            self._count -= 1
            self._unname(route)
            if route.detail is not None:
                del self._detailed[route.name]
                route.detail = None

    # ---- what the observers need ----------------------------------------------------------

    def admit(self, partition: Routes, name: str, at_ms: int) -> Route:
        """A route that something happens to for the first time.

        An owner that was dropped may still finish its cycle: of that, only sums are kept.
        """
        route = partition.by_name.get(name)
        if self._partitions.get(partition.partition) is not partition:
            return route or Route(name, partition.partition, partition.since, self.others)
        if route is None:
            if self._count >= self._most_routes:
                self._make_room()
            route = self._add(partition, name)
        if len(self._detailed) < self._details_most:
            self._detail(route, at_ms)
        if len(self._named) < self._named_most:
            self._name(route)
        return route

    def note(self, alert: Alert) -> None:
        """Keep an alert."""
        self._alerts.append(alert)
        self.alert_counts[alert.type, alert.severity, alert.event] += 1

    def _add(self, partition: Routes, name: str) -> Route:
        route = Route(name, partition.partition, partition.since, self.others)
        partition.by_name[name] = route
        self._count += 1
        return route

    def _make_room(self) -> None:
        """Forget the idlest tenth of the routes, named and detailed ones aside."""
        plain = [route for route in self._all() if route.detail is None]
        idle = heapq.nsmallest(self._most_routes // 10 + 1, plain, key=lambda route: route.latest)
        for route in idle:
            del self._partitions[route.partition].by_name[route.name]
        self._count -= len(idle)

    # ---- ranks ----------------------------------------------------------------------------

    def tend(self, now_ms: int) -> None:
        """To be called every second or so: tells what time it is, and ranks the routes anew."""
        self.latest_ms = now_ms
        if now_ms - self._ranked_ms >= RANK_MS:
            self.rank(now_ms)

    def rank(self, now_ms: int) -> None:
        """Give histories and names to the routes that are the busiest now."""
        passed = now_ms - self._ranked_ms if self._ranked_ms else RANK_MS
        minutes, self._ranked_ms = max(passed, 1) / 60_000, now_ms
        busy = []
        for route in self._all():
            route.rate(minutes)
            if route.per_minute > _IDLE or route.detail is not None:
                busy.append(route)
        asked = [route for route in busy if now_ms - route.asked_ms < _ASKED_MS]
        asked.sort(key=lambda route: -route.asked_ms)
        asked = asked[: max(1, self._details_most // _ASKED_SHARE)]
        looked = {route.name for route in asked}
        detailed = self._best(busy, self._detailed, self._details_most, looked)
        for route in [r for name, r in self._detailed.items() if name not in detailed]:
            del self._detailed[route.name]
            route.detail = None
        for route in detailed.values():
            self._detail(route, now_ms)
        named = self._best(detailed.values(), self._named, self._named_most, set())
        for route in [r for name, r in self._named.items() if name not in named]:
            self._unname(route)
        for route in named.values():
            self._name(route)

    @staticmethod
    def _best(
        routes: Iterable[Route], holders: dict[str, Route], most: int, sure: set[str]
    ) -> dict[str, Route]:
        def weight(route: Route) -> tuple[bool, float]:
            held = _HYSTERESIS if route.name in holders else 1.0
            return route.name in sure, route.per_minute * held

        return {route.name: route for route in heapq.nlargest(most, routes, key=weight)}

    def _detail(self, route: Route, now_ms: int) -> None:
        if route.detail is None:
            route.detail = Detail(now_ms)
            self._detailed[route.name] = route

    def _name(self, route: Route) -> None:
        # A route of that very name stays among the others, whose series have it.
        if route.name not in self._named and route.name != OTHER:
            route.counts = RouteCounts()
            self._named[route.name] = route

    def _unname(self, route: Route) -> None:
        if self._named.pop(route.name, None) is not None:
            self._gone.take(route.counts.delay)
            route.counts = self.others

    def _all(self) -> Iterator[Route]:
        for partition in self._partitions.values():
            yield from partition.by_name.values()

    # ---- questions ------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many routes are known."""
        return self._count

    @property
    def named(self) -> list[Route]:
        """The routes that have a name in the metrics, in order of their names."""
        return [self._named[name] for name in sorted(self._named)]

    @property
    def delay(self) -> Spread:
        """Times from a decision to its reward, of all routes."""
        found = Spread(REWARD_SECONDS)
        for part in (self._gone, self.others.delay, *(r.counts.delay for r in self.named)):
            found.take(part)
        return found

    def find(self, name: str) -> Route | None:
        """A route, if it is known."""
        for partition in self._partitions.values():
            route = partition.by_name.get(name)
            if route is not None:
                return route
        return None

    def routes(
        self, search: str = "", sort: Sort = "traffic", offset: int = 0, limit: int = 50
    ) -> RouteList:
        """Routes whose name contains ``search``, whatever its case, in order."""
        wanted = search.casefold()
        found = [route for route in self._all() if wanted in route.name.casefold()]
        rank = _ORDER[sort]
        upto = offset + limit
        first = heapq.nsmallest(upto, found, key=lambda route: (rank(route), route.name))
        lines = [_line(route, min(self.latest_ms, route.latest)) for route in first[offset:]]
        return RouteList(len(found), lines)

    def history(self, name: str, now_ms: int, span_ms: int = 900_000) -> RouteHistory | None:
        """A route over the last ``span_ms``; None if it is unknown.

        Asking keeps its history in memory for a while, and begins it where there is none.
        """
        route = self.find(name)
        if route is None:
            return None
        route.asked_ms = now_ms
        if route.detail is None:
            if len(self._detailed) >= self._details_most:
                self._displace()
            self._detail(route, now_ms)
        assert route.detail is not None, "it was just given one"
        return history_of(route.name, route.partition, route.detail, now_ms, span_ms)

    def _displace(self) -> None:
        """Take the history of the idlest route, of those that have no name if there are any."""
        named = self._named
        idlest = min(
            self._detailed.values(), key=lambda r: (r.name in named, r.asked_ms, r.per_minute)
        )
        del self._detailed[idlest.name]
        idlest.detail = None
        self._unname(idlest)

    def alerts(self, limit: int = 100, route: str | None = None) -> AlertList:
        """The newest alerts, of one route or of all, newest first."""
        found = [one for one in reversed(self._alerts) if route is None or one.route == route]
        return AlertList(found[:limit])


def _mean(total: float, n: int) -> float | None:
    return total / n if n else None


def _line(route: Route, now_ms: int) -> RouteLine:
    return RouteLine(
        route=route.name,
        partition=route.partition,
        since=route.since,
        decided=route.decided,
        explored=route.explored,
        rewards=route.joined,
        reward=_mean(route.reward, route.n),
        cost_usd=_mean(route.cost, route.calls),
        p95=None if route.detail is None else latency_p95(route.detail, now_ms),
        per_minute=route.per_minute,
        latest=route.latest,
        alerts=route.alerts,
        detailed=route.detail is not None,
    )


def _worst_last(value: float | None) -> float:
    return float("inf") if value is None else -value


_ORDER: Final[dict[Sort, Callable[[Route], float]]] = {
    "name": lambda _: 0.0,
    "traffic": lambda route: -route.per_minute or -1e-12 * route.decided,
    "reward": lambda route: _worst_last(_mean(route.reward, route.n)),
    "cost": lambda route: _worst_last(_mean(route.cost, route.calls)),
    "latest": lambda route: -route.latest,
}
