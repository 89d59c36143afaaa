"""The page's records, made of what a source tells."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from core.pareto import non_dominated
from streams.monitor.view import ArmNow, RouteLine, Sort, WorkerView
from streams.web.api import (
    Alerts,
    Cycles,
    Engine,
    Goodness,
    Incident,
    Line,
    Overview,
    Partition,
    RouteView,
    Whereabouts,
    Worker,
)
from streams.web.incidents import fold, gravest, is_open, untold
from streams.web.source import Source

PAGE_SIZE: Final = 50
RECENT: Final = 5
"""Incidents beside the list of routes."""
LISTED: Final = 200
"""Incidents that are sent at once."""
REMEMBERED: Final = 10_000
"""Alerts that are asked for; the monitor keeps fewer."""

State = Literal["all", "open", "over"]


def overview(
    source: Source, search: str, sort: Sort, page: int, *, charts: bool = False
) -> Overview:
    """A page of the routes whose names contain ``search``; the last one, if ``page`` is beyond."""
    found = source.routes(search, sort, page * PAGE_SIZE, PAGE_SIZE)
    if page and not found.routes:
        page = max(0, (found.total - 1) // PAGE_SIZE)
        found = source.routes(search, sort, page * PAGE_SIZE, PAGE_SIZE)
    status = source.status()
    incidents = _incidents(source)
    by_route: dict[str, list[Incident]] = {}
    for incident in incidents:
        if is_open(incident):
            by_route.setdefault(incident.route, []).append(incident)
    return Overview(
        worker=worker(source, status, source.cycles()),
        open_alerts=_open_alerts(status),
        charts=charts,
        total=status.routes,
        matching=found.total,
        page=page,
        size=PAGE_SIZE,
        routes=[_line(line, by_route.get(line.route, [])) for line in found.routes],
        incidents=incidents[:RECENT],
    )


def _line(line: RouteLine, incidents: list[Incident]) -> Line:
    return Line(line, len(incidents), gravest(incidents))


def route(source: Source, name: str, span_ms: int, *, charts: bool) -> RouteView:
    """One route; where another worker serves it, only whose it is."""
    status = source.status()
    history = source.history(name, span_ms)
    summary = source.summary(name)
    # A producer with another partitioner may have sent it where it is not expected.
    partition = source.partition_of(name) if history is None else history.partition
    whereabouts: Whereabouts = "here"
    if history is None and summary is None:
        owned = partition in status.partitions
        whereabouts = "unknown" if owned else "elsewhere"
    incidents: list[Incident] = []
    if whereabouts == "here":
        told = fold(source.alerts(REMEMBERED, name).alerts)
        incidents = told + untold(summary, told)
    still_open = list(filter(is_open, incidents))
    by = goodness([] if history is None else history.arms)
    return RouteView(
        open_alerts=_open_alerts(status),
        route=name,
        whereabouts=whereabouts,
        partition=partition,
        owner=_owner(source, partition) if whereabouts == "elsewhere" else None,
        charts=charts,
        history=history,
        summary=summary,
        policy=None if summary is None else source.policy(name),
        front_by=by,
        front=[] if history is None else front(history.arms, by),
        open=len(still_open),
        severity=gravest(still_open),
        incidents=incidents[:LISTED],
    )


def goodness(arms: list[ArmNow]) -> Goodness:
    """What to hold against cost: quality, where it is known of all arms that are rewarded.

    Rewards may have costs in them already.
    """
    rewarded = [arm for arm in arms if arm.reward is not None]
    told = rewarded and all(arm.quality is not None for arm in rewarded)
    return "quality" if told else "reward"


def front(arms: list[ArmNow], by: Goodness) -> list[str]:
    """Arms that no other arm beats in both the mean of ``by`` and mean cost."""
    values = [arm.quality if by == "quality" else arm.reward for arm in arms]
    points = [
        [_or_nan(value), _or_nan(arm.cost_usd)] for arm, value in zip(arms, values, strict=True)
    ]
    if not points:
        return []
    best = non_dominated(np.array(points), (True, False))
    return [arm.arm for arm, on_front in zip(arms, best.tolist(), strict=True) if on_front]


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def alerts(source: Source, search: str, state: State, severity: str) -> Alerts:
    """The incidents that match, the most lately updated first."""
    incidents = _incidents(source)
    wanted = search.casefold()
    matching = [
        one
        for one in incidents
        if wanted in one.route.casefold()
        and severity in ("", one.severity)
        and (state == "all" or is_open(one) == (state == "open"))
    ]
    return Alerts(_open_alerts(source.status()), len(incidents), len(matching), matching[:LISTED])


def engine(source: Source) -> Engine:
    """How the engine does."""
    status = source.status()
    owned = set(status.partitions)
    urls = {number: peer.url for peer in source.peers() for number in peer.partitions}
    cycles = source.cycles()
    return Engine(
        open_alerts=_open_alerts(status),
        worker=worker(source, status, cycles),
        recovery_left=status.recovery_left,
        recovered=status.recovered,
        inbox_records=status.inbox_records,
        open_decisions=status.open_decisions,
        state_keys=status.state_keys,
        state_bytes=status.state_bytes,
        lag=status.lag,
        cycles=cycles,
        partitions=[
            Partition(number, number in owned, None if number in owned else urls.get(number))
            for number in range(source.partitions)
        ],
        rejections=source.rejections(),
        dead_letters=source.dead_letters(),
    )


def worker(source: Source, status: WorkerView, cycles: Cycles) -> Worker:
    """The line of figures that heads the views."""
    return Worker(
        phase=status.phase,
        reason=status.reason,
        owned=status.partitions,
        partitions=source.partitions,
        peers=source.peers(),
        routes=status.routes,
        per_second=source.per_second(),
        lag_records=sum(lag.records for lag in status.lag.values()),
        lag_seconds=round(max((lag.seconds for lag in status.lag.values()), default=0.0), 1),
        cycle_ms=cycles.apply_ms,
        version=status.version,
        brokers=source.brokers,
    )


def _owner(source: Source, partition: int) -> str | None:
    return next((peer.url for peer in source.peers() if partition in peer.partitions), None)


def _incidents(source: Source) -> list[Incident]:
    return fold(source.alerts(REMEMBERED, None).alerts)


def _open_alerts(status: WorkerView) -> int:
    """Open incidents of all routes, those told by an earlier owner too."""
    return sum(one.count for one in status.incidents)
