"""``python -m tests.benchmarks.detectors``: false alarms and delays of every detector, as tables.

With ``--doc`` they replace what stands between the markers of that document.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.detectors import anomaly, drift, mix

PARTS = ("adwin", "drift-alarms", "drift-delays", "drift-cost", "anomalies", "finds", "mix")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.detectors", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, more noise")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--doc", type=Path, help="a document whose marked parts are replaced")
    args = parser.parse_args()
    few = 10 if args.quick else 1
    where = (
        f"on Python {platform.python_version()}, with river {version('river')}, "
        f"scipy {version('scipy')} and numpy {version('numpy')}"
    )
    command = "python -m tests.benchmarks.detectors" + (" --quick" if args.quick else "")
    with get_context("spawn").Pool(args.jobs) as pool:
        tables: dict[str, Callable[[], list[str]]] = {
            "adwin": lambda: drift.adwin_streams(pool, 1_000 // few),
            "drift-alarms": lambda: drift.false_alarm_table(pool, 100 // few),
            "drift-delays": lambda: drift.delay_table(pool, 200 // few),
            "drift-cost": lambda: drift.cost_table(20_000),
            "anomalies": lambda: anomaly.false_alarm_table(pool, 50 // few),
            "finds": lambda: anomaly.finds_table(pool, 400 // few),
            "mix": lambda: mix.table(pool, 100 // few),
        }
        for part in args.only:
            start = time.monotonic()
            text = "\n".join([*tables[part](), "", f"From `{command}`, {where}."])
            print(f"## {part}\n\n{text}\n", flush=True)
            print(f"{part}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
            if args.doc is not None:
                put(args.doc, part, text)


def put(path: Path, part: str, text: str) -> None:
    """Replace what stands between the markers of a part."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    document = path.read_text()
    if document.count(begin) != 1 or document.count(end) != 1:
        raise SystemExit(f"{path} needs the lines {begin} and {end}, once each")
    head, rest = document.split(begin)
    path.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
