"""One trial: one program under test, with topics of its own, from start to stop."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tests.benchmarks.changelog import Written, written
from tests.benchmarks.events import PROBE, ROUTES, decided, policies, request
from tests.benchmarks.kafka_io import Client, Ends
from tests.benchmarks.peers import Command, Place, Sizes
from tests.benchmarks.process import Program

START_PATIENCE = 90.0
_numbers = itertools.count(1)


@dataclass
class Result:
    """The figures of one trial by name, and all that was wrong with it."""

    figures: dict[str, float | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    sizes: Sizes = field(default_factory=Sizes)
    """What thalweg wrote; for the floor, what it was told."""

    def require_none(self, **counts: int) -> None:
        """Note each count that is not 0."""
        for name, count in counts.items():
            if count:
                self.problems.append(f"{count} {name.replace('_', ' ')}")


class Trial:
    """A program, its topics and its data; an async context manager that cleans up."""

    def __init__(
        self, peer: str, command: Command, brokers: str, work: Path, partitions: int
    ) -> None:
        self.peer = peer
        self.ours = peer == "thalweg"
        self._command = command
        label = f"bench-{int(time.time())}-{next(_numbers)}-{peer}"
        self.place = Place(brokers, label, f"{label}.", work / label, partitions)
        self.client = Client(self.place)
        self.program: Program | None = None
        self._probes = itertools.count()
        self.probed = 0

    async def __aenter__(self) -> Self:
        self.place.data_dir.mkdir(parents=True)
        await self.client.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.program is not None:
            self.program.kill()
        await self.client.stop()
        if error is None:
            await asyncio.to_thread(shutil.rmtree, self.place.data_dir, ignore_errors=True)

    # ---- the program ----------------------------------------------------------------------

    def start(self, sizes: Sizes) -> Program:
        """Start the program; it is not ready yet."""
        log = self.place.data_dir.with_suffix(".log")
        self.program = Program(self._command(self.place, sizes), log)
        return self.program

    def check(self) -> None:
        """Raise RuntimeError if the program has ended."""
        assert self.program is not None, "start it first"
        self.program.check()

    async def stop(self) -> None:
        """Stop the program in order."""
        assert self.program is not None, "start it first"
        await asyncio.to_thread(self.program.stop)
        self.program = None

    async def configure(self, algorithm: str) -> None:
        """Publish the policies."""
        await self.client.fill(self.client.settings.topics.policies, policies(algorithm))

    async def until_ready(self) -> None:
        """Ask on every route until each has decided."""
        topics = self.client.settings.topics
        waiting = {route.encode() for route in ROUTES}
        deadline = time.monotonic() + START_PATIENCE
        seen: Ends = await self.client.ends(topics.decisions)
        while waiting:
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no decision on {len(waiting)} routes within the time")
            by_route = {ROUTES.index(key.decode()): key for key in waiting}
            batch = next(self._probes) * len(ROUTES)
            probes = [request(PROBE, batch + number) for number in by_route]
            wanted = await self.client.count(topics.decisions)
            wanted += await self.client.fill(topics.requests, probes)
            self.probed += len(probes)
            # Each gets exactly one answer, so the next ones are sent only after all have come.
            while await self.client.count(topics.decisions) < wanted:
                self.check()
                if time.monotonic() > deadline:
                    raise RuntimeError("a probe was not answered within the time")
                await asyncio.sleep(0.05)
            async for record in self.client.read(topics.decisions, seen):
                if decided(orjson.loads(record.value)):
                    waiting.discard(record.key)
            seen = await self.client.ends(topics.decisions)

    # ---- what came of it ------------------------------------------------------------------

    async def until_quiet(self, seconds: float = 2.0, patience: float = 60.0) -> None:
        """Wait until the changelog has not grown for some seconds."""
        topic = self.client.settings.changelog
        last, since = -1, time.monotonic()
        deadline = since + patience
        while time.monotonic() - since < seconds and time.monotonic() < deadline:
            size = await self.client.count(topic)
            if size != last:
                last, since = size, time.monotonic()
            await asyncio.sleep(0.1)

    async def written(self, since: Ends) -> Written:
        """What the program wrote into its changelog."""
        return await written(self.client, since, ours=self.ours)

    async def judge(self, result: Result, *, decisions: int, rewards: int, log: Written) -> None:
        """Note dead letters, and counters of the state that are not what was sent."""
        topics = self.client.settings.topics
        result.require_none(dead_letters=await self.client.count(topics.dead_letters))
        if not self.ours:
            return
        result.require_none(
            rewards_counted_twice=log.total("duplicates"),
            late_rewards=log.total("late"),
            contradicting_rewards=log.total("contradicting"),
            rewards_not_learned=log.total("unlearned"),
        )
        if log.total("joined") != rewards:
            result.problems.append(f"{log.total('joined')} rewards counted of {rewards}")
        if log.total("decided") != decisions:
            result.problems.append(f"{log.total('decided')} decisions counted of {decisions}")


# ---- latency ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """How the generator runs."""

    rate: int
    seconds: float
    warmup: float
    bursty: Path | None = None


async def latency(trial: Trial, algorithm: str, sizes: Sizes, pace: Pace) -> Result:
    """Run the generator against a warm program."""
    program = trial.start(sizes)
    await trial.configure(algorithm)
    await trial.until_ready()
    await trial.until_quiet(1.0)
    topics = trial.client.settings.topics
    since = await trial.client.ends(trial.client.settings.changelog)
    cpu: dict[str, tuple[float | None, int]] = {}

    def mark(line: dict[str, Any]) -> None:
        cpu[line["mark"]] = (program.cpu(), line["answered"])

    seen = await _generate(trial, pace, mark)
    await trial.until_quiet()
    trial.check()
    log = await trial.written(since)
    per_decision, per_reward = log.per_event(seen["sent"], seen["rewards"])
    result = Result(sizes=Sizes(per_decision, per_reward, await _answer_size(trial)))
    result.figures = {
        "p50": seen["p50"],
        "p99": seen["p99"],
        "p99.9": seen["p99.9"],
        "cpu_us": _cpu_us(cpu["measuring"], cpu["measured"]),
        "log_bytes": log.bytes / max(1, seen["sent"]),
        "generator_late_p99": seen["generator_late_p99"],
    }
    result.require_none(
        missing_answers=seen["missing"],
        duplicate_answers=seen["duplicates"],
        rejected_requests=seen["rejected"],
    )
    extra = await trial.client.count(topics.decisions) - trial.probed - seen["sent"]
    if extra and not (seen["missing"] or seen["duplicates"]):
        result.problems.append(f"{extra:+} answers on the topic")
    everything = await trial.written({})
    await trial.judge(
        result, decisions=_decided(trial, seen), rewards=seen["rewards"], log=everything
    )
    await trial.stop()
    return result


def _decided(trial: Trial, seen: dict[str, Any]) -> int:
    return seen["sent"] - seen["rejected"] + trial.probes_decided


def _cpu_us(first: tuple[float | None, int], last: tuple[float | None, int]) -> float | None:
    if first[0] is None or last[0] is None:
        return None
    return (last[0] - first[0]) / max(1, last[1] - first[1]) * 1e6


async def _answer_size(trial: Trial) -> float:
    total = count = 0
    async for record in trial.client.read(trial.client.settings.topics.decisions):
        total += len(record.value)
        count += 1
        if count >= 2_000:
            break
    return total / max(1, count)


async def _generate(trial: Trial, pace: Pace, mark: Callable[[dict[str, Any]], None]) -> Any:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.loadgen",
        f"--brokers={trial.place.brokers}",
        f"--prefix={trial.place.prefix}",
        f"--run=load{int(time.time())}",
        f"--rate={pace.rate}",
        f"--seconds={pace.seconds}",
        f"--warmup={pace.warmup}",
        *([] if pace.bursty is None else [f"--bursty={pace.bursty}"]),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None, "it is a pipe"
        while line := await process.stdout.readline():
            said = orjson.loads(line)
            if "result" in said:
                return said["result"]
            mark(said)
            trial.check()
        raise RuntimeError("the generator ended without a result")
    finally:
        if process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
