"""The regret study: every entrant on every problem of its family, on the same seeds."""

from __future__ import annotations

import logging
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.benchmarks.algorithms.agents import play, regret
from tests.benchmarks.algorithms.entrants import OURS, PEERS, library
from tests.benchmarks.algorithms.paired import Difference, difference
from tests.benchmarks.algorithms.peers import missing
from tests.benchmarks.algorithms.problems import PROBLEMS, Problem

CHUNK = 5
"""Seeds per task: as many entrants of unequal speed as there are keep all processors busy."""
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""Maps a function over tasks, on several processors, in any order."""


class Task(NamedTuple):
    """Some seeds of one entrant on one problem."""

    problem: str
    entrant: str
    seeds: tuple[int, ...]
    steps: int


class Played(NamedTuple):
    """The regrets of a task's seeds, or what went wrong."""

    task: Task
    regrets: tuple[float, ...]
    error: str = ""


@dataclass(frozen=True)
class Row:
    """One entrant on one problem."""

    entrant: str
    ours: bool
    mean: float
    error: float
    """Standard error of the mean."""
    against: Difference | None
    """Against the best peer; None for peers, and where there is none."""


@dataclass(frozen=True)
class Table:
    """One problem."""

    problem: Problem
    steps: int
    seeds: int
    best_peer: str
    rows: tuple[Row, ...]
    """By mean regret."""
    failures: tuple[str, ...]


def tasks(names: Sequence[str], seeds: int, share: float) -> Iterator[Task]:
    """All that has to be played; peers that are not installed are left out."""
    absent = set(missing())
    for problem in PROBLEMS:
        if names and problem.name not in names:
            continue
        for entrant in (*OURS[problem.family], *PEERS[problem.family]):
            if library(entrant) not in absent:
                for first in range(0, seeds, CHUNK):
                    chunk = tuple(range(first, min(first + CHUNK, seeds)))
                    yield Task(problem.name, entrant, chunk, round(problem.steps * share))


def run_task(task: Task) -> Played:
    """Play one task; an entrant that fails must not hide the others."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    problem = next(one for one in PROBLEMS if one.name == task.problem)
    make = {**OURS[problem.family], **PEERS[problem.family]}[task.entrant]
    found = []
    try:
        for seed in task.seeds:
            world = problem.world(seed, task.steps)
            agent = make(problem.arms, world.X.shape[1], seed)
            found.append(regret(play(agent, world), world))
    except Exception as error:  # noqa: BLE001 - reported with the results
        return Played(task, (), f"{task.problem}, {task.entrant}: {error!r}")
    return Played(task, tuple(found))


def study(
    names: Sequence[str], seeds: int, share: float, run: Run, say: Callable[[str], None]
) -> list[Table]:
    """The tables of all problems, or of those named; ``share`` shortens all of them."""
    todo = list(tasks(names, seeds, share))
    found: dict[tuple[str, str], dict[int, float]] = {}
    failures: dict[str, list[str]] = {}
    for done, played in enumerate(run(run_task, todo), 1):
        task = played.task
        if played.error:
            failures.setdefault(task.problem, []).append(played.error)
        of = found.setdefault((task.problem, task.entrant), {})
        of.update(zip(task.seeds, played.regrets, strict=False))
        if done % 100 == 0 or done == len(todo):
            say(f"regret: {done} of {len(todo)} tasks")
    tables = []
    for problem in PROBLEMS:
        results = {
            entrant: [of[seed] for seed in sorted(of)]
            for (name, entrant), of in found.items()
            if name == problem.name and len(of) == seeds
        }
        if results:
            steps = round(problem.steps * share)
            failed = tuple(failures.get(problem.name, ()))
            tables.append(table(problem, steps, seeds, results, failed))
    return tables


def table(
    problem: Problem,
    steps: int,
    seeds: int,
    results: dict[str, list[float]],
    failures: tuple[str, ...] = (),
) -> Table:
    """Rank the entrants and compare ours with the best peer, the one of the least mean regret."""
    means = {entrant: statistics.fmean(values) for entrant, values in results.items()}
    peers = [entrant for entrant in results if library(entrant)]
    best = min(peers, key=means.__getitem__, default="")
    rows = [
        Row(
            entrant=entrant,
            ours=not library(entrant),
            mean=means[entrant],
            error=statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0,
            against=None if library(entrant) or not best else difference(values, results[best]),
        )
        for entrant, values in results.items()
    ]
    rows.sort(key=lambda row: row.mean)
    return Table(problem, steps, seeds, best, tuple(rows), failures)
