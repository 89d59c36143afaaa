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

from tests.benchmarks.peers import Sizes
from tests.benchmarks.trial import Result, Trial


@dataclass(frozen=True)
class Pace:
    """How the generator runs."""

    rate: int
    seconds: float
    warmup: float
    bursty: Path | None = None


async def latency(trial: Trial, algorithm: str, sizes: Sizes, pace: Pace) -> Result:
    """Start the program, warm it up, and measure."""
    program = trial.start(sizes)
    await trial.configure(algorithm)
    await trial.until_ready()
    await trial.until_quiet(1.0)
    client = trial.client
    since = await client.ends(client.settings.changelog)
    cpu: dict[str, tuple[float | None, int]] = {}

    def mark(line: dict[str, Any]) -> None:
        cpu[line["mark"]] = (program.cpu(), line["answered"])

    seen = await _generate(trial, pace, mark)
    await trial.until_quiet()
    stretch = await trial.written(since)
    result = Result(Sizes(*stretch.per_event(seen["sent"], seen["rewards"]), seen["answer_bytes"]))
    result.figures = {
        "p50": seen["p50"],
        "p99": seen["p99"],
        "p99.9": seen["p99.9"],
        "cpu": _cpu_us(cpu["measuring"], cpu["measured"]),
        "log": stretch.size / max(1, seen["sent"]),
        "late": seen["generator_late_p99"],
    }
    result.require_none(
        missing_answers=seen["missing"],
        duplicate_answers=seen["duplicates"],
        rejected_requests=seen["rejected"],
    )
    await trial.judge(
        result,
        answers=trial.probed + seen["sent"],
        decisions=trial.probes_decided + seen["sent"],
        rewards=seen["rewards"],
    )
    await trial.stop()
    return result


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
