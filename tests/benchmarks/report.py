"""From trials to figures: medians over repeats, ratios of what ran side by side."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.trial import Result


class Unit(NamedTuple):
    """How a figure is called, measured and shown."""

    title: str
    unit: str
    digits: int
    higher_is_better: bool | None
    """None: neither; it says something about the run."""


UNITS = {
    "p50": Unit("latency p50", "ms", 1, higher_is_better=False),
    "p99": Unit("latency p99", "ms", 1, higher_is_better=False),
    "p99.9": Unit("latency p99.9", "ms", 1, higher_is_better=False),
    "cpu": Unit("CPU time", "µs", 0, higher_is_better=False),
    "log": Unit("changelog", "B", 0, higher_is_better=None),
    "late": Unit("generator late p99", "ms", 1, higher_is_better=None),
    "rate": Unit("throughput", "/s", 0, higher_is_better=True),
    "with_start": Unit("from process start", "/s", 0, higher_is_better=True),
    "start": Unit("process start to 1st answer", "s", 1, higher_is_better=False),
}
TARGETS: dict[str, float] = {}
"""By the figure's full name, the greatest ratio to the first other peer (or, where higher is
better, the least) that is still right."""


class Row(NamedTuple):
    """One figure of all peers."""

    phase: str
    figure: str
    values: dict[str, dict[int, float]]
    """By peer, then by repeat."""
    exact: bool

    @property
    def name(self) -> str:
        """Unique among the figures."""
        return f"{self.phase}.{self.figure}"

    def of(self, peer: str) -> list[float]:
        """The peer's values, one per repeat."""
        return list(self.values.get(peer, {}).values())

    def ratios(self, peer: str) -> list[float]:
        """thalweg's value over the peer's, repeat by repeat."""
        theirs = self.values.get(peer, {})
        return [
            ours / theirs[repeat]
            for repeat, ours in self.values["thalweg"].items()
            if theirs.get(repeat)
        ]


class Report:
    """All results of one run."""

    def __init__(self, peers: Sequence[str]) -> None:
        self.peers = peers
        self.problems: list[str] = []
        self.others: list[float] = []
        """Before each trial, the share of all CPUs that was in use by others."""
        self._values: defaultdict[tuple[str, str], dict[str, dict[int, float]]] = defaultdict(dict)
        self._inexact: set[str] = set()

    def add(self, phase: str, peer: str, repeat: int, result: Result) -> None:
        """Take in one trial; a run that was not exact is a failure, whatever its speed."""
        for problem in result.problems:
            self.problems.append(f"{phase}, {peer}, repeat {repeat}: {problem}")
            self._inexact.add(phase)
        for figure, value in result.figures.items():
            if value is not None:
                self._values[phase, figure].setdefault(peer, {})[repeat] = value

    def failed(self, phase: str, peer: str, repeat: int, error: Exception) -> None:
        """Take in a trial that came to nothing."""
        self.problems.append(f"{phase}, {peer}, repeat {repeat}: {error}")
        self._inexact.add(phase)

    def rows(self) -> list[Row]:
        """Every figure that thalweg has."""
        return [
            Row(phase, figure, values, phase not in self._inexact)
            for (phase, figure), values in self._values.items()
            if "thalweg" in values
        ]

    def entries(self) -> list[dict[str, Any]]:
        """The figures as JSON values: one per figure and other peer."""
        found = []
        for row in self.rows():
            unit = UNITS[row.figure]
            ours = row.of("thalweg")
            for index, peer in enumerate(self.peers[1:]):
                theirs = row.of(peer)
                ratios = row.ratios(peer)
                ratio = median(ratios) if ratios else None
                target = TARGETS.get(row.name) if index == 0 else None
                met = target is None or (
                    ratio is not None
                    and (ratio >= target if unit.higher_is_better else ratio <= target)
                )
                found.append(
                    {
                        "name": row.name,
                        "figure": median(ours),
                        "unit": unit.unit,
                        "spread": [min(ours), max(ours)],
                        "peer": peer,
                        "peer_figure": median(theirs) if theirs else None,
                        "peer_spread": [min(theirs), max(theirs)] if theirs else None,
                        "ratio": ratio,
                        "ratio_spread": [min(ratios), max(ratios)] if ratios else None,
                        "target": target,
                        "ok": row.exact and met,
                    }
                )
        return found

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.entries(), indent=2) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """Print the table, then all that was wrong."""
        table = Table(title="medians over the repeats (least-greatest)", title_justify="left")
        table.add_column("figure")
        for peer in self.peers[1:]:
            table.add_column(f"thalweg / {peer}", justify="right", style="bold")
        for peer in self.peers:
            table.add_column(peer, justify="right")
        before = ""
        for row in self.rows():
            unit = UNITS[row.figure]
            if before != row.phase:
                before = row.phase
                table.add_section()
                table.add_row(f"[bold]{row.phase}[/]{'' if row.exact else ' [red]NOT EXACT'}")
            mark = {True: " ↑", False: " ↓", None: ""}[unit.higher_is_better]
            title = f"  {unit.title}, {unit.unit}{mark}"
            ratios = [_spread(row.ratios(peer), 2) for peer in self.peers[1:]]
            values = [_spread(row.of(peer), unit.digits) for peer in self.peers]
            table.add_row(title, *ratios, *values)
        console.print(table)
        if self.others:
            console.print(
                f"Before the trials, others used {median(self.others):.0%} of the CPUs (at most "
                f"{max(self.others):.0%}); the more, the less the absolute figures say."
            )
        for problem in self.problems:
            console.print(f"FAILED {problem}", style="red", markup=False)
        if not self.problems:
            console.print("Every request of every run got exactly one decision.")


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    text = f"{median(values):,.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):,.{digits}f}-{max(values):,.{digits}f})"
    return text
