"""One trial: one program under test, with topics of its own, from start to stop."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

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

    sizes: Sizes
    """What was written per decision and reward."""
    figures: dict[str, float | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

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
        self.probed = self.probes_decided = 0

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
                    self.probes_decided += 1
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

    async def judge(self, result: Result, *, answers: int, decisions: int, rewards: int) -> None:
        """Note what does not add up on the topics and, for thalweg, in the state's counters."""
        self.check()
        topics = self.client.settings.topics
        result.require_none(dead_letters=await self.client.count(topics.dead_letters))
        found = await self.client.count(topics.decisions)
        if found != answers:
            result.problems.append(f"{found} answers on the topic to {answers} requests")
        if not self.ours:
            return
        log = await self.written({})
        result.require_none(
            rewards_refused_as_duplicates=log.total("duplicates"),
            late_rewards=log.total("late"),
            contradicting_rewards=log.total("contradicting"),
            rewards_not_learned=log.total("unlearned"),
        )
        for what, counted, wanted in (
            ("decisions", log.total("decided"), decisions),
            ("rewards", log.total("joined"), rewards),
        ):
            if counted != wanted:
                result.problems.append(f"the state has counted {counted} {what}, not {wanted}")
