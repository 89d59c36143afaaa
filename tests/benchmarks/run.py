"""``python -m tests.benchmarks.run``: what thalweg costs, beside others on the same machine.

Programs take turns (A B, then B A, …), each trial with fresh topics of its own; ratios are taken
between neighbours in time, so that a noisy machine disturbs both alike. Figures are medians over
the repeats. A run in which a request did not get exactly one decision is a failure, and shown; a
peer that fails or cannot keep up is shown as such. docs/performance.md tells more.

The phases ``algorithms`` and ``search`` are programs of their own and come first:
tests.benchmarks.algorithms.run and tests.benchmarks.search.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from streams.local_kafka import LocalKafka
from tests.benchmarks import alone, scaling
from tests.benchmarks.bench import PHASES, Bench, Plan, say
from tests.benchmarks.events import ALGORITHMS, FIXED_DIM, KEYS, Workload
from tests.benchmarks.peers import NAMES
from tests.benchmarks.report import Report
from tests.benchmarks.tables import show

QUICK_PHASES = ("algorithms", "latency", "drain")
OFFLINE = ("algorithms", "search")


@contextlib.contextmanager
def kafka(brokers: str | None) -> Iterator[str]:
    """The brokers to use: those given, or a local one that goes away afterwards."""
    if brokers is not None:
        yield brokers
        return
    with LocalKafka(say=say) as local:
        yield local.bootstrap


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within five minutes, more noise")
    parser.add_argument("--brokers", help="instead of a local Kafka that is started")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--plots", type=Path, help="a folder for plots, as PNG and SVG")
    parser.add_argument("--phases", nargs="+", choices=(*OFFLINE, *PHASES))
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--repeats", type=int, help="default 3, quick 1")
    parser.add_argument("--rates", type=int, nargs="+", help="default 200 1000 3000 10000")
    parser.add_argument("--seconds", type=float, help="measured per rate; default 30, quick 5")
    parser.add_argument("--warmup", type=float, help="seconds not measured; default 8, quick 3")
    parser.add_argument("--backlog", type=int, help="requests; default 200000, quick 40000")
    parser.add_argument(
        "--bursty", type=Path, help="CSV with arrival times: each rate also with its bursts"
    )
    parser.add_argument("--variants", nargs="+", choices=scaling.NAMES, help="of scaling")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="linucb")
    parser.add_argument("--routes", type=int, default=100)
    parser.add_argument("--arms", type=int, default=5)
    parser.add_argument("--dim", type=int, default=FIXED_DIM, help="of contexts")
    parser.add_argument("--keys", choices=KEYS, default="uniform")
    parser.add_argument("--drift", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument(
        "--patience",
        type=float,
        help="seconds to wait, before each trial, for other programs to leave the CPUs alone; "
        "default 10, quick 2",
    )
    parser.add_argument(
        "--minutes", type=float, help="after which trials are skipped; default none, quick 3.5"
    )
    parser.add_argument("--worker", help="the command to run instead of thalweg, e.g. a profiler's")
    return parser.parse_args(argv)


def plan(args: argparse.Namespace) -> Plan:
    """What to do, with what --quick stands for filled in."""
    quick = args.quick
    wanted = args.phases or (QUICK_PHASES if quick else (*OFFLINE, *PHASES))
    return Plan(
        phases=tuple(wanted),
        peers=tuple(args.peers),
        repeats=args.repeats or (1 if quick else 3),
        rates=tuple(args.rates or ((1_000,) if quick else (200, 1_000, 3_000, 10_000))),
        seconds=args.seconds or (5.0 if quick else 30.0),
        warmup=args.warmup or (3.0 if quick else 8.0),
        backlog=args.backlog or (40_000 if quick else 200_000),
        bursty=args.bursty,
        variants=tuple(args.variants or (scaling.QUICK if quick else scaling.NAMES)),
        workload=Workload(args.algorithm, args.routes, args.arms, args.dim, args.keys, args.drift),
        partitions=args.partitions,
        patience=args.patience or (2.0 if quick else 10.0),
        worker=args.worker,
        quick=quick,
        minutes=args.minutes or (3.5 if quick else None),
    )


def beside_kafka(todo: Plan, report: Report, *, quick: bool) -> bool:
    """Run the phases that need no broker; whether they went well."""
    well = True
    if "algorithms" in todo.phases:
        say("algorithms: alone, beside other libraries")
        well, entries = alone.algorithms(Path("build/algorithms"), quick=quick)
        report.more(entries)
        if not quick and alone.detectors() is False:
            well = False
    if "search" in todo.phases:
        if importlib.util.find_spec("skopt") is None:
            say("search: scikit-optimize is not installed, so there is nothing to compare with")
        else:
            say("search: parameters, beside scikit-optimize")
            well = alone.program("search", "--seeds", "3" if quick else "20") and well
    return well


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run; on SIGTERM, end the programs under test and remove their topics first."""
    task = asyncio.current_task()
    assert task is not None, "it runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await work


def main() -> None:
    """Run, show, write; the exit code is 1 if a run of thalweg failed or was not exact."""
    args = parse()
    todo = plan(args)
    report = Report()
    well = beside_kafka(todo, report, quick=args.quick)
    work = Path(tempfile.mkdtemp(prefix="thalweg-bench-"))
    if set(PHASES) & set(todo.phases):
        logging.basicConfig(level=logging.CRITICAL)
        say(
            f"{todo.workload.text()}, {todo.repeats} repeats, {os.cpu_count()} CPUs shared by the "
            "broker, the generator and the program under test"
        )
        with kafka(args.brokers) as brokers:
            asyncio.run(until_told(Bench(todo, brokers, work, report).run()))
    report.write(args.json)
    entries = report.entries()
    screen = Console()
    console = screen if screen.is_terminal else Console(width=180)
    show(entries, console)
    report.tell(console)
    say(f"figures in {args.json}")
    if args.plots:
        from tests.benchmarks.plots import draw

        for path in draw(entries, args.plots):
            say(f"plot in {path}")
    if report.problems or report.remarks:
        say(f"logs in {work}")
    else:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if report.problems or not well else 0)


if __name__ == "__main__":
    started = time.monotonic()
    try:
        main()
    finally:
        say(f"{time.monotonic() - started:.0f} s in all")
