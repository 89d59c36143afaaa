"""One run of all that needs a broker: who runs when, and what comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from tests.benchmarks.drain import Backlog
from tests.benchmarks.events import Workload
from tests.benchmarks.latency import Pace, latency
from tests.benchmarks.memory import memory
from tests.benchmarks.peers import Peer, Sizes, available
from tests.benchmarks.process import busy_share
from tests.benchmarks.recovery import recovery
from tests.benchmarks.report import OURS, Report
from tests.benchmarks.scaling import Variant, variants
from tests.benchmarks.trial import Result, Trial

PHASES = ("latency", "drain", "scaling", "recovery", "memory")
BASE = "base"
SLOW = ("faust",)
"""Whose latency takes long to measure, and says little: its fetches wait 1.5 s."""
STATE = 10
"""In recovery, the state is a backlog's decisions, divided by this: the same for slow programs."""
SETTLED = 0.5
"""In scaling, the part of a backlog after which all workers are there, and its rate counts."""
QUIET_SHARE = 0.15
"""Of all CPUs: an idle broker, and little else."""
MOST_ROUTES = 20_000
progress = Console(stderr=True, highlight=False)

Results = dict[str, Result]
Measure = Callable[[Trial], Awaitable[Results]]


def say(text: str) -> None:
    """One progress line."""
    progress.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)


@dataclass(frozen=True)
class Plan:
    """What to run, and how much of it."""

    phases: tuple[str, ...]
    peers: tuple[str, ...]
    repeats: int
    rates: tuple[int, ...]
    seconds: float
    warmup: float
    backlog: int
    bursty: Path | None
    variants: tuple[str, ...]
    workload: Workload
    partitions: int
    patience: float
    worker: str | None
    quick: bool
    minutes: float | None
    """After these, what is left is skipped, and shown as such."""


