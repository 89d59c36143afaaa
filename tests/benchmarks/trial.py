"""One trial: one program under test, with topics of its own, from start to stop."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
from aiokafka.partitioner import DefaultPartitioner

from tests.benchmarks.changelog import Written, written
from tests.benchmarks.events import PROBE, Workload, decided
from tests.benchmarks.kafka_io import Client, Ends
from tests.benchmarks.peers import Peer, Place, Sizes
from tests.benchmarks.process import Group, Program

START_PATIENCE = 90.0
PROBED_ROUTES = 100
_numbers = itertools.count(1)


@dataclass
class Result:
    """The figures of one trial by name, and all that was wrong with it."""

    sizes: Sizes
    """What was written per decision and reward."""
    figures: dict[str, float | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    saturated: bool = False
    """Whether it could not keep up, so that its figures say nothing."""

    def require_none(self, **counts: int) -> None:
        """Note each count that is not 0."""
        for name, count in counts.items():
            if count:
                self.problems.append(f"{count} {name.replace('_', ' ')}")


class Trial:
    """A program, its topics and its data; an async context manager that cleans up."""

    def __init__(
        self,
        name: str,
        peer: Peer,
        brokers: str,
        work: Path,
        *,
        partitions: int,
        workload: Workload,
        backlog: bool = False,
        workers: int = 1,
    ) -> None:
        self.name = name
        self.ours = name == "thalweg"
        self.peer = peer
        self.workload = workload
        label = f"bench-{int(time.time())}-{next(_numbers)}-{name}"
        self.place = Place(brokers, label, f"{label}.", work / label, partitions, workload, backlog)
        self.client = Client(self.place)
        self.program: Group | None = None
        self._workers = workers
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

    def start(self, sizes: Sizes) -> Group:
        """Start the program, as many processes as there are workers; it is not ready yet."""
        programs = []
        for worker in range(self._workers):
            data_dir = self.place.data_dir / f"worker-{worker}"
            data_dir.mkdir(exist_ok=True)
            command = self.peer.command(replace(self.place, data_dir=data_dir), sizes)
            log = self.place.data_dir.with_name(f"{self.place.data_dir.name}-{worker}.log")
            programs.append(Program(command, log, listens=self.peer.warm))
        self.program = Group(programs)
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

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        assert self.program is not None, "start it first"
        self.program.kill()
        self.program = None

    def forget(self) -> None:
        """Remove what the program keeps on this machine; it must not run."""
        for data_dir in self.place.data_dir.iterdir():
            shutil.rmtree(data_dir)

    async def configure(self) -> None:
        """Publish the policies."""
        await self.client.fill(self.client.settings.topics.policies, self.workload.policies())

    def _routes_to_probe(self, routes: int | None) -> dict[bytes, int]:
        """Some routes, and the last one of each partition: its policy comes after all others'."""
        names = self.workload.names[:routes]
        step = max(1, len(names) // PROBED_ROUTES)
        found = {names[number].encode(): number for number in range(0, len(names), step)}
        partitions = list(range(self.place.partitions))
        missing = set(partitions)
        for number in range(len(names) - 1, -1, -1):
            key = names[number].encode()
            partition = DefaultPartitioner()(key, partitions, partitions)
            if partition in missing:
                missing.remove(partition)
                found[key] = number
                if not missing:
                    break
        return found

    async def until_ready(self, routes: int | None = None) -> None:
        """Ask on some of the first ``routes``, of every partition, until each has decided."""
        topics = self.client.settings.topics
        waiting = self._routes_to_probe(routes)
        deadline = time.monotonic() + START_PATIENCE + self.workload.routes / 200
        seen: Ends = await self.client.ends(topics.decisions)
        while waiting:
            self.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"no decision on {len(waiting)} routes within the time")
            probes = [
                self.workload.request_of(route, PROBE, next(self._probes))
                for route in waiting.values()
            ]
            unanswered = {orjson.loads(value)["request_id"] for _, value in probes}
            await self.client.fill(topics.requests, probes)
            self.probed += len(probes)
            # The next ones are sent only after all have come, so that none is answered twice.
            while unanswered:
                self.check()
                if time.monotonic() > deadline:
                    raise RuntimeError("a probe was not answered within the time")
                await asyncio.sleep(0.05)
                now = await self.client.ends(topics.decisions)
                async for record in self.client.read(topics.decisions, seen, now):
                    answer = orjson.loads(record.value)
                    if answer["request_id"] not in unanswered:
                        continue
                    unanswered.remove(answer["request_id"])
                    if decided(answer):
                        self.probes_decided += 1
                        waiting.pop(record.key, None)
                seen = now

    # ---- what came of it ------------------------------------------------------------------

    async def until_quiet(self, seconds: float = 2.0, patience: float = 60.0) -> None:
        """Wait until the changelogs have not grown for some seconds."""
        changelogs = await self.client.changelogs()
        last, since = -1, time.monotonic()
        deadline = since + patience
        while time.monotonic() - since < seconds and time.monotonic() < deadline:
            size = sum((await self.client.ends(*changelogs)).values())
            if size != last:
                last, since = size, time.monotonic()
            await asyncio.sleep(0.1)

    async def written(self, since: Ends) -> Written:
        """What the program wrote into its changelogs."""
        return await written(self.client, since, ours=self.ours)

    async def judge(self, result: Result, *, answers: int, decisions: int, rewards: int) -> None:
        """Note what does not add up on the topics and, for thalweg, in the state's counters."""
        self.check()
        topics = self.client.settings.topics
        result.require_none(dead_letters=await self.client.count(topics.dead_letters))
        if self.peer.transactional:  # the ends count the marks of transactions too
            found = len([record.offset async for record in self.client.read(topics.decisions)])
        else:
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
