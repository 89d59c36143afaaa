"""Throughput: how fast a program works off what has piled up.

First requests alone; then as many requests again, with a reward for each decision of the first
part, waiting together. Times are the broker's: when answers, and changes of the state, were
appended. While a program runs, the harness only asks for end offsets; what was answered is read and
checked afterwards.

A program that gets faster as it runs works off a third backlog before, and goes on running: it is
paused while the one that counts is laid before it. Others are stopped meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from tests.benchmarks.events import decided, split_id
from tests.benchmarks.kafka_io import Ends
from tests.benchmarks.peers import Sizes
from tests.benchmarks.process import Group
from tests.benchmarks.trial import Result, Trial

QUIET = 2.0
PATIENCE = 60.0
"""Seconds without any progress after which a drain has failed."""
WARMUP = 0.5
"""The warm-up's part of the backlog, for those that get one."""


@dataclass
class Answers:
    """What stands on the decisions topic for one part."""

    decided: list[tuple[int, bytes, str]] = field(default_factory=list)
    """Number of the request, route, arm."""
    times: list[int] = field(default_factory=list)
    bytes: int = 0
    rejected: int = 0
    duplicates: int = 0
    missing: int = 0

    def steady_rate(self, after: float) -> float:
        """Answers per second from the first append on, or from where a part ``after`` of all was
        answered, to the last; those that came at the first moment do not count.
        """
        times = sorted(self.times)
        first, last = times[int(after * (len(times) - 1))], times[-1]
        later = len(times) - bisect_right(times, first)
        return later / max(0.001, (last - first) / 1000)

    def judge(self, result: Result) -> None:
        """Note what is wrong."""
        result.require_none(
            missing_answers=self.missing,
            duplicate_answers=self.duplicates,
            rejected_requests=self.rejected,
        )


class Seen(NamedTuple):
    """What was seen of a program while it worked."""

    cpu: float | None
    """CPU seconds of the process, at the last progress."""
    ended_at: float
    """The harness's time of the last progress."""


