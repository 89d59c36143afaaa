"""The report in a few sentences, all of them made of its figures."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from streams.demo.baselines import RouteResult
from streams.demo.report import Report


def summary(report: Report) -> Iterator[Text]:
    """One sentence each, behind a mark."""
    ahead = [one for one in report.routes if one.leads[one.best].verdict == "ahead"]
    yield Text(
        f"- thalweg beat the best single model on {len(ahead)} of {len(report.routes)} routes",
        "bold green" if ahead else "bold",
    )
    for one in report.routes:
        yield Text(f"- {one.route.name}: {_against_best(one)}{_against_dearest(one)}")
    yield _noticed(report)


def _against_best(one: RouteResult) -> str:
    lead = one.leads[one.best]
    if lead.verdict == "ahead":
        return f"{lead.mean:+.3f} over always {one.best}"
    if lead.verdict == "level":
        return f"level with always {one.best}, as far as this run can tell"
    if one.best_before == one.best_after:
        return (
            f"{lead.mean:+.3f} against always {one.best}, which is the best before and after the "
            "drop: finding that out costs something"
        )
    return (
        f"{lead.mean:+.3f} against always {one.best}; {one.best_before} was the best before the "
        f"drop, {one.best_after} after it, but these were too few requests to learn that in"
    )


def _against_dearest(one: RouteResult) -> str:
    dearest = one.fixed[one.dearest]
    share = one.router.cost_usd / dearest.cost_usd if dearest.cost_usd else 1.0
    change = one.router.quality - dearest.quality
    whose = "its cost" if one.dearest == one.best else f"the cost of always {one.dearest}"
    return f"; {share:.0%} of {whose}, quality {change:+.3f}"


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
