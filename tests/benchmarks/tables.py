"""The figures of a run as tables: for a terminal, and as Markdown for a document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import UNITS, Unit, title

Entry = Mapping[str, Any]
_PLAIN = Unit("", "", 1, higher_is_better=None)


def phase_of(entry: Entry) -> str:
    """The phase of a figure's name; the name itself where there is no figure."""
    phase, _, figure = entry["name"].rpartition(".")
    return phase if figure in UNITS else entry["name"]


def figure_of(entry: Entry) -> str:
    """The figure of its name."""
    return str(entry["name"]).rpartition(".")[2]


def _remarks(entries: Iterable[Entry]) -> list[str]:
    """Of what has no figure, the reason."""
    return [f"{entry['name']}: {entry['note']}" for entry in entries if not _has_figure(entry)]


def _has_figure(entry: Entry) -> bool:
    return figure_of(entry) in UNITS


def _unit(entry: Entry) -> Unit:
    return UNITS.get(figure_of(entry), _PLAIN)


def grouped(entries: Iterable[Entry]) -> dict[tuple[str, ...], dict[str, list[Entry]]]:
    """By the peers that a phase has, then by phase: each group is a table."""
    by_phase: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in filter(_has_figure, entries):
        by_phase[phase_of(entry)].append(entry)
    found: defaultdict[tuple[str, ...], dict[str, list[Entry]]] = defaultdict(dict)
    for phase, members in by_phase.items():
        peers = tuple(dict.fromkeys(entry["peer"] for entry in members if entry["peer"]))
        wide = next((known for known in found if set(peers) & set(known)), peers)
        if set(peers) - set(wide):
            merged = tuple(dict.fromkeys((*wide, *peers)))
            found[merged] = found.pop(wide)
            wide = merged
        found[wide][phase] = members
    return found


def _rows(members: Sequence[Entry], peers: Sequence[str]) -> list[list[str]]:
    """One row per figure: its title, ours, then each peer's with the ratio to it."""
    by_name: defaultdict[str, dict[str | None, Entry]] = defaultdict(dict)
    for entry in members:
        by_name[entry["name"]][entry["peer"]] = entry
    rows = []
    for found in by_name.values():
        first = next(iter(found.values()))
        unit = _unit(first)
        mark = {True: " ↑", False: " ↓", None: ""}[unit.higher_is_better]
        label = f"{unit.title or first['name']}{f', {unit.unit}' if unit.unit else ''}{mark}"
        ours = _value(first["figure"], first.get("spread"), unit.digits)
        rows.append([label, ours, *(_beside(found.get(peer), unit) for peer in peers)])
    return rows


def _value(value: float | None, spread: Sequence[float] | None, digits: int) -> str:
    if value is None:
        return "-"
    text = f"{value:,.{digits}f}"
    if spread is not None and spread[0] != spread[1]:
        text += f" ({spread[0]:,.{digits}f}-{spread[1]:,.{digits}f})"
    return text


def _beside(entry: Entry | None, unit: Unit) -> str:
    if entry is None:
        return ""
    note = entry.get("note", "")
    if entry["ratio"] is None:
        return str(note).partition(":")[0] or "-"
    ratio = f"x{_value(entry['ratio'], entry.get('ratio_spread'), 2)}"
    theirs = _value(entry.get("peer_figure"), None, unit.digits)
    verdict = ""
    if entry["target"] is not None:
        verdict = " ✓" if entry["ok"] else " ✗"
    return f"{ratio}{verdict} [{theirs}]" + (f" {note}" if note else "")


def _targets(entries: Iterable[Entry]) -> list[list[str]]:
    rows = []
    for entry in entries:
        if entry["target"] is None:
            continue
        sign = "≥" if _unit(entry).higher_is_better else "≤"
        ratio = "-" if entry["ratio"] is None else f"{entry['ratio']:.2f}"
        asked = f"{sign} {entry['target']:g} x {entry['peer']}"
        met = "yes" if entry["ok"] else "NO"
        rows.append([entry["name"], asked, ratio, met, str(entry.get("note", ""))])
    return rows


_TARGET_HEADS = ("figure", "asked", "found", "met", "note")


def show(entries: Sequence[Entry], console: Console) -> None:
    """Print all tables."""
    for peers, phases in grouped(entries).items():
        table = Table(
            title="thalweg, and its ratio to others \\[their figure]; medians (least-greatest)"
        )
        table.title_justify = "left"
        table.add_column("figure")
        table.add_column("thalweg", justify="right", style="bold")
        for peer in peers:
            table.add_column(peer, justify="right")
        for phase, members in phases.items():
            table.add_section()
            table.add_row(f"[bold]{title(phase)}[/]")
            for label, *cells in _rows(members, peers):
                table.add_row(f"  {label}", *(cell.replace("[", "\\[") for cell in cells))
        console.print(table)
    targets = Table(title="what it must show", title_justify="left")
    for head in _TARGET_HEADS:
        targets.add_column(head)
    for row in _targets(entries):
        targets.add_row(*row, style=None if row[3] == "yes" else "red")
    if targets.row_count:
        console.print(targets)
    for remark in _remarks(entries):
        console.print(remark, markup=False)


def markdown(entries: Sequence[Entry]) -> str:
    """All tables, as Markdown."""
    parts = []
    for peers, phases in grouped(entries).items():
        for phase, members in phases.items():
            heads = [title(phase), "thalweg", *peers]
            parts.append(_table(heads, _rows(members, peers)))
    targets = _targets(entries)
    if targets:
        parts.append(_table(_TARGET_HEADS, targets))
    remarks = _remarks(entries)
    if remarks:
        parts.append("\n".join(f"- {remark}" for remark in remarks))
    return "\n\n".join(parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *["--:" for _ in heads[1:]]], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replace_marked(document: str, part: str, text: str) -> str:
    """The document with ``text`` between its markers of the part; ValueError if it has none."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ValueError(f"the document has no markers {begin.strip()} and {end}")
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}\n{end}{after}"
