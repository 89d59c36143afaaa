"""Algorithms and detectors alone: the figures of the programs that measure them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import UNITS

Say = Callable[[str], None]


def program(module: str, *options: str) -> bool:
    """Run a benchmark that is a program of its own; whether it went well."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *options]
    return subprocess.run(command, check=False).returncode == 0


def algorithms(out: Path, *, quick: bool) -> tuple[bool, list[dict[str, Any]]]:
    """Run the algorithms' program; whether it went well, and its figures of speed.

    A short run has only these; regret and budget stay in the program's own tables.
    """
    options = ["--quick", "--only", "speed"] if quick else []
    well = program("algorithms.run", f"--out={out}", *options)
    path = out.with_suffix(".json")
    if not path.exists():
        return False, []
    speed = json.loads(path.read_text(encoding="utf-8")).get("speed", {})
    found = []
    for phase, figure, key in (
        ("linear bandits alone", "step", "linear"),
        ("bandits alone", "step", "every"),
        ("ADWIN alone", "value", "adwin"),
    ):
        found += entries(phase, figure, speed.get(key, []))
    return well, found


def detectors() -> bool | None:
    """Run the detectors' program, which has tables of its own; None where there is none."""
    name = "detectors"
    return program(name) if _exists(f"tests.benchmarks.{name}") else None


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def entries(phase: str, figure: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one table, the first of which is ours, as the report's JSON values.

    Their ratios and targets are how many times as long the others take; ours are the inverse.
    """
    if not rows:
        return []
    first, *others = rows
    found = []
    for row in others:
        target = None if row.get("target") is None else 1.0 / row["target"]
        ratio = 1.0 / row["ratio"]
        found.append(
            {
                "name": f"{phase}.{figure}",
                "figure": first["micros"],
                "unit": UNITS[figure].unit,
                "spread": first["spread"],
                "peer": row["name"],
                "peer_figure": row["micros"],
                "peer_spread": row["spread"],
                "ratio": ratio,
                "ratio_spread": None,
                "target": target,
                "ok": target is None or ratio <= target,
                "note": "",
            }
        )
    return found
