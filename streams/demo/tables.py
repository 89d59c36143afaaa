"""The report as tables on the console."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streams.demo.alerts import Detection, Judged, SeenAlert
from streams.demo.baselines import Lead, RouteResult, Score
from streams.demo.data import ARMS
from streams.demo.display import SHORT, level
from streams.demo.report import Report
from streams.demo.workload import LATENCY

STYLES: Final = {"ahead": "green", "behind": "red", "level": ""}


def show(console: Console, report: Report) -> None:
    """Print the whole report."""
    for title, table in (
        ("Where the requests went: share of each model before and after the drop", _shares(report)),
        ("What it brought: means per request, and the reward by the route's objective",
         _results(report)),
        (f"How the drop of {report.tally.drop.arm} was noticed", _detections(report)),
    ):  # fmt: skip
        console.print(Text(f"\n{title}", "bold"))
        console.print(table)
    for line in _other_alerts(report):
        console.print(line)
    console.print(Text("\nThe decisions", "bold"))
    for text in _decisions(report):
        console.print(Padding(text, (0, 1)))
    console.print(Text("\nHow to read this", "bold"))
    for note in _notes(report):
        console.print(Padding(Text(note), (0, 1)))
    console.print(Text("\nIn short", "bold"))
    for text in _summary(report):
        console.print(Padding(text, (0, 1)))


def _table(*columns: str, left: int = 1) -> Table:
    """A table whose first ``left`` columns hold text and the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=True)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=index < left)
    return table


def _shares(report: Report) -> Table:
    table = _table("route", "requests", *ARMS)
    table.add_column("what it wants, and how it decides", ratio=1)
    for result in report.routes:
        before, after = result.shares.before, result.shares.after
        cells = [f"{before[arm]:.0%} -> {after[arm]:.0%}" for arm in ARMS]
        story = Text(result.route.story, "dim")
        table.add_row(result.route.name, f"{result.requests:,}", *cells, story)
    return table


def _results(report: Report) -> Table:
    table = _table(
        "route", "decided by", "quality", "USD/1,000", "latency*", "reward",
        "thalweg's lead in reward", left=2,
    )  # fmt: skip
    for number, result in enumerate(report.routes):
        if number:
            table.add_section()
        table.add_row(result.route.name, Text("thalweg", "bold"), *_score(result.router), "")
        for name, score, lead in _baselines(result):
            table.add_row("", name, *_score(score), _lead(lead))
    return table


def _baselines(result: RouteResult) -> Iterator[tuple[str, Score, Lead]]:
    best, dearest = result.best, result.dearest
    if best == dearest:
        yield f"best single, dearest: {best}", result.fixed[best], result.leads[best]
    else:
        yield f"best single: {best}", result.fixed[best], result.leads[best]
        yield f"dearest: {dearest}", result.fixed[dearest], result.leads[dearest]
    yield "oracle", result.oracle, result.oracle_lead


def _score(score: Score) -> tuple[str, str, str, str]:
    return (
        f"{score.quality:.3f}",
        f"{1_000 * score.cost_usd:,.2f}",
        f"{score.latency_ms / 1_000:.1f} s",
        f"{score.reward:.3f}",
    )


def _lead(lead: Lead) -> Text:
    return Text(f"{lead.mean:+.3f} ± {lead.margin:.3f}", STYLES[lead.verdict])


def _detections(report: Report) -> Table:
    table = _table(
        "route", "segment", "seen", "its answers since the drop", "warning after", "alert after",
        left=2,
    )  # fmt: skip
    for one in report.detections:
        alert = one.alert or one.warning
        seen = _levels(alert) if alert else ""
        table.add_row(
            one.place[0],
            one.place[1].removeprefix("task_type="),
            seen,
            f"{one.answers:,}",
            "-" if one.warning is None else f"{one.warning.delay} answers",
            _alert_after(one),
        )
    return table


def _alert_after(one: Detection) -> Text:
    if one.alert is not None:
        return Text(f"{one.alert.delay} answers", "green")
    return Text("no alert", "" if one.answers < FEW else "red")


FEW: Final = 25
"""Answers that are too few to tell a change by."""


def _other_alerts(report: Report) -> Iterator[Padding]:
    """Every alert that the table of detections does not hold."""
    shown = {id(one) for found in report.detections for one in (found.alert, found.warning)}
    others = [one for one in report.alerts if id(one.seen) not in shown]
    if not others:
        yield Padding(Text("There were no other alerts or warnings: no false alarm."), (0, 1))
        return
    yield Padding(Text("All other alerts and warnings:"), (0, 1))
    for one in others:
        yield Padding(_other(one), (0, 1))


def _other(one: Judged) -> Text:
    alert = one.seen.alert
    kind = "warning" if alert.type == "warning" else "alert"
    line = Text(f"- {one.verdict} ({kind}, {one.seen.at_s:.0f} s): ",
                "red" if one.verdict == "false alarm" and kind == "alert" else "")  # fmt: skip
    where = f"{alert.route} {alert.segment}".strip()
    line.append(f"{where}, {alert.arm}: {_levels(one.seen)}", "")
    return line