class Backlog:
    """One trial of both parts."""

    def __init__(
        self,
        trial: Trial,
        sizes: dict[str, Sizes],
        count: int,
        *,
        brief: bool = False,
        after: float = 0.0,
    ) -> None:
        self.trial = trial
        self.client = trial.client
        self.topics = trial.client.settings.topics
        self.sizes = sizes
        self.count = max(100, int(count * trial.peer.share))
        self.cpu_before: float | None = None
        self._after = after
        """Which part of the requests does not count: several workers do not start at once."""
        self._brief = brief
        """Whether to save the time of a start, and not to know the CPU time of the second part."""

    async def run(self) -> list[Result]:
        """Requests alone, then requests and rewards."""
        trial, count = self.trial, self.count
        await trial.configure()
        warmed = 0
        if trial.peer.warm:
            trial.start(self.sizes["drain"])
            await trial.until_ready()
            warmed = await self.warm_up()
        alone, answers = await self._alone()
        mixed = await self._mixed(answers)
        await trial.judge(
            mixed,
            answers=trial.probed + warmed + 2 * count,
            decisions=trial.probes_decided + 2 * count,
            rewards=len(answers.decided),
        )
        await trial.stop()
        return [alone, mixed]

    async def warm_up(self) -> int:
        """Let the program do some of everything; returns how many requests that were."""
        count = max(100, int(self.count * WARMUP))
        answers = await self.work_off("warm", count)
        await self.client.fill(self.topics.rewards, self._rewards("warm", answers))
        await self.trial.until_quiet(QUIET)
        return count

    async def work_off(self, run: str, count: int, routes: int | None = None) -> Answers:
        """Ask the running program, on the first ``routes`` in turn or as the workload says."""
        since = await self._ends()
        ask = self.trial.workload
        requests = (
            self._requests(run, count)
            if routes is None
            else (ask.request_of(number % routes, run, number) for number in range(count))
        )
        await self.client.fill(self.topics.requests, requests)
        await self._watch(since, count, quiet=0.0)
        return await self._answers(since, run, count)

    async def _lay(self, part: str, requests: str, rewards: Answers | None) -> tuple[Group, Ends]:
        """Put a backlog before the program, and let it begin."""
        trial = self.trial
        if trial.peer.warm:
            assert trial.program is not None, "it is warm"
            trial.program.tell("pause")
            await asyncio.sleep(1.0)
        elif part == "mixed" and self._brief:
            self.cpu_before = None
        else:
            self.cpu_before = await self._start_and_stop(self.sizes[part])
        since = await self._ends()
        await self.client.fill(self.topics.requests, self._requests(requests, self.count))
        if rewards is not None:
            await self.client.fill(self.topics.rewards, self._rewards("alone", rewards))
        if not trial.peer.warm:
            return trial.start(self.sizes[part]), since
        self.cpu_before = trial.program.cpu()
        trial.program.tell("resume")
        return trial.program, since

    async def _alone(self) -> tuple[Result, Answers]:
        trial, count = self.trial, self.count
        program, since = await self._lay("drain", "alone", None)
        seen = await self._watch(since, count, quiet=0.0)
        resident = program.resident()
        answers = await self._answers(since, "alone", count)
        await trial.until_quiet(1.0)
        log = await trial.written(since)
        if not trial.peer.warm:
            await trial.stop()
        result = Result(Sizes(*log.per_event(count, 0), answers.bytes / max(1, len(answers.times))))
        answers.judge(result)
        if answers.times:
            first = min(answers.times) / 1000 - program.started_at
            last = max(answers.times) / 1000 - program.started_at
            result.figures = {
                "rate": answers.steady_rate(self._after),
                "with_start": None if trial.peer.warm else count / last,
                "start": None if trial.peer.warm else first,
                "cpu": self._per(seen, count),
                "log": log.size / count,
                "rss": None if resident is None else resident / 1e6,
            }
        return result, answers

    async def _mixed(self, before: Answers) -> Result:
        trial, count, rewards = self.trial, self.count, len(before.decided)
        _, since = await self._lay("mixed", "mixed", before)
        seen = await self._watch(since, count, quiet=QUIET)
        answers = await self._answers(since, "mixed", count)
        log = await trial.written(since)
        result = Result(
            Sizes(*log.per_event(count, rewards), answers.bytes / max(1, len(answers.times)))
        )
        answers.judge(result)
        if answers.times:
            # Of some programs the changelogs carry their own times: then the harness's must do.
            changed = log.last_ms / 1000 if log.last_ms else seen.ended_at
            seconds = max(changed, max(answers.times) / 1000) - min(answers.times) / 1000
            result.figures = {
                "rate": (count + rewards) / max(0.001, seconds),
                "cpu": self._per(seen, count + rewards),
                "log": log.size / (count + rewards),
            }
        return result

    async def _start_and_stop(self, sizes: Sizes) -> float | None:
        """Start the program with nothing to do; returns the CPU seconds that a start takes."""
        program = self.trial.start(sizes)
        await self.trial.until_ready()
        cpu = program.cpu()
        await self.trial.until_quiet(1.0)
        await self.trial.stop()
        return cpu

    def _per(self, seen: Seen, count: int) -> float | None:
        if self.cpu_before is None or seen.cpu is None:
            return None
        used = seen.cpu - self.cpu_before
        return used / max(1, count) * 1e6 if used > 0.0 else None  # less than starts differ by

    def _requests(self, run: str, count: int) -> Iterator[tuple[bytes, bytes]]:
        return (self.trial.workload.request(run, number) for number in range(count))

    def _rewards(self, run: str, answers: Answers) -> Iterator[tuple[bytes, bytes]]:
        for number, key, arm in answers.decided:
            yield key, self.trial.workload.reward(f"{run}-{number}", number, key, arm)

    async def _ends(self) -> Ends:
        return await self.client.ends(self.topics.decisions, *await self.client.changelogs())

    async def _watch(self, since: Ends, count: int, *, quiet: float) -> Seen:
        """Wait for the answers and, with ``quiet``, until the changelogs grow no more."""
        trial, decisions = self.trial, self.topics.decisions
        if trial.peer.transactional:
            quiet = QUIET  # more than answers seem to be there
        assert trial.program is not None, "start it first"
        topics = {tp.topic for tp in since} | set(await self.client.changelogs())
        wanted = sum(end for tp, end in since.items() if tp.topic == decisions) + count
        last: Ends = since
        seen, moved_at = Seen(trial.program.cpu(), time.time()), time.monotonic()
        while True:
            await asyncio.sleep(0.05)
            trial.check()
            ends = await self.client.ends(*topics)
            now = time.monotonic()
            if ends != last:
                last, seen, moved_at = ends, Seen(trial.program.cpu(), time.time()), now
            got = sum(end for tp, end in ends.items() if tp.topic == decisions)
            if now - moved_at >= (quiet if got >= wanted else PATIENCE):
                return seen

    async def _answers(self, since: Ends, run: str, count: int) -> Answers:
        """Read and check what was answered."""
        await asyncio.sleep(0.5)  # for answers that come twice
        found = Answers()
        seen = bytearray(count)
        async for record in self.client.read(self.topics.decisions, since):
            answer = orjson.loads(record.value)
            whose, number = split_id(answer["request_id"])
            if whose != run:
                continue
            if seen[number]:
                found.duplicates += 1
                continue
            seen[number] = 1
            found.times.append(record.timestamp)
            found.bytes += len(record.value)
            if decided(answer):
                found.decided.append((number, record.key, answer["arm"]))
            else:
                found.rejected += 1
        found.missing = count - len(found.times)
        return found
