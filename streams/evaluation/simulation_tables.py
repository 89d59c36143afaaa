"""Simulated policies as numbers with names, and on the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from core.evaluation.yardstick import (
    Difference,
    Measure,
    Result,
    Runs,
    Yardstick,
    difference,
)
from streams.console import make_table, paragraph, print_table


@dataclass(frozen=True, slots=True)
class ArmResult:
    """What always choosing one arm brings, over all recorded requests."""

    arm: str
    reward: float
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """All that is printed of a simulation."""

    data: str
    rows: int
    requests: int
    """Of each run."""
    seeds: int
    delay: int
    level: float
    yardstick: str
    """Whose objective measures all rewards."""
    cost_scale_usd: float | None
    latency_scale_ms: float | None
    policies: dict[str, Result]
    arms: list[ArmResult]
    best_arm: str
    best_answer: float
    """The mean reward of the best answer to each request."""
    differences: dict[str, dict[str, Difference]]
    """Of each policy minus each one before it."""


def summarise(
    runs: Mapping[str, Runs],
    by: Yardstick,
    arms: Sequence[str],
    *,
    data: str,
    delay: int,
    level: float,
) -> Simulation:
    """The results of the runs, by policy; the first policy's objective made ``by``."""
    names = list(runs)
    first = runs[names[0]]
    means = by.rewards.mean(axis=0).tolist()
    costs = [None] * len(arms) if by.costs is None else by.costs.mean(axis=0).tolist()
    return Simulation(
        data=data,
        rows=len(by.rewards),
        requests=first.orders.shape[1],
        seeds=len(first.orders),
        delay=delay,
        level=level,
        yardstick=names[0],
        cost_scale_usd=by.cost_scale_usd,
        latency_scale_ms=by.latency_scale_ms,
        policies={name: of.result(by, level) for name, of in runs.items()},
        arms=[ArmResult(*one) for one in zip(arms, means, costs, strict=True)],
        best_arm=arms[by.best_arm],
        best_answer=float(by.rewards.max(axis=1).mean()),
        differences={
            name: {other: difference(runs[name], runs[other], by, level) for other in names[:index]}
            for index, name in enumerate(names)
            if index
        },
    )


def show(console: Console, found: Simulation) -> None:
    """Print a simulation: policies, their differences, and the arms alone."""
    runs = f"{found.seeds} runs" if found.seeds > 1 else "1 run"
    title = f"{runs} of {found.requests:,} requests{' each' * (found.seeds > 1)}, "
    title += f"of {found.rows:,} recorded in {found.data}"
    console.print(Text(title, "bold"))
    scales = [
        f"{name} scale {value:.4g} {unit}"
        for name, value, unit in (
            ("cost", found.cost_scale_usd, "USD"),
            ("latency", found.latency_scale_ms, "ms"),
        )
        if value is not None
    ]
    told = "".join(f", {scale}" for scale in scales)
    paragraph(console, Text(f"rewards by the objective of {found.yardstick}{told}", "dim"))
    console.print()
    table = make_table("policy", "reward", "USD/1,000", "regret: best arm", "best answers", text=1)
    for name, result in found.policies.items():
        table.add_row(
            name,
            _measure(result.reward),
            "-" if result.cost_usd is None else _measure(result.cost_usd, scale=1_000.0),
            _measure(result.regret_best_arm),
            _measure(result.regret_best_answer),
        )
    best = max(arm.reward for arm in found.arms)
    for arm in found.arms:
        cost = "-" if arm.cost_usd is None else f"{1_000.0 * arm.cost_usd:.4g}"
        regret = f"{best - arm.reward:.4f}", f"{found.best_answer - arm.reward:.4f}"
        table.add_row(f"always {arm.arm}", f"{arm.reward:.4f}", cost, *regret)
    print_table(console, table)
    console.print()
    _show_shares(console, found)
    if found.differences:
        console.print()
        _show_differences(console, found)
    paragraph(
        console,
        Text(
            "regret is per request"
            if found.seeds == 1
            else f"± reaches to {100.0 * found.level:g} % intervals over the runs, which tell what "
            "the order and the draws do with these requests; regret is per request",
            "dim",
        ),
    )


def _show_shares(console: Console, found: Simulation) -> None:
    table = make_table("share of choices", *[arm.arm for arm in found.arms], text=1)
    for name, result in found.policies.items():
        table.add_row(name, *[f"{share:.1%}" for share in result.shares])
    print_table(console, table)


def _show_differences(console: Console, found: Simulation) -> None:
    table = make_table("difference, paired by run", "reward", "USD/1,000", text=1)
    for name, others in found.differences.items():
        for other, one in others.items():
            cost = "-" if one.cost_usd is None else _measure(one.cost_usd, 1_000.0, sign="+")
            table.add_row(f"{name} - {other}", _measure(one.reward, sign="+"), cost)
    print_table(console, table)


def _measure(one: Measure, scale: float = 1.0, sign: str = "") -> str:
    digits = ".4f" if scale == 1.0 else ".4g"
    mean = format(scale * one.mean, f"{sign}{digits}")
    if one.interval is None:
        return mean
    reach = scale * (one.interval.high - one.interval.low) / 2.0
    return f"{mean} ± {format(reach, digits if scale == 1.0 else '.2g')}"
