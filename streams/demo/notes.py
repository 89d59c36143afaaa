"""What the figures of the report mean: its footnotes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from streams.demo.alerts import FEW
from streams.demo.data import ARMS
from streams.demo.report import Report
from streams.demo.workload import LATENCY


def notes(report: Report) -> Iterator[str]:
    """One paragraph each, the first character is its mark."""
    drop = report.tally.drop
    latencies = ", ".join(f"{arm} {LATENCY[arm][0] / 1_000:g} s" for arm in ARMS)
    sigmas = ", ".join(f"{LATENCY[arm][1]:g}" for arm in ARMS)
    yield (
        "* The latency is SYNTHETIC: none was recorded. It is drawn from a log-normal distribution "
        f"per model, with the medians {latencies} (sigma {sigmas}). The proxy does not wait for "
        "it; outcomes are sent at once."
    )
    yield (
        "- Quality and cost are recorded: 3,609 benchmark prompts, each answered and judged once "
        "for every model (streams/demo/data/README.md)."
    )
    yield (
        f"- The drop: from request {drop.first:,} on, the quality of every answer of {drop.arm} is "
        f"multiplied by {drop.factor:g}, on all routes. It is the only change in the run."
    )
    yield (
        "- The baselines answer the very same requests, with the same drop and the same latencies. "
        "Best single: the one model that would have earned most over the whole run. Dearest: the "
        "one that would have cost most. Oracle: for each prompt the one of its three answers that "
        "earns most; where several earn the same, as with pass or fail, the best of those. Nobody "
        "can know the first and the last beforehand."
    )
    yield (
        "- Reward: the route's own objective, from 0 to 1; compare it within a route only. Cost "
        "and latency are measured against the means of the route's dearest and slowest model, as "
        "the router had observed them by the end: one scale for thalweg and all baselines."
    )
    yield (
        "- Lead: the mean difference in reward, request by request, and its 95 % interval. Where "
        "the interval holds 0, this run cannot tell who is ahead."
    )
    yield (
        "- Warning and alert after: answers that the dropped model had given there since the drop "
        f"when the proxy read the message from the drift topic. A detector looks once in {FEW} "
        "answers, and a model that a route hardly uses is hardly watched there. The means of an "
        "alert are of the two sides of the clearest border in the detector's window. Any alert "
        "that the drop did not cause is a false alarm."
    )
    yield (
        "- From request to decision: measured in the proxy, from sending the one to reading the "
        f"other. This machine has {os.cpu_count()} processors for the proxy, the worker and"
        + (" Kafka." if report.own_kafka else ", if it runs here, Kafka.")
    )
