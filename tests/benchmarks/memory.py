"""Memory: what an open decision and a route cost a running program.

Resident memory is read before and after many of either, and the difference is divided. The first
ones do not count: with them come buffers and caches that grow to their size only once.
"""

from __future__ import annotations

from tests.benchmarks.drain import Backlog
from tests.benchmarks.peers import Sizes
from tests.benchmarks.trial import Result, Trial

FIRST = 0.5
"""The part of the decisions that comes before the first reading, beside those that count."""


async def memory(trial: Trial, sizes: Sizes, decisions: int, base: int) -> Result:
    """``decisions`` on the first ``base`` routes of the workload, then one on each other route."""
    backlog = Backlog(trial, {"drain": sizes, "mixed": sizes}, decisions)
    client = trial.client
    policies = client.settings.topics.policies
    await client.fill(policies, trial.workload.policies(0, base))
    program = trial.start(sizes)
    await trial.until_ready(base)
    await backlog.work_off("first", int(decisions * FIRST), routes=base)
    begun = program.resident()
    await backlog.work_off("open", decisions, routes=base)
    opened = program.resident()
    await client.fill(policies, trial.workload.policies(base))
    await trial.until_ready()
    routes = trial.workload.routes - base
    await backlog.work_off("routes", trial.workload.routes)
    routed = program.resident()
    await trial.stop()
    result = Result(sizes)
    if begun is not None and opened is not None and routed is not None:
        per_decision = (opened - begun) / decisions
        answered = trial.workload.routes + trial.probed
        result.figures = {
            "per_decision": per_decision,
            "per_route": (routed - opened - answered * per_decision) / routes,
            "rss": routed / 1e6,
        }
    return result
