"""Many runs of several policies over recorded requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import numpy as np

from core.evaluation.playing import Cases, play
from core.evaluation.yardstick import Runs, orders
from schemas.policy import Policy

_cases: Cases | None = None
"""In a process of the pool: what all its runs are about."""


def simulate(
    policies: Sequence[Policy],
    cases: Cases,
    *,
    steps: int,
    seeds: Sequence[int],
    delay: int = 0,
    jobs: int = 1,
    tick: Callable[[int], None] = lambda _: None,
) -> list[Runs]:
    """What each policy chose, with one run per seed.

    A seed gives the order of the requests and the chance of the decisions, to every policy the
    same; ``jobs`` processes share the runs, and change nothing in them. ``tick`` is called with the
    number of steps done since. Raises PlayError.
    """
    order = orders(len(cases.rows), steps, seeds)
    chosen = np.zeros((len(policies), *order.shape), dtype=np.int64)
    work = [
        (index, run, policy, order[run].tolist(), f"seed-{seed}", delay)
        for index, policy in enumerate(policies)
        for run, seed in enumerate(seeds)
    ]
    done = _in_processes(work, cases, jobs) if jobs > 1 else _in_turn(work, cases)
    for index, run, row in done:
        chosen[index, run] = row
        tick(steps)
    return [Runs(order, rows) for rows in chosen]


_Work = tuple[int, int, Policy, list[int], str, int]
_Done = tuple[int, int, Sequence[int]]


def _in_turn(work: Sequence[_Work], cases: Cases) -> Iterator[_Done]:
    for one in work:
        yield _run(one, cases)


def _in_processes(work: Sequence[_Work], cases: Cases, jobs: int) -> Iterator[_Done]:
    # A fresh interpreter each: a fork of a process with threads may hang.
    context = get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(cases,))
    try:
        futures: list[Future[_Done]] = [pool.submit(_run, one) for one in work]
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(cases: Cases) -> None:
    global _cases
    _cases = cases


def _run(work: _Work, cases: Cases | None = None) -> _Done:
    index, run, policy, order, name, delay = work
    given = _cases if cases is None else cases
    assert given is not None
    return index, run, play(policy, given, order, run=name, delay=delay).chosen