def _levels(seen: SeenAlert) -> str:
    return f"{seen.alert.metric} {level(seen, 'before')} -> {level(seen, 'after')}"


def _decisions(report: Report) -> Iterator[Text]:
    tally = report.tally
    bad = tally.unanswered + sum(tally.rejected.values()) + tally.contradicted
    yield Text(
        f"{len(tally.chosen):,} of {tally.sent:,} requests decided, {tally.unanswered} unanswered, "
        f"{sum(tally.rejected.values())} rejected, {tally.contradicted} contradicted, "
        f"{sum(tally.dead_letters.values())} dead letters",
        "red" if bad else "",
    )
    yield Text(
        f"{tally.per_second:,.0f} decisions per second (asked for: {report.rate:,.0f}), each with "
        f"its reward; from request to decision p50 {tally.latency_ms(0.5):.1f} ms, "
        f"p99 {tally.latency_ms(0.99):.1f} ms"
    )
    for reason, count in [*tally.rejected.items(), *tally.dead_letters.items()]:
        yield Text(f"{count} x {reason}", "red")


def _notes(report: Report) -> Iterator[str]:
    drop = report.tally.drop
    medians = ", ".join(f"{SHORT[arm]} {LATENCY[arm][0] / 1_000:g} s" for arm in ARMS)
    sigmas = ", ".join(f"{LATENCY[arm][1]:g}" for arm in ARMS)
    yield (
        "- Quality and cost are recorded: 3,609 benchmark prompts, each answered by all three "
        "models and judged (streams/demo/data/README.md)."
    )
    yield (
        "* LATENCY IS SYNTHETIC, the recording has none: log-normal per model, medians "
        f"{medians}, sigmas {sigmas}. Nobody waits for it: an outcome is sent at once."
    )
    yield (
        f"- The drop: from request {drop.first:,} on, the quality of every answer of {drop.arm} is "
        f"multiplied by {drop.factor:g}, on all routes. Nothing else changes."
    )
    yield (
        "- The baselines answer the very same requests, with the same drop and the same latencies. "
        "Best single: the one model whose mean reward over the whole run is the highest, which "
        "nobody knows beforehand. Dearest: the model with the highest mean cost. Oracle: the best "
        "of the three recorded answers to each single prompt, which nobody can know beforehand."
    )
    yield (
        "- Reward: the route's own objective, a number from 0 to 1. Cost and latency count against "
        "the mean of the route's dearest and slowest model as the router had observed them at the "
        "end; thalweg and the baselines are measured by the same scales. Compare rewards within a "
        "route only."
    )
    yield (
        "- Lead: mean difference request by request, with its 95 % interval. Green: ahead, red: "
        "behind, neither: no difference that this run could tell."
    )
    yield (
        "- Warning and alert after: how many answers the dropped model had given there since the "
        "drop, when the proxy read the message from the drift topic. A model that is hardly used "
        "any more is hardly watched."
    )
    yield (
        "- Decision latency: from sending a request to reading its decision, in the proxy. Broker, "
        f"worker and proxy may share this machine, which has {os.cpu_count()} processors."
    )


def _summary(report: Report) -> Iterator[Text]:
    by = {
        verdict: [one for one in report.routes if one.leads[one.best].verdict == verdict]
        for verdict in ("ahead", "level", "behind")
    }
    total = len(report.routes)
    yield Text(
        f"thalweg beat the best single model on {len(by['ahead'])} of {total} routes"
        + (f": {_leads(by['ahead'])}" if by["ahead"] else ""),
        "bold green" if by["ahead"] else "bold",
    )
    for result in by["level"]:
        yield Text(f"{result.route.name}: no difference to {result.best} that this run could tell")
    for result in by["behind"]:
        yield Text(
            f"{result.route.name}: behind {result.best} by {-result.leads[result.best].mean:.3f}: "
            + _why_behind(result, report)
        )
    noticed = [one.alert.delay for one in report.detections if one.alert is not None]
    if noticed:
        yield Text(
            f"The drop was noticed in {len(noticed)} of {len(report.detections)} places, after "
            f"{min(noticed)} to {max(noticed)} answers; false alarms: {len(report.false_alarms)}"
        )


def _why_behind(result: RouteResult, report: Report) -> str:
    if report.tally.drop.arm != result.best and result.shares.after[result.best] > MOSTLY:
        return "the same model stays the best there, so finding that out only costs"
    return "it had too little time to learn, or to find out what had changed"


MOSTLY: Final = 0.5


def _leads(results: Sequence[RouteResult]) -> str:
    return ", ".join(f"{one.route.name} {one.leads[one.best].mean:+.3f}" for one in results)
