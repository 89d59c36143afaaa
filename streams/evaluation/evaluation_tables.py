"""An evaluation on the console."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from streams.console import make_table, paragraph, print_table
from streams.evaluation.decision_log import DecisionLog
from streams.evaluation.findings import Finding, Findings


def show(console: Console, found: Findings, log: DecisionLog) -> None:
    """Print all findings; estimates first, then what they rest on."""
    how = (
        "as it learns along the log" if found.candidate == "learning" else "as it is, not learning"
    )
    console.print(Text(f"{found.route} version {found.version}, {found.algorithm}, {how}", "bold"))
    console.print(f"mean reward per decision, of {found.decisions:,} logged decisions")
    console.print()
    table = make_table("estimator", "mean", _percent(found), "against the log", text=1)
    table.add_row("the log itself", *_numbers(found.log), "")
    for one in found.estimates:
        against = "" if one.against_log is None else _signed(*one.against_log)
        table.add_row(one.estimator, *_numbers(one), against)
    print_table(console, table)
    console.print()
    arms = make_table(
        "arm", "logged", "mean there", "candidate", "worth", "weight to", "always it (dr)", text=1
    )
    for arm in found.arms:
        always = "-"
        if arm.always is not None and arm.always.value is not None:
            always = f"{arm.always.value:.4f} ({arm.always.low:.4f} to {arm.always.high:.4f})"
        arms.add_row(
            arm.arm,
            f"{arm.logged:,}",
            "-" if arm.mean_reward is None else f"{arm.mean_reward:.4f}",
            f"{arm.candidate_share:.1%}",
            f"{arm.effective:,.0f}",
            f"{arm.largest_weight:,.2f}",
            always,
        )
    print_table(console, arms)
    console.print()
    for line in _facts(found):
        paragraph(console, Text(line))
    for warning in found.warnings:
        paragraph(console, Text.assemble(("warning: ", "yellow"), warning), bullet=True)
    _show_skipped(console, found, log)


def _facts(found: Findings) -> list[str]:
    mean, low, high = found.mean_weight
    clipped = f", {found.clipped:,} rows clipped" if found.clipped else ""
    weights = (
        f"effective sample size {found.effective:,.1f}, largest weight {found.largest_weight:,.2f}"
        f", mean weight {mean:.3f} ({low:.3f} to {high:.3f}, should be 1)"
    )
    accepted = (
        f"accepted {found.accepted:,} rows as the candidate's own, at the rate "
        f"{found.acceptance:.4g}{clipped}"
    )
    lines = [weights, accepted]
    if found.interval == "bootstrap":
        lines.append("intervals by the bootstrap, of replay and the log itself by Student")
    return lines


def _show_skipped(console: Console, found: Findings, log: DecisionLog) -> None:
    skipped = sum(found.skipped.values())
    if skipped:
        paragraph(console, Text(f"{found.rows_read:,} rows read, {skipped:,} not used", "dim"))
        for reason, count in found.skipped.items():
            example = log.skipped.examples[reason]
            paragraph(console, Text(f"{reason}: {count:,}, e.g. {example}", "dim"), bullet=True)
    if log.ignored:
        names = ", ".join(sorted(log.ignored)[:20])
        paragraph(console, Text(f"fields that the events do not have, ignored: {names}", "dim"))


def _numbers(one: Finding) -> tuple[str, str]:
    value = "" if one.value is None else f"{one.value:.4f}"
    return value, f"{one.low:.4f} to {one.high:.4f}"


def _signed(value: float, low: float, high: float) -> str:
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def _percent(found: Findings) -> str:
    return f"{100.0 * found.level:g} %"
