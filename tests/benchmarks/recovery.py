"""Recovery: how long after a kill -9 until a program answers again.

A state is made of open decisions. The program is killed, requests are sent on routes of every
partition, and it is started again: once with what it keeps on this machine, once without, when all
must come from the changelog. Both hold what the group takes to notice that the old member is gone.
"""

from __future__ import annotations

import time

from tests.benchmarks.drain import Backlog
from tests.benchmarks.peers import Sizes
from tests.benchmarks.trial import Result, Trial


async def recovery(trial: Trial, sizes: Sizes, count: int) -> Result:
    """Make a state, then kill and start twice."""
    backlog = Backlog(trial, {"drain": sizes, "mixed": sizes}, count)
    await trial.configure()
    trial.start(sizes)
    await trial.until_ready()
    await backlog.work_off("state", count)
    await trial.until_quiet(2.0)
    result = Result(sizes, {"open": float(count)})
    for name in ("kept", "wiped"):
        trial.kill()
        if name == "wiped":
            trial.forget()
        started = time.monotonic()
        trial.start(sizes)
        await trial.until_ready()
        result.figures[name] = time.monotonic() - started
        await trial.until_quiet(1.0)
    await trial.stop()
    return result
