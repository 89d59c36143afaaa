"""Latency at a fixed rate: the generator against a warm program."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.drain import Backlog
from tests.benchmarks.loadgen import PATIENCE
from tests.benchmarks.peers import Sizes
from tests.benchmarks.trial import Result, Trial


@dataclass(frozen=True)
class Pace:
    """How the generator runs."""

    rate: int
    seconds: float
    warmup: float
    bursty: Path | None = None


async def latency(trial: Trial, sizes: Sizes, pace: Pace, warmup: int) -> Result:
    """Start the program, warm it up, and measure.

    One that gets faster as it runs works off ``warmup`` requests with their rewards before.
    """
    program = trial.start(sizes)
    await trial.configure()
    await trial.until_ready()
    warmed = 0
    if trial.peer.warm:
        warmed = await Backlog(trial, {"drain": sizes, "mixed": sizes}, warmup).warm_up()
    await trial.until_quiet(1.0)
    client = trial.client
    since = await client.ends(*await client.changelogs())
    cpu: dict[str, tuple[float | None, int]] = {}
    resident: dict[str, float | None] = {}

    def mark(line: dict[str, Any]) -> None:
        cpu[line["mark"]] = (program.cpu(), line["answered"])
        resident[line["mark"]] = program.resident()

    seen = await _generate(trial, pace, mark)
    if seen["missing"]:
        answered = seen["sent"] - seen["missing"]
        result = Result(sizes, saturated=True)
        result.figures = {"late": seen["generator_late_p99"], "answered": answered / seen["sent"]}
        result.problems.append(
            f"only {answered:,} of {seen['sent']:,} requests were answered within {PATIENCE:.0f} s "
            "of the last"
        )
        return result
    await trial.until_quiet()
    stretch = await trial.written(since)
    per_decision, per_reward = stretch.per_event(seen["sent"], seen["rewards"])
    result = Result(Sizes(per_decision, per_reward, seen["answer_bytes"]))
    result.figures = {
        "p50": seen["p50"],
        "p99": seen["p99"],
        "p999": seen["p99.9"],
        "cpu": _cpu_us(cpu["measuring"], cpu["measured"]),
        "log": stretch.size / max(1, seen["sent"]),
        "log_decision": per_decision if trial.ours else None,
        "log_reward": per_reward if trial.ours else None,
        "rss": _megabytes(resident["measured"]),
        "late": seen["generator_late_p99"],
    }
    result.require_none(
        duplicate_answers=seen["duplicates"],
        rejected_requests=seen["rejected"],
    )
    await trial.judge(
        result,
        answers=trial.probed + warmed + seen["sent"],
        decisions=trial.probes_decided + seen["sent"],
        rewards=seen["rewards"],
    )
    await trial.stop()
    return result


def _megabytes(size: float | None) -> float | None:
    return None if size is None else size / 1e6


def _cpu_us(first: tuple[float | None, int], last: tuple[float | None, int]) -> float | None:
    if first[0] is None or last[0] is None:
        return None
    return (last[0] - first[0]) / max(1, last[1] - first[1]) * 1e6


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
        f"--workload={trial.workload.text()}",
        *([] if pace.bursty is None else [f"--bursty={pace.bursty}"]),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None, "it is a pipe"
        while line := await process.stdout.readline():
            said = orjson.loads(line)
            if "result" in said:
                await process.wait()
                return said["result"]
            mark(said)
            trial.check()
        raise RuntimeError("the generator ended without a result")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
