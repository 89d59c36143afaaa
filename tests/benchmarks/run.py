"""``python -m tests.benchmarks.run``: what thalweg costs, beside others on the same machine.

Programs take turns (A B, then B A, …), each trial with fresh topics of its own; ratios are taken
between neighbours in time, so that a noisy machine disturbs both alike. Figures are medians over
the repeats. A run in which a request did not get exactly one decision is a failure, and shown.

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
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from rich.console import Console

from streams.local_kafka import LocalKafka
from tests.benchmarks.drain import drain
from tests.benchmarks.events import ALGORITHMS
from tests.benchmarks.latency import Pace, latency
from tests.benchmarks.peers import Command, Sizes, floor, thalweg
from tests.benchmarks.process import busy_share
from tests.benchmarks.report import Report
from tests.benchmarks.trial import Result, Trial

PARTITIONS = 8
QUIET_SHARE = 0.15
"""Of all CPUs: an idle broker, and little else."""
PHASES = ("algorithms", "search", "latency", "drain")
progress = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """One progress line."""
    progress.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)


class Bench:
    """One run of everything that was asked for."""

    def __init__(self, args: argparse.Namespace, brokers: str, work: Path) -> None:
        self.args = args
        self.brokers = brokers
        self.work = work
        every: dict[str, Command] = {"thalweg": thalweg(args.worker), "floor": floor}
        self.peers = {name: every[name] for name in ("thalweg", *args.peers)}
        self.report = Report(tuple(self.peers))
        self.sizes: dict[str, Sizes] = {}
        """By phase, what thalweg wrote the last time: the others write as much."""

    async def run(self) -> Report:
        """All phases, repeat by repeat."""
        for name in self.peers:
            await self.trial(name, "first start", 0, self.start_once)
        for repeat in range(1, self.args.repeats + 1):
            names = list(self.peers)
            if repeat % 2 == 0:
                names.reverse()
            for rate in self.args.rates if "latency" in self.args.phases else ():
                for name in names:
                    await self.latency(name, rate, repeat)
            for name in names if "drain" in self.args.phases else ():
                await self.drain(name, repeat)
        return self.report

    async def start_once(self, trial: Trial) -> dict[str, Result]:
        """Start and stop, so that no later start compiles Python or fills the disk cache."""
        trial.start(Sizes())
        await trial.configure(self.args.algorithm)
        await trial.until_ready()
        await trial.stop()
        return {}

    def sizes_of(self, phase: str) -> Sizes:
        """What to write in a phase."""
        return self.sizes.get(phase, Sizes())

    async def latency(self, name: str, rate: int, repeat: int) -> None:
        """One trial at one rate."""
        phase = f"{rate:,} requests/s"
        pace = Pace(rate, self.args.seconds, self.args.warmup, self.args.bursty)

        async def measure(trial: Trial) -> dict[str, Result]:
            return {phase: await latency(trial, self.args.algorithm, self.sizes_of(phase), pace)}

        await self.trial(name, phase, repeat, measure)

    async def drain(self, name: str, repeat: int) -> None:
        """One trial of both kinds of backlog."""
        alone, mixed = "backlog of requests", "backlog of requests and rewards"

        async def measure(trial: Trial) -> dict[str, Result]:
            sizes = {"drain": self.sizes_of(alone), "mixed": self.sizes_of(mixed)}
            found = await drain(trial, self.args.algorithm, sizes, self.args.backlog)
            return dict(zip((alone, mixed), found, strict=True))

        await self.trial(name, alone, repeat, measure)

    async def trial(
        self,
        name: str,
        phase: str,
        repeat: int,
        measure: Callable[[Trial], Awaitable[dict[str, Result]]],
    ) -> None:
        """Run one trial, whatever comes of it."""
        self.report.others.append(await self.quiet())
        trial = Trial(name, self.peers[name], self.brokers, self.work, PARTITIONS)
        try:
            async with trial:
                results = await measure(trial)
        except Exception as error:  # noqa: BLE001 - one failed trial must not hide the others
            self.report.failed(phase, name, repeat, error)
            say(f"{phase}: {name}: FAILED {error!r}")
            return
        for part, result in results.items():
            self.report.add(part, name, repeat, result)
            if name == "thalweg":
                self.sizes[part] = result.sizes
            figures = ", ".join(
                f"{figure} {value:,.1f}"
                for figure, value in result.figures.items()
                if value is not None
            )
            wrong = "".join(f"; WRONG: {problem}" for problem in result.problems)
            say(f"[{repeat}/{self.args.repeats}] {part}: {name}: {figures}{wrong}")

    async def quiet(self) -> float:
        """Wait for a quiet machine, as long as allowed; the share of it that others still use."""
        deadline = time.monotonic() + self.args.patience
        while True:
            share = await asyncio.to_thread(busy_share) or 0.0
            if share <= QUIET_SHARE or time.monotonic() >= deadline:
                return share


@contextlib.contextmanager
def kafka(brokers: str | None) -> Iterator[str]:
    """The brokers to use: those given, or a local one that goes away afterwards."""
    if brokers is not None:
        yield brokers
        return
    with LocalKafka(say=say) as local:
        yield local.bootstrap


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line, with what --quick stands for filled in."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, more noise")
    parser.add_argument("--brokers", help="instead of a local Kafka that is started")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="thompson_gaussian")
    parser.add_argument("--repeats", type=int, help="default 3, quick 1")
    parser.add_argument("--rates", type=int, nargs="+", default=[200, 1_000, 3_000])
    parser.add_argument("--seconds", type=float, help="measured per rate; default 30, quick 8")
    parser.add_argument("--warmup", type=float, help="seconds not measured; default 8, quick 4")
    parser.add_argument("--backlog", type=int, help="requests; default 200000, quick 40000")
    parser.add_argument("--bursty", type=Path, help="CSV with arrival times in its first column")
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        help="seconds to wait, before each trial, for other programs to leave the CPUs alone",
    )
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--peers", nargs="*", choices=["floor"], default=["floor"])
    parser.add_argument("--worker", help="the command to run instead of thalweg, e.g. a profiler's")
    args = parser.parse_args(argv)
    quick = args.quick
    args.repeats = args.repeats or (1 if quick else 3)
    args.seconds = args.seconds or (8.0 if quick else 30.0)
    args.warmup = args.warmup or (4.0 if quick else 8.0)
    args.backlog = args.backlog or (40_000 if quick else 200_000)
    return args


def program(module: str, *options: str) -> bool:
    """Run a benchmark that is a program of its own; whether it went well."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *options]
    return subprocess.run(command, check=False).returncode == 0


