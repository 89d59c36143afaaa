"""From trials to figures: medians over repeats, ratios of what ran side by side.

``python -m tests.benchmarks.report --doc FILE build/bench.json`` shows a run again, and puts its
tables between the markers of a document.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console

from tests.benchmarks.figures import TARGETS, UNITS, Unit, meets
from tests.benchmarks.tables import markdown, replace_marked
from tests.benchmarks.trial import Result

OURS = "thalweg"


class Row(NamedTuple):
    """One figure of all programs."""

    phase: str
    figure: str
    values: dict[str, dict[int, float]]
    """By program, then by repeat."""
    notes: dict[str, str]
    """By program, why its figure is missing or means nothing."""

    @property
    def name(self) -> str:
        """Unique among the figures."""
        return f"{self.phase}.{self.figure}"

    @property
    def unit(self) -> Unit:
        """How it is measured."""
        return UNITS[self.figure]

    @property
    def peers(self) -> list[str]:
        """Those to compare with, also those that failed."""
        return [peer for peer in dict.fromkeys((*self.values, *self.notes)) if peer != OURS]

    def of(self, program: str) -> list[float]:
        """The program's values, one per repeat."""
        return list(self.values.get(program, {}).values())

    def ratios(self, peer: str) -> list[float]:
        """thalweg's value over the peer's, repeat by repeat."""
        theirs = self.values.get(peer, {})
        return [
            ours / theirs[repeat]
            for repeat, ours in self.values.get(OURS, {}).items()
            if theirs.get(repeat)
        ]

    def entry(self, peer: str | None) -> dict[str, Any]:
        """The figure beside one peer's, as a JSON value; ``None`` if there is nobody."""
        ours = self.of(OURS)
        theirs = [] if peer is None else self.of(peer)
        ratios = [] if peer is None else self.ratios(peer)
        ratio = median(ratios) if ratios else None
        target = None if peer is None else TARGETS.get((self.name, peer))
        note = self.notes.get(peer or "", "")
        # A peer that could not keep up is behind, whatever the ratio would have been.
        beaten = note.startswith("saturated")
        return {
            "name": self.name,
            "figure": median(ours) if ours else None,
            "unit": self.unit.unit,
            "spread": _spread(ours),
            "peer": peer,
            "peer_figure": median(theirs) if theirs else None,
            "peer_spread": _spread(theirs),
            "ratio": ratio,
            "ratio_spread": _spread(ratios),
            "target": target,
            "ok": OURS not in self.notes
            and bool(ours)
            and (meets(ratio, target, self.unit) or (ratio is None and beaten)),
            "note": note or self.notes.get(OURS, ""),
        }


def _spread(values: Sequence[float]) -> list[float] | None:
    return [min(values), max(values)] if values else None


class Report:
    """All results of one run."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        """Of thalweg: what makes the run a failure."""
        self.remarks: list[str] = []
        """Of the peers: what did not go well, or was left out."""
        self.others: list[float] = []
        """Before each trial, the share of all CPUs that was in use by others."""
        self._values: defaultdict[str, dict[str, dict[str, dict[int, float]]]] = defaultdict(dict)
        self._notes: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._more: list[dict[str, Any]] = []

    def add(self, phase: str, program: str, repeat: int, result: Result) -> None:
        """Take in one trial; one that was not exact is a failure, whatever its speed."""
        for problem in result.problems:
            self._wrong(phase, program, repeat, problem)
        if result.problems:
            self._notes[phase][program] = "saturated" if result.saturated else "not exact"
        for figure, value in result.figures.items():
            if value is not None:
                of_figure = self._values[phase].setdefault(figure, {})
                of_figure.setdefault(program, {})[repeat] = value

    def failed(self, phase: str, program: str, repeat: int, error: Exception) -> None:
        """Take in a trial that came to nothing."""
        self._wrong(phase, program, repeat, str(error) or repr(error))
        self._notes[phase][program] = "failed"

    def skipped(self, phase: str, program: str, why: str) -> None:
        """Note that a program was not asked, and why."""
        self._notes[phase][program] = why

    def left_out(self, program: str, why: str) -> None:
        """Note that a program could not be had."""
        self.remarks.append(f"{program} was left out: {why}")
        self._more.append(_bare(f"peer {program}", note=f"left out: {why}", peer=program))

    def more(self, entries: Sequence[dict[str, Any]]) -> None:
        """Take in figures that another program has made."""
        self._more.extend(entries)

    def _wrong(self, phase: str, program: str, repeat: int, text: str) -> None:
        listed = self.problems if program == OURS else self.remarks
        listed.append(f"{phase}, {program}, repeat {repeat}: {text}")

    def entries(self) -> list[dict[str, Any]]:
        """The figures as JSON values: one per figure and peer."""
        found = []
        for phase in dict.fromkeys((*self._values, *self._notes)):
            notes = self._notes.get(phase, {})
            figures = self._values.get(phase, {})
            if not any(OURS in values for values in figures.values()):
                found.append(_bare(phase, note=notes.get(OURS, "not measured"), ok=False))
                continue
            for figure, values in figures.items():
                if OURS in values:
                    row = Row(phase, figure, values, notes)
                    found += [row.entry(peer) for peer in row.peers] or [row.entry(None)]
        return found + self._more

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.entries(), indent=1) + "\n", encoding="utf-8")

    def tell(self, console: Console) -> None:
        """Print what is to be known beside the figures."""
        if self.others:
            console.print(
                f"Before the trials, others used {median(self.others):.0%} of the CPUs (at most "
                f"{max(self.others):.0%}); the more, the less the absolute figures say."
            )
        for remark in self.remarks:
            console.print(f"PEER {remark}", style="yellow", markup=False)
        for problem in self.problems:
            console.print(f"FAILED {problem}", style="red", markup=False)
        if self.others and not self.problems:
            console.print("Every request to thalweg got exactly one decision, in every run.")


def _bare(name: str, *, note: str, ok: bool = True, peer: str | None = None) -> dict[str, Any]:
    """An entry without a figure."""
    empty: dict[str, Any] = dict.fromkeys(
        ("spread", "peer_figure", "peer_spread", "ratio", "ratio_spread", "target")
    )
    return {"name": name, "figure": None, "unit": "", "peer": peer, **empty, "ok": ok, "note": note}


def main(argv: Sequence[str] | None = None) -> None:
    """Show a finished run, and put it into a document."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.report", description=__doc__)
    parser.add_argument("json", type=Path, help="what `make bench` wrote")
    parser.add_argument("--doc", type=Path, help="a document with the markers of `figures`")
    parser.add_argument("--plots", type=Path, help="a folder for the plots")
    args = parser.parse_args(argv)
    entries = json.loads(args.json.read_text(encoding="utf-8"))
    text = markdown(entries)
    print(text)
    if args.plots:
        from tests.benchmarks.plots import draw

        for path in draw(entries, args.plots):
            print(path)
    if args.doc:
        document = args.doc.read_text(encoding="utf-8")
        args.doc.write_text(replace_marked(document, "figures", text), encoding="utf-8")


if __name__ == "__main__":
    main()
