"""Throughput: how fast a program works off what has piled up while it was stopped.

First requests alone; then half as many requests again, with a reward for each decision of the
first part, waiting together. Times are the broker's: when answers, and changes of the state, were
appended. While a program runs, the harness only asks for end offsets, ten times a second; what
was answered is read and checked afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from tests.benchmarks.events import decided, request, reward, split_id
from tests.benchmarks.kafka_io import Ends
from tests.benchmarks.peers import Sizes
from tests.benchmarks.process import Program
from tests.benchmarks.trial import Result, Trial

QUIET = 2.0
PATIENCE = 60.0
"""Seconds without any progress after which a drain has failed."""


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

    def steady_rate(self) -> float:
        """Answers per second, from the first append to the last; the first one's do not count."""
        first, last = min(self.times), max(self.times)
        return (len(self.times) - self.times.count(first)) / max(0.001, (last - first) / 1000)

    def judge(self, result: Result) -> None:
        """Note what is wrong."""
        result.require_none(
            missing_answers=self.missing,
            duplicate_answers=self.duplicates,
            rejected_requests=self.rejected,
        )


async def drain(trial: Trial, algorithm: str, sizes: dict[str, Sizes], count: int) -> list[Result]:
    """Both parts; ``sizes`` by part, "drain" and "mixed"."""
    await trial.configure(algorithm)
    alone, answers = await _alone(trial, sizes["drain"], count)
    mixed = await _mixed(trial, sizes["mixed"], count, answers)
    await trial.judge(
        mixed,
        answers=trial.probed + count + count // 2,
        decisions=trial.probes_decided + count + count // 2,
        rewards=len(answers.decided),
    )
    await trial.stop()
    return [alone, mixed]


async def _alone(trial: Trial, sizes: Sizes, count: int) -> tuple[Result, Answers]:
    client, topics = trial.client, trial.client.settings.topics
    idle = await _start_and_stop(trial, sizes)
    since = await client.ends(topics.decisions, client.settings.changelog)
    await client.fill(topics.requests, _requests("alone", count))
    program = trial.start(sizes)
    cpu = await _watch(trial, program, since, count, quiet=0.0)
    answers = await _answers(trial, since, "alone", count)
    await trial.until_quiet(1.0)
    log = await trial.written(since)
    await trial.stop()
    result = Result(Sizes(*log.per_event(count, 0), answers.bytes / max(1, len(answers.times))))
    answers.judge(result)
    if answers.times:
        seconds = max(answers.times) / 1000 - program.started_at
        result.figures = {
            "rate": answers.steady_rate(),
            "with_start": count / seconds,
            "start": min(answers.times) / 1000 - program.started_at,
            "cpu": _per(idle, cpu, count),
            "log": log.size / count,
        }
    return result, answers


async def _mixed(trial: Trial, sizes: Sizes, count: int, before: Answers) -> Result:
    client, topics = trial.client, trial.client.settings.topics
    half = count // 2
    idle = await _start_and_stop(trial, sizes)
    since = await client.ends(topics.decisions, client.settings.changelog)
    await client.fill(topics.requests, _requests("mixed", half))
    rewards = await client.fill(topics.rewards, _rewards("alone", before))
    program = trial.start(sizes)
    cpu = await _watch(trial, program, since, half, quiet=QUIET)
    answers = await _answers(trial, since, "mixed", half)
    log = await trial.written(since)
    result = Result(
        Sizes(*log.per_event(half, rewards), answers.bytes / max(1, len(answers.times)))
    )
    answers.judge(result)
    if answers.times:
        first, last = log.first_ms, max(log.last_ms, *answers.times)
        result.figures = {
            "rate": (half + rewards) / max(0.001, (last - first) / 1000),
            "cpu": _per(idle, cpu, half + rewards),
            "log": log.size / (half + rewards),
        }
    return result


async def _start_and_stop(trial: Trial, sizes: Sizes) -> float | None:
    """Start the program with nothing to do; returns the CPU seconds that a start takes."""
    program = trial.start(sizes)
    await trial.until_ready()
    cpu = program.cpu()
    await trial.until_quiet(1.0)
    await trial.stop()
    return cpu


def _per(idle: float | None, cpu: float | None, count: int) -> float | None:
    return None if idle is None or cpu is None else (cpu - idle) / max(1, count) * 1e6


def _requests(run: str, count: int) -> Iterator[tuple[bytes, bytes]]:
    return (request(run, number) for number in range(count))


def _rewards(run: str, answers: Answers) -> Iterator[tuple[bytes, bytes]]:
    for number, key, arm in answers.decided:
        yield key, reward(f"{run}-{number}", number, key, arm)


async def _watch(
    trial: Trial, program: Program, since: Ends, count: int, *, quiet: float
) -> float | None:
    """Wait for the answers and, with ``quiet``, until the changelog grows no more.

    Returns the CPU seconds of the program at the last progress.
    """
    client = trial.client
    decisions, changelog = client.settings.topics.decisions, client.settings.changelog
    wanted = sum(end for tp, end in since.items() if tp.topic == decisions) + count
    last, cpu, moved_at = since, program.cpu(), time.monotonic()
    while True:
        await asyncio.sleep(0.1)
        trial.check()
        ends = await client.ends(decisions, changelog)
        now = time.monotonic()
        if ends != last:
            last, cpu, moved_at = ends, program.cpu(), now
        got = sum(end for tp, end in ends.items() if tp.topic == decisions)
        if now - moved_at >= (quiet if got >= wanted else PATIENCE):
            return cpu


async def _answers(trial: Trial, since: Ends, run: str, count: int) -> Answers:
    """Read and check what was answered."""
    await asyncio.sleep(0.5)  # for answers that come twice
    found = Answers()
    seen = bytearray(count)
    async for record in trial.client.read(trial.client.settings.topics.decisions, since):
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