def beside_kafka(args: argparse.Namespace) -> bool:
    """Run the phases that need no broker; whether they went well."""
    well = True
    if "algorithms" in args.phases:
        say("algorithms: regret, speed and a budget, beside other libraries")
        well = program("algorithms.run", *(["--quick"] if args.quick else []))
    if "search" in args.phases:
        if importlib.util.find_spec("skopt") is None:
            say("search: scikit-optimize is not installed, so there is nothing to compare with")
        else:
            say("search: parameters, beside scikit-optimize")
            well = program("search", "--seeds", "3" if args.quick else "20") and well
    return well


def main() -> None:
    """Run, show, write; the exit code is 1 if any run failed or was not exact."""
    args = parse()
    well = beside_kafka(args)
    if not {"latency", "drain"} & set(args.phases):
        sys.exit(0 if well else 1)
    logging.basicConfig(level=logging.CRITICAL)
    work = Path(tempfile.mkdtemp(prefix="thalweg-bench-"))
    say(
        f"{args.algorithm}, {args.repeats} repeats, {os.cpu_count()} CPUs shared by the broker, "
        "the generator and the program under test"
    )
    with kafka(args.brokers) as brokers:
        report = asyncio.run(Bench(args, brokers, work).run())
    screen = Console()
    report.show(screen if screen.is_terminal else Console(width=110))
    report.write(args.json)
    say(f"figures in {args.json}")
    if report.problems:
        say(f"logs in {work}")
        sys.exit(1)
    shutil.rmtree(work, ignore_errors=True)
    if not well:
        sys.exit(1)


if __name__ == "__main__":
    main()
