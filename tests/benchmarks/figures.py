"""What is measured, how it is called, and what it must show."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """How a figure is called, measured and shown."""

    title: str
    unit: str
    digits: int
    higher_is_better: bool | None
    """None: neither; it says something about the run."""


UNITS = {
    "p50": Unit("latency p50", "ms", 1, higher_is_better=False),
    "p99": Unit("latency p99", "ms", 1, higher_is_better=False),
    "p999": Unit("latency p99.9", "ms", 1, higher_is_better=False),
    "rate": Unit("throughput", "/s", 0, higher_is_better=True),
    "with_start": Unit("from process start", "/s", 0, higher_is_better=True),
    "start": Unit("process start to 1st answer", "s", 1, higher_is_better=False),
    "cpu": Unit("CPU time per request", "µs", 0, higher_is_better=False),
    "rss": Unit("resident memory", "MB", 0, higher_is_better=False),
    "log": Unit("changelog per request", "B", 0, higher_is_better=None),
    "log_decision": Unit("changelog per decision", "B", 0, higher_is_better=None),
    "log_reward": Unit("changelog per reward", "B", 0, higher_is_better=None),
    "late": Unit("generator late p99", "ms", 1, higher_is_better=None),
    "answered": Unit("answered in time", "", 2, higher_is_better=True),
    "open": Unit("open decisions", "", 0, higher_is_better=None),
    "kept": Unit("kill -9 to all answers, state kept", "s", 1, higher_is_better=False),
    "wiped": Unit("kill -9 to all answers, state wiped", "s", 1, higher_is_better=False),
    "per_decision": Unit("memory per open decision", "B", 0, higher_is_better=False),
    "per_route": Unit("memory per route", "B", 0, higher_is_better=False),
    "step": Unit("one choice and update", "µs", 1, higher_is_better=False),
    "value": Unit("one value", "µs", 2, higher_is_better=False),
}
STREAMS = ("streams-alo", "streams-eos")
TARGETS: dict[tuple[str, str], float] = {
    ("latency 1000.p50", "floor"): 1.5,
    ("latency 1000.p99", "floor"): 1.5,
    **{("latency 1000.p99", peer): 1.0 for peer in STREAMS},
    ("latency 3000.p50", "floor"): 2.0,
    ("latency 3000.p99", "floor"): 2.0,
    ("latency 1000.cpu", "floor"): 1.3,
    **{("latency 1000.rss", peer): 0.5 for peer in STREAMS},
    **{
        (f"drain {part}.rate", peer): least
        for part in ("requests", "mixed")
        for peer, least in (
            ("floor", 0.35),
            ("faust", 20.0),
            ("quix", 8.0),
            ("streams-alo", 1.0),
            ("streams-eos", 1.0),
        )
    },
    ("scaling routes=100000 requests.rate", "base"): 0.6,
    ("scaling routes=100000 mixed.rate", "base"): 0.6,
}
"""By a figure's name and a peer, the greatest ratio to it (or, where higher is better, the least)
that is right."""


def title(phase: str) -> str:
    """A phase's name for people."""
    kind, *rest = phase.split()
    if kind == "latency":
        shape = "bursty arrivals" if rest[1:] else "constant arrivals"
        return f"latency at {int(rest[0]):,} requests/s with a reward each, {shape}"
    if kind == "drain":
        return "backlog of " + ("requests" if rest == ["requests"] else "requests and rewards, 1:1")
    if kind == "scaling":
        variant, part = rest
        backlog = "requests" if part == "requests" else "requests and rewards"
        return f"backlog of {backlog}, {variant}"
    return phase


def meets(ratio: float | None, target: float | None, unit: Unit) -> bool:
    """Whether a ratio is within its target; without one, nothing is asked."""
    if target is None:
        return True
    if ratio is None:
        return False
    return ratio >= target if unit.higher_is_better else ratio <= target
