"""The report as tables on the console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.console import make_table, paragraph, print_table
from streams.demo.alerts import FEW, Detection, Judged
from streams.demo.baselines import Lead, RouteResult, Score
from streams.demo.data import ARMS
from streams.demo.display import levels, place_name
from streams.demo.notes import notes
from streams.demo.report import Report
from streams.demo.summary import summary

STYLES: Final = {"ahead": "green", "behind": "red", "level": ""}


def show(console: Console, report: Report) -> None:
    """Print the whole report."""
    drop = report.tally.drop
    for title, table in (
        ("Where the requests went: share of each model before -> after the drop", _shares(report)),
        ("What that brought: means per request", _results(report)),
        (f"The drop of {drop.arm}, counted in its answers since then", _detections(report)),
    ):
        _heading(console, title)
        print_table(console, table)
    console.print()
    for line in _other_alerts(report):
        paragraph(console, line)
    _heading(console, "The decisions")
    for line in _decisions(report):
        paragraph(console, line)
    _heading(console, "How to read this")
    for note in notes(report):
        paragraph(console, Text(note), bullet=True)
    _heading(console, "In short")
    for line in summary(report):
        paragraph(console, line, bullet=True)


def _heading(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, "bold"))


def _shares(report: Report) -> Table:
    table = make_table("  route", "requests", *ARMS, text=1)
    for result in report.routes:
        before, after = result.shares.before, result.shares.after
        cells = [f"{before[arm]:4.0%} -> {after[arm]:4.0%}" for arm in ARMS]
        table.add_row(f"  {result.route.name}", f"{result.requests:,}", *cells)
    return table


def _results(report: Report) -> Table:
    table = make_table(
        "  route, decided by", "quality", "$/1,000", "latency*", "reward", "thalweg's lead", text=1
    )
    for result in report.routes:
        table.add_row(Text(f"  {result.route.name}", "bold"))
        table.add_row("    thalweg", *_score(result.router))
        for label, score, lead in _baselines(result):
            table.add_row(f"    {label}", *_score(score), _lead(lead))
        table.add_row("    oracle", *_score(result.oracle), _difference(result.oracle_lead))
    return table


def _baselines(result: RouteResult) -> Iterator[tuple[str, Score, Lead]]:
    best, dearest = result.best, result.dearest
    both = best == dearest
    label = "best and dearest" if both else "best single"
    yield f"{label}: {best}", result.fixed[best], result.leads[best]
    if not both:
        yield f"dearest: {dearest}", result.fixed[dearest], result.leads[dearest]


def _score(score: Score) -> tuple[str, str, str, str]:
    return (
        f"{score.quality:.3f}",
        f"{1_000 * score.cost_usd:,.2f}",
        f"{score.latency_ms / 1_000:.1f} s",
        f"{score.reward:.3f}",
    )


def _lead(lead: Lead) -> Text:
    return Text(_difference(lead), STYLES[lead.verdict])


def _difference(lead: Lead) -> str:
    return f"{lead.mean:+.3f} ± {lead.margin:.3f}"


def _detections(report: Report) -> Table:
    table = make_table(
        "  route[segment]", "metric", "its answers", "warning after", "alert after", text=2
    )
    for one in report.detections:
        seen = one.alert or one.warning
        table.add_row(
            f"  {place_name(*one.place)}",
            "" if seen is None else levels(seen.alert),
            f"{one.answers:,}",
            "-" if one.warning is None else f"{one.warning.delay}",
            _alert_after(one),
        )
    return table


def _alert_after(one: Detection) -> Text:
    if one.alert is not None:
        return Text(f"{one.alert.delay}", "green")
    if one.warning is not None:
        return Text("warning only", "yellow")
    return Text("too few to tell", "dim") if one.answers < FEW else Text("not noticed", "red")


def _other_alerts(report: Report) -> Iterator[Text]:
    """Every alert that the table of detections does not hold."""
    shown = {id(seen) for one in report.detections for seen in (one.alert, one.warning)}
    others = [one for one in report.alerts if id(one.seen) not in shown]
    if not others:
        yield Text("No other alerts and no other warnings came: no false alarm.")
        return
    yield Text("All other alerts and warnings:")
    for one in others:
        yield _other(one)


def _other(one: Judged) -> Text:
    alert = one.seen.alert
    kind = "warning" if alert.type == "warning" else "alert"
    bad = one.verdict == "false alarm" and kind == "alert"
    line = Text(f"{one.verdict}, {kind} at {one.seen.at_s:.1f} s: ", "red" if bad else "yellow")
    return line.append(f"{place_name(*one.seen.place)}: {alert.arm} {levels(alert)}", "default")


def _decisions(report: Report) -> Iterator[Text]:
    tally = report.tally
    rejected, letters = sum(tally.rejected.values()), sum(tally.dead_letters.values())
    bad = tally.unanswered + rejected + letters + tally.contradicted
    once = ", each once" if not tally.repeated + tally.contradicted else ""
    yield Text(
        f"{len(tally.chosen):,} of {tally.sent:,} requests decided{once}: {tally.unanswered} "
        f"unanswered, {rejected} rejected, {tally.repeated} repeated, {tally.contradicted} "
        f"contradicted, {letters} dead letters",
        "red" if bad else "",
    )
    for reason, count in [*tally.rejected.items(), *tally.dead_letters.items()]:
        yield Text(f"{count} x {reason}", "red")
    yield Text(
        f"{tally.per_second:,.0f} decisions per second of {report.rate:,.0f} asked for, "
        f"each followed by its reward"
    )
    yield Text(
        f"from request to decision: p50 {tally.latency_ms(0.5):.1f} ms, "
        f"p99 {tally.latency_ms(0.99):.1f} ms"
    )
