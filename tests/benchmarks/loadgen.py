"""An open-loop generator: requests at a fixed rate, whatever the program under test does.

A latency counts from the moment at which the request was *due* to the moment at which its decision
was read, so a stall is charged to every request that it delayed (no coordinated omission). Each
decision is answered with a reward at once. Writes JSON lines: the marks "measuring" and
"measured", at which CPU time is read, then the result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import gc
import time
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.benchmarks.events import Workload, decided, split_id

PATIENCE = 15.0
"""Seconds after the last request in which its decision may still come."""
TICK = 0.001


def constant_arrivals(rate: float, seconds: float) -> np.ndarray:
    """When each request is due, in seconds from the start."""
    return np.arange(int(rate * seconds)) / rate


def recorded_arrivals(path: Path, rate: float, seconds: float) -> np.ndarray:
    """The gaps of a CSV's first column (seconds, or ISO times), stretched to the mean rate."""
    with path.open(newline="") as file:
        column = [row[0] for row in csv.reader(file) if row]
    times = np.array([at for at in map(_seconds, column) if at is not None])
    if len(times) < 2 or times[-1] <= times[0]:
        raise SystemExit(f"{path}: expected arrival times in the first column, in order")
    gaps = np.diff(np.sort(times))
    gaps *= 1.0 / (rate * gaps.mean())
    wanted = int(rate * seconds)
    endless = cycle(gaps.tolist())
    return np.cumsum([next(endless) for _ in range(wanted)])


def _seconds(text: str) -> float | None:
    for parse in (float, lambda text: datetime.fromisoformat(text[:26]).timestamp()):
        with contextlib.suppress(ValueError):
            return parse(text)
    return None


class Load:
    """One run of the generator."""

    def __init__(self, args: argparse.Namespace, arrivals: np.ndarray) -> None:
        self.args = args
        self.workload = Workload.parse(args.workload)
        self.due = arrivals.tolist()
        self.count = len(self.due)
        self.read_at = np.full(self.count, np.nan)
        self.sent_at = np.full(self.count, np.nan)
        self.seen = bytearray(self.count)
        self.answered = self.duplicates = self.rejected = self.rewards = 0
        self.answer_bytes = 0
        self.finished = asyncio.Event()
        self.requests_out = AIOKafkaProducer(bootstrap_servers=args.brokers, acks=1)
        self.rewards_out = AIOKafkaProducer(bootstrap_servers=args.brokers, acks=1)
        self.decisions_in = AIOKafkaConsumer(
            f"{args.prefix}decisions",
            bootstrap_servers=args.brokers,
            auto_offset_reset="latest",
            isolation_level="read_committed",
        )
        self.zero = 0.0

    async def run(self) -> dict[str, Any]:
        """Send, read, reward; then the figures."""
        await asyncio.gather(
            self.requests_out.start(), self.rewards_out.start(), self.decisions_in.start()
        )
        for tp in self.decisions_in.assignment():
            await self.decisions_in.position(tp)
        gc.collect()
        gc.freeze()
        gc.disable()
        self.zero = time.perf_counter() + 0.1
        receiver = asyncio.create_task(self.receive())
        marks = asyncio.create_task(self.mark())
        await self.send()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.finished.wait(), PATIENCE)
        await asyncio.sleep(0.5)  # for answers that come twice
        receiver.cancel()
        await marks
        await self.rewards_out.flush()
        await asyncio.gather(
            self.requests_out.stop(), self.rewards_out.stop(), self.decisions_in.stop()
        )
        return self.result()

    async def mark(self) -> None:
        """Say when the measured stretch begins and ends."""
        for seconds, name in (
            (self.args.warmup, "measuring"),
            (self.args.warmup + self.args.seconds, "measured"),
        ):
            await asyncio.sleep(self.zero + seconds - time.perf_counter())
            say({"mark": name, "answered": self.answered})

    async def send(self) -> None:
        """Send each request as soon as it is due."""
        topic, run, due = f"{self.args.prefix}requests", self.args.run, self.due
        number = 0
        while number < self.count:
            now = time.perf_counter() - self.zero
            while number < self.count and due[number] <= now:
                key, value = self.workload.request(run, number)
                await self.requests_out.send(topic, key=key, value=value)
                self.sent_at[number] = time.perf_counter() - self.zero
                number += 1
            if number < self.count:
                await asyncio.sleep(max(due[number] - now, TICK))

    async def receive(self) -> None:
        """Read decisions and reward them."""
        topic, run = f"{self.args.prefix}rewards", self.args.run
        while True:
            fetched = await self.decisions_in.getmany(timeout_ms=500)
            now = time.perf_counter() - self.zero
            for records in fetched.values():
                for record in records:
                    assert record.value is not None, "an answer has a body"
                    assert record.key is not None, "an answer has its route as key"
                    answer = orjson.loads(record.value)
                    whose, number = split_id(answer["request_id"])
                    if whose != run:
                        continue
                    if self.seen[number]:
                        self.duplicates += 1
                        continue
                    self.seen[number] = 1
                    self.read_at[number] = now
                    self.answered += 1
                    self.answer_bytes += len(record.value)
                    if not decided(answer):
                        self.rejected += 1
                    elif self.args.rewards:
                        self.rewards += 1
                        value = self.workload.reward(
                            answer["request_id"], number, record.key, answer["arm"]
                        )
                        await self.rewards_out.send(topic, key=record.key, value=value)
            if self.answered == self.count:
                self.finished.set()

    def result(self) -> dict[str, Any]:
        """The figures, in ms, of the requests that were due in the measured stretch."""
        due = np.array(self.due)
        begin = self.args.warmup
        measured = (due >= begin) & (due < begin + self.args.seconds)
        latency = (self.read_at - due)[measured & ~np.isnan(self.read_at)] * 1000
        lag = (self.sent_at - due)[measured] * 1000
        quantiles = np.percentile(latency, [50, 99, 99.9]) if len(latency) else [np.nan] * 3
        return {
            "p50": float(quantiles[0]),
            "p99": float(quantiles[1]),
            "p99.9": float(quantiles[2]),
            "max": float(latency.max()) if len(latency) else None,
            "measured": len(latency),
            "generator_late_p99": float(np.percentile(lag, 99)),
            "sent": self.count,
            "missing": self.count - self.answered,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "rewards": self.rewards,
            "answer_bytes": self.answer_bytes / max(1, self.answered),
        }


def say(line: dict[str, Any]) -> None:
    """Write one JSON line."""
    print(orjson.dumps(line).decode(), flush=True)


async def main(args: argparse.Namespace) -> None:
    """One run."""
    seconds = args.warmup + args.seconds
    if args.bursty is None:
        arrivals = constant_arrivals(args.rate, seconds)
    else:
        arrivals = recorded_arrivals(args.bursty, args.rate, seconds)
    say({"result": await Load(args, arrivals).run()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--run", required=True, help="what all request ids begin with")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--warmup", type=float, default=5.0, help="seconds not measured")
    parser.add_argument("--bursty", type=Path, help="CSV with arrival times in its first column")
    parser.add_argument(
        "--workload", default=Workload().text(), help="as events.Workload writes it"
    )
    parser.add_argument("--rewards", action=argparse.BooleanOptionalAction, default=True)
    asyncio.run(main(parser.parse_args()))