class Bench:
    """The run."""

    def __init__(self, plan: Plan, brokers: str, work: Path, report: Report) -> None:
        self.plan = plan
        self.brokers = brokers
        self.work = work
        self.report = report
        self.peers, missing = available(list(plan.peers), plan.worker)
        for name, why in missing.items():
            report.left_out(name, why)
            say(f"{name} is left out: {why}")
        self.sizes: dict[str, Sizes] = {}
        """By phase, what thalweg wrote the last time: the floor writes as much."""
        self.begun = time.monotonic()
        self.saturated: dict[str, int] = {}
        """By peer, the least rate that was too much for it."""

    async def run(self) -> None:
        """All phases, repeat by repeat."""
        if not self.plan.quick:
            for name in self.peers:
                await self._start_once(name)
        for repeat in range(1, self.plan.repeats + 1):
            for phase in PHASES:
                if phase in self.plan.phases:
                    await getattr(self, f"_{phase}")(repeat)

    def _in_turn(self, repeat: int, names: Sequence[str]) -> list[str]:
        return list(names) if repeat % 2 else list(reversed(names))

    async def _start_once(self, name: str) -> None:
        """Start and stop, so that no later start compiles Python or fills the disk cache."""

        async def measure(trial: Trial) -> Results:
            await trial.configure()
            trial.start(Sizes())
            await trial.until_ready()
            await trial.stop()
            return {}

        await self._trial(name, "first start", 0, measure)

    async def _latency(self, repeat: int) -> None:
        for rate in self.plan.rates:
            for bursty in (None, self.plan.bursty) if self.plan.bursty else (None,):
                for name in self._in_turn(repeat, list(self.peers)):
                    await self._latency_at(name, rate, bursty, repeat)

    async def _latency_at(self, name: str, rate: int, bursty: Path | None, repeat: int) -> None:
        phase = f"latency {rate}" + (" bursty" if bursty else "")
        pace = Pace(rate, self.plan.seconds, self.plan.warmup, bursty)
        if self.saturated.get(name, rate) < rate:
            why = f"saturated at {self.saturated[name]:,}/s: not asked for more"
            self.report.skipped(phase, name, why)
            say(f"{phase}: {name}: {why}")
            return
        if self.plan.quick and name in SLOW:
            self.report.skipped(phase, name, "not asked: a short run")
            return

        async def measure(trial: Trial) -> Results:
            result = await latency(trial, self._sizes(phase), pace, self.plan.backlog)
            if result.saturated and name != OURS:
                self.saturated[name] = min(rate, self.saturated.get(name, rate))
            return {phase: result}

        await self._trial(name, phase, repeat, measure)

    async def _drain(self, repeat: int) -> None:
        for name in self._in_turn(repeat, list(self.peers)):
            await self._backlog(name, ("drain requests", "drain mixed"), repeat)

    async def _backlog(
        self, name: str, parts: tuple[str, str], repeat: int, variant: Variant | None = None
    ) -> None:
        async def measure(trial: Trial) -> Results:
            sizes = {"drain": self._sizes(parts[0]), "mixed": self._sizes(parts[1])}
            after = 0.0 if variant is None else SETTLED
            backlog = Backlog(trial, sizes, self.plan.backlog, brief=self.plan.quick, after=after)
            found = await backlog.run()
            return dict(zip(parts, found, strict=True))

        await self._trial(name, parts[0], repeat, measure, variant=variant, backlog=True)

    async def _scaling(self, repeat: int) -> None:
        base = Variant(BASE, self.plan.workload, self.plan.partitions)
        for variant in variants(self.plan.workload, self.plan.partitions):
            if variant.name not in self.plan.variants:
                continue
            phase = f"scaling {variant.name}"
            pair = {OURS: variant, BASE: base}
            for name in self._in_turn(repeat, list(pair)):
                parts = (f"{phase} requests", f"{phase} mixed")
                await self._backlog(name, parts, repeat, pair[name])

    async def _recovery(self, repeat: int) -> None:
        for name in self._in_turn(repeat, [name for name in self.peers if name != "floor"]):

            async def measure(trial: Trial) -> Results:
                return {"recovery": await recovery(trial, Sizes(), self.plan.backlog // STATE)}

            await self._trial(name, "recovery", repeat, measure, backlog=True)

    async def _memory(self, repeat: int) -> None:
        base = self.plan.workload.routes
        routes = base + min(MOST_ROUTES, self.plan.backlog)
        variant = Variant(
            "memory", replace(self.plan.workload, routes=routes), self.plan.partitions
        )

        async def measure(trial: Trial) -> Results:
            return {"memory": await memory(trial, Sizes(), self.plan.backlog, base)}

        await self._trial(OURS, "memory", repeat, measure, variant=variant, backlog=True)

    def _sizes(self, phase: str) -> Sizes:
        return self.sizes.get(phase, Sizes())

    async def _trial(
        self,
        name: str,
        phase: str,
        repeat: int,
        measure: Measure,
        *,
        variant: Variant | None = None,
        backlog: bool = False,
    ) -> None:
        """Run one trial, whatever comes of it. ``base`` is thalweg too."""
        if self.plan.minutes and time.monotonic() - self.begun > 60.0 * self.plan.minutes:
            self.report.skipped(phase, name, "out of time")
            say(f"{phase}: {name}: out of time")
            return
        self.report.others.append(await self._quiet())
        variant = variant or Variant(name, self.plan.workload, self.plan.partitions)
        peer: Peer = self.peers[OURS if name == BASE else name]
        trial = Trial(
            OURS if name == BASE else name,
            peer,
            self.brokers,
            self.work,
            partitions=variant.partitions,
            workload=variant.workload,
            backlog=backlog,
            workers=variant.workers,
        )
        try:
            async with trial:
                results = await measure(trial)
        except Exception as error:  # noqa: BLE001 - one failed trial must not hide the others
            self.report.failed(phase, name, repeat, error)
            say(f"{phase}: {name}: FAILED {error!r}")
            return
        for part, result in results.items():
            self.report.add(part, name, repeat, result)
            if name == OURS:
                self.sizes[part] = result.sizes
            figures = ", ".join(
                f"{figure} {value:,.1f}"
                for figure, value in result.figures.items()
                if value is not None
            )
            wrong = "".join(f"; WRONG: {problem}" for problem in result.problems)
            say(f"[{repeat}/{self.plan.repeats}] {part}: {name}: {figures}{wrong}")

    async def _quiet(self) -> float:
        """Wait for a quiet machine, as long as allowed; the share of it that others still use."""
        deadline = time.monotonic() + self.plan.patience
        while True:
            share = await asyncio.to_thread(busy_share, 0.5) or 0.0
            if share <= QUIET_SHARE or time.monotonic() >= deadline:
                return share
