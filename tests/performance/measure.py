"""Counts what one event costs; ``python -m tests.performance.measure`` prints them all.

No figure here is a time. Calls are those of Python functions and of C functions from Python, as
``sys.setprofile`` sees them; bytes and records are what the changelog gets, with keys and headers.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rocksdict import Rdict

from core.router import Router
from core.routing.part import Inputs
from streams.durable.headers import epoch_header
from streams.durable.owner import Batch
from tests.performance.bounds import BOUNDS
from tests.performance.traffic import ALGORITHMS, Bench

EVENTS = 256
"""A multiple of what a detector waits for, so that every share of its work is in the figure."""


def calls(work: Callable[[], object]) -> int:
    """How many functions ``work`` calls, Python's and C's."""
    count = 0

    def see(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def size(batch: Batch) -> int:
    """Bytes of keys, values and headers."""
    header = epoch_header(batch.epoch, batch.owner)
    overhead = sum(len(name) + len(value) for name, value in header)
    return sum(len(key) + len(value or b"") + overhead for key, value in batch.records)


def router_calls(algorithm: str) -> Iterator[tuple[str, float]]:
    """Calls of the router per request and per reward, in one part and one by one."""
    bench = Bench(algorithm)
    bench.warm(EVENTS)
    for kind, make in (("request", bench.requests), ("reward", bench.rewards)):
        inputs = make(EVENTS)
        parts: list[Any] = []
        count = calls(lambda: parts.append(bench.apply(inputs)))  # noqa: B023 - called at once
        bench.finish(parts[0])
        yield f"calls per {kind}, {algorithm}", count / EVENTS
    for kind, make in (("request", bench.requests), ("reward", bench.rewards)):
        count = 0
        for _ in range(EVENTS):
            inputs, parts = make(1), []
            count += calls(lambda: parts.append(bench.apply(inputs)))  # noqa: B023
            bench.finish(parts[0])
        yield f"calls per lone {kind}, {algorithm}", count / EVENTS


def changelog(algorithm: str) -> Iterator[tuple[str, float]]:
    """Records and bytes in the changelog per decision and reward, in one cycle and one by one."""
    bench = Bench(algorithm)
    bench.warm(EVENTS)
    for kind, make in (("decision", bench.requests), ("reward", bench.rewards)):
        batch = bench.cycle(make(EVENTS))
        yield f"changelog records per {kind}, {algorithm}", len(batch.records) / EVENTS
        yield f"changelog bytes per {kind}, {algorithm}", size(batch) / EVENTS
    for kind, make in (("decision", bench.requests), ("reward", bench.rewards)):
        batches = [bench.cycle(make(1)) for _ in range(EVENTS)]
        records = sum(len(batch.records) for batch in batches)
        yield f"changelog records per lone {kind}, {algorithm}", records / EVENTS
        yield f"changelog bytes per lone {kind}, {algorithm}", sum(map(size, batches)) / EVENTS


def answer_bytes(algorithm: str) -> Iterator[tuple[str, float]]:
    """Bytes of one answer."""
    bench = Bench(algorithm)
    bench.warm()
    part = bench.apply(bench.requests(EVENTS))
    total = sum(len(answered.key) + len(answered.value) for answered in part.decisions)
    yield f"answer bytes, {algorithm}", total / EVENTS


def open_decisions(algorithm: str) -> Iterator[tuple[str, float]]:
    """Blocks and bytes that the router keeps of an open decision, beside what RocksDB stores.

    The doubling of dictionaries makes steps, so the count is a power of two times three quarters.
    """
    source = Bench(algorithm)
    count = 6_144
    with TemporaryDirectory() as folder:
        store = Rdict(str(Path(folder) / "state"))
        router = Router(lambda key: store.get(key), max_part_bytes=2**30)

        def apply(inputs: Inputs) -> None:
            for key, value in router.handle(inputs, emitted=router.version).puts.items():
                if value is None:
                    store.delete(key)
                else:
                    store[key] = value

        apply(source.policies())
        apply(source.requests(64))
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        for _ in range(count // 512):
            apply(source.requests(512))
        gc.collect()
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        store.close()
    ours = [tracemalloc.Filter(inclusive=True, filename_pattern="*/core/*")]
    found = after.filter_traces(ours).compare_to(before.filter_traces(ours), "filename")
    yield f"blocks per open decision, {algorithm}", sum(one.count_diff for one in found) / count
    yield f"bytes per open decision, {algorithm}", sum(one.size_diff for one in found) / count


MEASURES = (router_calls, changelog, answer_bytes, open_decisions)


def everything() -> Iterator[tuple[str, float]]:
    """All figures by name."""
    for algorithm in ALGORITHMS:
        for measure in MEASURES:
            yield from measure(algorithm)


def main() -> None:
    """Print the figures, ready to be noted."""
    for name, found in everything():
        known = BOUNDS.get(name)
        noted = "new" if known is None else f"noted {known.measured:,.2f}"
        print(f'    "{name}": Bound({found:.2f}),  # {noted}')


if __name__ == "__main__":
    main()
