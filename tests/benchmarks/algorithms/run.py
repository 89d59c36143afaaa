"""``python -m tests.benchmarks.algorithms.run``: our algorithms beside others, in one run.

Regret on standard problems, speed side by side, and a budget kept on recorded answers. The tables
are printed and written as Markdown and JSON; with ``--doc`` they also replace what stands between
the markers of that document. A peer that is not installed is left out, and the run says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PARTS = ("speed", "regret", "budget")


def say(text: str) -> None:
    """One progress line."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, with what --quick stands for filled in."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.algorithms.run", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, more noise")
    parser.add_argument("--seeds", type=int, help="default 20, quick 3")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--problems", nargs="+", default=[], help="names of regret problems")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("build/algorithms"))
    parser.add_argument("--doc", type=Path, help="a document whose marked parts are replaced")
    args = parser.parse_args(argv)
    args.seeds = args.seeds or (3 if args.quick else 20)
    return args


def measure(args: argparse.Namespace) -> tuple[dict[str, str], dict[str, Any]]:
    """The Markdown of each part, and all its figures."""
    from tests.benchmarks.algorithms import budget, regret, replay, speed, tables
    from tests.benchmarks.algorithms.peers import INSTALL, missing

    if absent := missing():
        say(f"peers left out, as they are not installed: {', '.join(absent)}. To have: {INSTALL}")
    texts: dict[str, str] = {}
    figures: dict[str, Any] = {"seeds": args.seeds, "quick": args.quick, "missing": missing()}
    with get_context("spawn").Pool(args.jobs) as pool:

        def run(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterable[Any]:
            return pool.imap_unordered(function, tasks)

        if "speed" in args.only:
            # One at a time: two would disturb each other.
            linear, every = (
                pool.apply(speed.choices, (which, args.quick)) for which in ("linear", "every")
            )
            adwin = pool.apply(speed.detectors, (args.quick,))
            say("speed: done")
            texts["speed"] = tables.speed_tables(linear, every, adwin)
            figures["speed"] = {"linear": linear, "every": every, "adwin": adwin}
        if "regret" in args.only:
            share = 0.25 if args.quick else 1.0
            found = regret.study(args.problems, args.seeds, share, run, say)
            texts["regret"] = tables.regret_tables(found)
            figures["regret"] = [
                {
                    "problem": table.problem.name,
                    "steps": table.steps,
                    "bound": table.problem.lower_bound(table.steps),
                    "best_peer": table.best_peer,
                    "rows": table.rows,
                    "failures": table.failures,
                }
                for table in found
            ]
        if "budget" in args.only:
            phase = 200 if args.quick else replay.PHASE
            rows = budget.study(args.seeds, phase, run, say, all_settings=not args.quick)
            texts["budget"] = tables.budget_tables(rows)
            figures["budget"] = rows
    arguments = shlex.join(sys.argv[1:])
    command = f"python -m tests.benchmarks.algorithms.run {arguments}".strip()
    head = tables.header(command)
    return {part: f"{head}\n\n{text}" for part, text in texts.items()}, figures


def plain(value: object) -> object:
    """What JSON cannot hold by itself."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"not JSON: {value!r}")


def replace(document: str, part: str, text: str) -> str:
    """The document with ``text`` between its markers of the part; ValueError if it has none."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ValueError(f"the document has no markers {begin.strip()} and {end}")
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}\n{end}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run, show, write; the exit code is 1 if an entrant failed."""
    args = parse(argv)
    for name in THREADS:
        os.environ[name] = "1"  # for the processes of the pool: small matrices gain nothing
    started = time.monotonic()
    texts, figures = measure(args)
    for part, text in texts.items():
        print(f"\n## {part}\n\n{text}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    whole = "\n\n".join(f"## {part}\n\n{text}" for part, text in texts.items())
    args.out.with_suffix(".md").write_text(f"{whole}\n", encoding="utf-8")
    args.out.with_suffix(".json").write_text(
        json.dumps(figures, default=plain, indent=1) + "\n", encoding="utf-8"
    )
    if args.doc:
        document = args.doc.read_text(encoding="utf-8")
        for part, text in texts.items():
            document = replace(document, part, text)
        args.doc.write_text(document, encoding="utf-8")
    say(f"{time.monotonic() - started:.0f} s; figures in {args.out.with_suffix('.json')}")
    failures = [failure for one in figures.get("regret", ()) for failure in one["failures"]]
    for failure in failures:
        say(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
