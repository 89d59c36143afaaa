"""``python -m tests.performance.profiling``: where the router and the owner spend their time.

One partition, all in memory: whole cycles of requests alone, then of requests and rewards. cProfile
makes calls dearer than they are, so the shares of small functions come out too large; the first
line of each part, without it, is what a cycle really takes.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

from tests.performance.traffic import ALGORITHMS, Bench

CYCLE = 500


def requests(bench: Bench, cycles: int) -> int:
    """Cycles of requests; returns how many events."""
    for _ in range(cycles):
        bench.cycle(bench.requests(CYCLE))
    return cycles * CYCLE


def mixed(bench: Bench, cycles: int) -> int:
    """Cycles of requests, then of their rewards; returns how many events."""
    for _ in range(cycles):
        bench.cycle(bench.requests(CYCLE))
        bench.cycle(bench.rewards(CYCLE))
    return 2 * cycles * CYCLE


def main() -> None:
    """Time and profile both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="linucb")
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--sort", default="tottime", help="tottime or cumtime")
    args = parser.parse_args()
    for work in (requests, mixed):
        bench = Bench(args.algorithm)
        bench.warm(256)
        started = time.process_time()
        events = work(bench, args.cycles)
        micros = (time.process_time() - started) / events * 1e6
        print(f"\n{work.__name__}: {micros:.1f} µs of CPU per event, the making of it included")
        profile = cProfile.Profile(time.process_time)
        profile.runcall(work, bench, args.cycles)
        pstats.Stats(profile).strip_dirs().sort_stats(args.sort).print_stats(args.rows)


if __name__ == "__main__":
    main()
