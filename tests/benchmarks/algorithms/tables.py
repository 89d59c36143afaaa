"""The figures as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from tests.benchmarks.algorithms import budget, regret, replay, speed
from tests.benchmarks.algorithms.paired import Difference
from tests.benchmarks.algorithms.peers import INSTALL, MODULES, missing

_BUDGET_COLUMNS = (
    "USD per request",
    "router",
    "quality",
    "less the static mix's, 95 %",
    "less the mix's of each phase",
    "spent / budget (least-greatest)",
    "quality by phase",
    "shares in phase 1, 2, 3, %",
)


def header(command: str) -> str:
    """Where the figures are from."""
    present = []
    for name in ("numpy", "scipy", *MODULES):
        try:
            present.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    text = (
        f"From `{command}`, on Python {platform.python_version()} and {os.cpu_count()} processors, "
        f"with {', '.join(present)}."
    )
    if absent := missing():
        text += f" Not installed, so left out: {', '.join(absent)} (`{INSTALL}`)."
    return text


def regret_tables(tables: Sequence[regret.Table]) -> str:
    """A summary, then one table per problem."""
    lines = [
        "| problem | best of ours | regret | best peer | regret | ours - peer, 95 % | ours is |",
        "|---|---|---|---|---|---|---|",
    ]
    for table in tables:
        mine = next(row for row in table.rows if row.ours)
        peer = next((row for row in table.rows if row.entrant == table.best_peer), None)
        theirs = f"{peer.entrant} | {_mean(peer)}" if peer else "- | -"
        lines.append(
            f"| {table.problem.title} | {mine.entrant} | {_mean(mine)} | {theirs} | "
            f"{_gap(mine.against)} | {_verdict(mine.against)} |"
        )
    for table in tables:
        bound = table.problem.lower_bound(table.steps)
        note = f"; Lai-Robbins, asymptotic: {bound:.0f}" if bound is not None else ""
        lines += [
            "",
            f"**{table.problem.title}** ({table.steps:,} steps, {table.seeds} seeds{note})",
            "",
            "| algorithm | mean regret ± s.e. | less the best peer's, 95 % | regret is |",
            "|---|---|---|---|",
        ]
        for row in table.rows:
            name = f"**{row.entrant}**" if row.ours else row.entrant
            best = " (best peer)" if row.entrant == table.best_peer else ""
            lines.append(
                f"| {name}{best} | {_mean(row)} | {_gap(row.against)} | {_verdict(row.against)} |"
            )
        lines += [f"\nFAILED: {failure}" for failure in table.failures]
    return "\n".join(lines)


def _mean(row: regret.Row) -> str:
    return f"{row.mean:.1f} ± {row.error:.1f}"


def _gap(gap: Difference | None, digits: int = 1) -> str:
    if gap is None:
        return "-"
    return f"{gap.mean:+.{digits}f} ({gap.low:+.{digits}f} to {gap.high:+.{digits}f})"


def _verdict(gap: Difference | None) -> str:
    return "-" if gap is None else gap.verdict


def speed_tables(
    linear: Sequence[speed.Row], every: Sequence[speed.Row], adwin: Sequence[speed.Row]
) -> str:
    """Three tables."""
    return "\n".join(
        [
            "**One choice and one update, linear, 5 arms, 10 features**",
            "",
            *_speed(linear, "µs, median (least-greatest)", "times linucb"),
            "",
            "**One choice and one update, all others, 5 arms** (10 features where contextual)",
            "",
            *_speed(every, "µs, median (least-greatest)", ""),
            "",
            "**One value through ADWIN**",
            "",
            *_speed(adwin, "µs, median (least-greatest)", "times ours"),
        ]
    )


def _speed(rows: Sequence[speed.Row], unit: str, ratio: str) -> list[str]:
    lines = [f"| | {unit} |" + (f" {ratio} | target |" if ratio else "")]
    lines.append("|---|---|" + ("---|---|" if ratio else ""))
    for row in rows:
        low, high = row.spread
        line = f"| {row.name} | {row.micros:.1f} ({low:.1f}-{high:.1f}) |"
        if ratio:
            target = "-"
            if row.target is not None:
                target = f"≥ {row.target:g}: {'met' if row.ratio >= row.target else 'missed'}"
            line += f" {row.ratio:.2f} | {target} |"
        lines.append(line)
    return lines


def budget_tables(rows: Sequence[budget.Row]) -> str:
    """One table per setting."""
    lines: list[str] = []
    settings = dict.fromkeys((row.scenario, row.warm) for row in rows)
    for scenario, warm in settings:
        start = "after the 1,785 prompts of the other part" if warm else "from nothing"
        lines += [
            f"**{replay.SCENARIOS[scenario]}; {start}**",
            "",
            f"| {' | '.join(_BUDGET_COLUMNS)} |",
            f"|{len(_BUDGET_COLUMNS) * '---|'}",
        ]
        for row in rows:
            if (row.scenario, row.warm) == (scenario, warm):
                phases = " ".join(f"{value:.3f}" for value in row.phases)
                shares = ", ".join(
                    "/".join(f"{100 * share:.0f}" for share in phase) for phase in row.shares
                )
                low, high = row.spent_range
                lines.append(
                    f"| {row.budget:g} | {row.router} | {row.quality:.4f} | "
                    f"{_gap(row.against_mix, 4)} | {row.against_phase_mix.mean:+.4f} | "
                    f"{row.spent:.3f} ({low:.3f}-{high:.3f}) | {phases} | {shares} |"
                )
        lines.append("")
    return "\n".join(lines).rstrip()
