"""The figures of a run as pictures, for documents: PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.figures import UNITS, title
from tests.benchmarks.tables import figure_of, phase_of

Entry = Mapping[str, Any]
OURS = "thalweg"
COLOURS = {
    "thalweg": "#0b6e99",
    "floor": "#8c8c8c",
    "streams-alo": "#d98324",
    "streams-eos": "#a4401f",
    "quix": "#5b8c3e",
    "faust": "#7a5195",
}
SIZE = (8.0, 4.2)


def draw(entries: Sequence[Entry], folder: Path) -> list[Path]:
    """Draw what the entries have; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"svg.hashsalt": "thalweg", "font.size": 9, "axes.axisbelow": True})
    made: list[Path] = []
    for name, figure in (
        ("latency", latency(entries)),
        ("throughput", throughput(entries)),
        ("scaling", scaling(entries)),
    ):
        if figure is not None:
            for kind in ("png", "svg"):
                path = folder / f"{name}.{kind}"
                metadata = {"Date": None} if kind == "svg" else None
                figure.savefig(path, dpi=150, metadata=metadata)
                made.append(path)
    return made


def values(entries: Iterable[Entry], phase: str, figure: str) -> dict[str, float]:
    """By program, one figure of a phase."""
    found: dict[str, float] = {}
    for entry in entries:
        if phase_of(entry) == phase and figure_of(entry) == figure:
            if entry["figure"] is not None:
                found[OURS] = entry["figure"]
            if entry["peer"] and entry["peer_figure"] is not None:
                found[entry["peer"]] = entry["peer_figure"]
    return found


def _phases(entries: Iterable[Entry], kind: str) -> list[str]:
    return list(dict.fromkeys(p for p in map(phase_of, entries) if p.split()[0] == kind))


def _new(columns: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=SIZE, layout="constrained")
    return figure, [figure.add_subplot(1, columns, number + 1) for number in range(columns)]


def latency(entries: Sequence[Entry]) -> Figure | None:
    """p50 and p99 over the rate, constant arrivals; one point where there is one rate."""
    phases = [phase for phase in _phases(entries, "latency") if "bursty" not in phase]
    if not phases:
        return None
    figure, panels = _new(2)
    for axes, quantile in zip(panels, ("p50", "p99"), strict=True):
        lines: dict[str, list[tuple[int, float]]] = {}
        for phase in phases:
            for program, value in values(entries, phase, quantile).items():
                lines.setdefault(program, []).append((int(phase.split()[1]), value))
        for program, points in lines.items():
            axes.plot(
                *zip(*sorted(points), strict=True),
                marker="o",
                label=program,
                color=COLOURS.get(program),
                linewidth=2.5 if program == OURS else 1.5,
            )
        axes.set(xscale="log", yscale="log", xlabel="requests per second", ylabel="ms")
        axes.set_title(UNITS[quantile].title)
        axes.grid(visible=True, which="both", alpha=0.25)
    panels[0].legend(frameon=False)
    return figure


def throughput(entries: Sequence[Entry]) -> Figure | None:
    """What is worked off per second, on a logarithmic scale."""
    phases = _phases(entries, "drain")
    if not phases:
        return None
    figure, panels = _new(len(phases))
    for axes, phase in zip(panels, phases, strict=True):
        found = sorted(values(entries, phase, "rate").items(), key=lambda item: item[1])
        for place, (name, rate) in enumerate(found):
            axes.plot(rate, place, "o", markersize=9, color=COLOURS.get(name, "#444444"))
            axes.annotate(f"{rate:,.0f}", (rate, place), (9, -3), textcoords="offset points")
        axes.set_yticks(range(len(found)), [name for name, _ in found])
        axes.set(xscale="log", xlabel="events per second", title=title(phase))
        axes.grid(visible=True, axis="x", alpha=0.25)
        axes.margins(x=0.25)
    return figure


def scaling(entries: Sequence[Entry]) -> Figure | None:
    """The throughput of each variant, as a ratio to the base's."""
    phases = _phases(entries, "scaling")
    if not phases:
        return None
    figure, (axes,) = _new(1)
    names = list(dict.fromkeys(phase.split()[1] for phase in phases))
    for offset, (part, colour) in enumerate((("requests", "#0b6e99"), ("mixed", "#74b3ce"))):
        ratios = [
            next(
                (
                    entry["ratio"] or 0.0
                    for entry in entries
                    if entry["name"] == f"scaling {name} {part}.rate"
                ),
                0.0,
            )
            for name in names
        ]
        places = [number + 0.4 * offset for number in range(len(names))]
        axes.barh(places, ratios, height=0.38, color=colour, label=part)
    axes.set_yticks([number + 0.2 for number in range(len(names))], names)
    axes.axvline(1.0, color="#8c8c8c", linewidth=1)
    axes.set(xlabel="throughput beside the base's")
    axes.legend(frameon=False)
    return figure
