"""The report in a few sentences, all of them made of its figures."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from streams.demo.baselines import RouteResult
from streams.demo.report import Report


def summary(report: Report) -> Iterator[Text]:
    """One sentence each, behind a mark."""
    ahead = _with_verdict(report, "ahead")
    text = f"- thalweg beat the best single model on {len(ahead)} of {len(report.routes)} routes"
    if ahead:
        text += ": " + ", ".join(f"{one.route.name} {_lead(one):+.3f}" for one in ahead)
    yield Text(text, "bold green" if ahead else "bold")
    for one in _with_verdict(report, "level"):
        yield Text(f"- {one.route.name}: as good as always {one.best}, as far as this run can tell")
    for one in _with_verdict(report, "behind"):
        yield Text(f"- {one.route.name}: {-_lead(one):.3f} behind always {one.best}; {_why(one)}")
    yield from _savings(report)
    yield _noticed(report)


def _with_verdict(report: Report, verdict: str) -> list[RouteResult]:
    return [one for one in report.routes if one.leads[one.best].verdict == verdict]


def _lead(result: RouteResult) -> float:
    return result.leads[result.best].mean


def _why(result: RouteResult) -> str:
    if result.best_before == result.best_after:
        return "it is the best before and after the drop, and finding that out costs something"
    return (
        f"{result.best_before} was the best before the drop, {result.best_after} after it, but "
        "these were too few requests to learn that in"
    )


def _savings(report: Report) -> Iterator[Text]:
    """Against always asking the dearest model: what was spent, and what it did to quality."""
    if not report.routes:
        return
    dearest = report.routes[0].dearest
    parts = [
        f"{one.route.name} {one.router.cost_usd / one.fixed[dearest].cost_usd:.0%} "
        f"({one.router.quality - one.fixed[dearest].quality:+.3f})"
        for one in report.routes
    ]
    yield Text(
        f"- spent, of what always {dearest} costs (and quality against it): " + ", ".join(parts)
    )


def _noticed(report: Report) -> Text:
    delays = [one.alert.delay for one in report.detections if one.alert is not None]
    false = len(report.false_alarms)
    alarms = "no false alarm" if not false else f"{false} false alarm{'s' * (false > 1)}"
    if not delays:
        return Text(f"- the drop was not noticed anywhere; {alarms}")
    span = f"{min(delays)}" if min(delays) == max(delays) else f"{min(delays)} to {max(delays)}"
    return Text(
        f"- the drop was noticed in {len(delays)} of {len(report.detections)} places, after {span} "
        f"answers; {alarms}"
    )
