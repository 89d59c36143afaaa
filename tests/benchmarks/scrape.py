"""What looking on costs: per event, per scrape, and in memory, with thousands of routes.

A monitor sees decisions and rewards of many routes with a few arms each, as a worker's router would
tell them; then Prometheus scrapes it, and the page asks for its list of routes and for a history.
Times are the processor's; of scrapes and questions, medians of repetitions.

    python -m tests.benchmarks.scrape --routes 5000 --arms 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import psutil
from prometheus_client import generate_latest

from schemas.reward import Outcome
from streams.monitor.monitor import DETAILS, Monitor
from streams.monitor.telemetry import Telemetry
from streams.monitor.view import WorkerView

NOW = 1_800_000_000_000
_STATUS = WorkerView(
    phase="ready",
    reason="",
    partitions=list(range(8)),
    topic_partitions=8,
    recovery_left=0,
    recovered=0,
    loop_age_s=0.0,
    lag={},
    inbox_records=0,
    inbox_bytes=0,
    open_decisions=0,
    routes=0,
    state_keys=0,
    state_bytes=0,
    incidents=[],
    version="0",
)


def _median_ms(work: Callable[[], object], times: int = 9) -> float:
    found = []
    for _ in range(times):
        started = time.process_time()
        work()
        found.append((time.process_time() - started) * 1000)
    return statistics.median(found)


def _events(routes: int, arms: int, count: int) -> list[tuple[str, str, bool, Outcome, float]]:
    rng = np.random.default_rng(1)
    # A few routes have most of the traffic, as is usual.
    which = np.minimum(rng.zipf(1.3, count) - 1, routes - 1) if routes > 1 else np.zeros(count)
    which[: routes * arms] = np.arange(routes * arms) // arms
    arm = rng.integers(0, arms, count)
    arm[: routes * arms] = np.arange(routes * arms) % arms
    latency = rng.lognormal(6.5, 0.7, count)
    return [
        (
            f"team-{int(route) % 40}/route-{int(route)}",
            f"model-{int(number)}",
            bool(explored),
            Outcome(0.5, 0.002, float(ms), True),
            float(reward),
        )
        for route, number, explored, ms, reward in zip(
            which, arm, rng.random(count) < 0.1, latency, rng.random(count), strict=True
        )
    ]


def _play(monitor: Monitor, events: list[Any], span_ms: int) -> dict[str, float]:
    seen = monitor.of(0)
    step = span_ms / len(events)
    began = NOW - span_ms
    started = time.process_time()
    for index, (route, arm, explored, _, _) in enumerate(events):
        seen.decided(route, "", arm, 0.5, int(began + index * step), explored=explored)
    decided = time.process_time()
    for index, (route, arm, _, outcome, reward) in enumerate(events):
        seen.rewarded(route, "", arm, outcome, reward, 2_000, int(began + index * step))
    rewarded = time.process_time()
    return {
        "decided_us": (decided - started) / len(events) * 1e6,
        "rewarded_us": (rewarded - decided) / len(events) * 1e6,
    }


def measure(routes: int, arms: int, events: int) -> dict[str, Any]:
    """The figures of one number of routes."""
    played = _events(routes, arms, events)
    monitor = Monitor()
    monitor.take([0], NOW - 900_000)
    monitor.tend(NOW)
    telemetry = Telemetry(monitor)
    telemetry.follow(lambda: _STATUS, lambda: NOW, lambda _: ())
    costs = _play(monitor, played, 900_000)
    text = generate_latest(telemetry.registry)
    busiest = monitor.routes(limit=1).routes[0].route
    history = monitor.history(busiest, NOW)
    return {
        "routes": routes,
        "arms": arms,
        "events": events,
        **costs,
        "scrape_ms": _median_ms(lambda: generate_latest(telemetry.registry)),
        "scrape_bytes": len(text),
        "series": sum(not line.startswith(b"#") for line in text.splitlines()),
        "rank_ms": _median_ms(lambda: monitor.rank(NOW + 30_000)),
        "list_ms": _median_ms(lambda: monitor.routes("route-1", "traffic", 0, 50)),
        "history_ms": _median_ms(lambda: monitor.history(busiest, NOW)),
        "history_6h_ms": _median_ms(lambda: monitor.history(busiest, NOW, 21_600_000)),
        "history_bytes": len(msgspec.json.encode(history)),
    }


def memory(routes: int, arms: int) -> dict[str, float]:
    """What the monitor holds when every history is full: an event per arm and minute for 6 hours.

    All detailed routes at once, which is the worst that can be.
    """
    names = [f"team-{number % 40}/route-{number}" for number in range(routes)]
    outcome = Outcome(0.5, 0.002, 812.0, True)
    process = psutil.Process()
    before = process.memory_info().rss
    monitor = Monitor()
    monitor.take([0], NOW)
    seen = monitor.of(0)
    for minute in range(361):
        at = NOW + minute * 60_000
        for name in names if minute == 0 else names[:DETAILS]:
            for arm in range(arms):
                seen.decided(name, "", f"model-{arm}", 0.5, at, explored=False)
                seen.rewarded(name, "", f"model-{arm}", outcome, 0.5, 2_000, at)
    return {"full_monitor_mib": (process.memory_info().rss - before) / 2**20}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=5_000)
    parser.add_argument("--arms", type=int, default=5)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--memory", action="store_true", help="measure memory too, in a minute")
    options = parser.parse_args()
    held = memory(options.routes, options.arms) if options.memory else {}
    found = measure(options.routes, options.arms, options.events) | held
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
