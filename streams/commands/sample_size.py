"""``thalweg sample-size``: how many requests a comparison needs, or what a number of them finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
import orjson

if TYPE_CHECKING:
    from core.statistics.design import Design
    from core.statistics.sample_size import Variance

F = TypeVar("F", bound=Callable[..., Any])
Unit = Literal["absolute", "relative"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What both kinds of comparison are asked with."""

    design: Design
    n: int | None
    """Of the first arm, if it is given."""
    per_day: float | None
    as_json: bool

    def samples(self) -> tuple[int, int]:
        """The given samples of the first and of each other arm."""
        if self.n is None:
            raise click.UsageError(
                "give --effect for a sample size, --n for the effect that it finds, or both for "
                "the power"
            )
        return self.n, math.ceil(self.design.ratio * self.n * (1.0 - 1e-12))


@dataclass(frozen=True, slots=True)
class _Found:
    """The answer; of samples, power and effect one was asked for and the others were given."""

    sought: Literal["samples", "power", "effect"]
    first: int
    second: int
    power: float
    exact: float | None
    """The first arm's sample before rounding, if it was sought."""
    effect: dict[str, float | None]
    what: str
    """The effect in words."""
    test: str
    caution: str | None = None


def _common_options(function: F) -> F:
    for option in reversed(
        (
            click.option(
                "--alpha", default=0.05, show_default=True,
                help="Chance of a false difference, over all comparisons.",
            ),
            click.option(
                "--power", default=0.8, show_default=True,
                help="Chance to find the effect, in each comparison.",
            ),
            click.option(
                "--one-sided", is_flag=True,
                help="Test in the effect's direction only.  [default: two-sided]",
            ),
            click.option(
                "--ratio", default=1.0, show_default=True,
                help="Requests of each other arm per request of the first one.",
            ),
            click.option(
                "--comparisons", default=1, show_default=True, type=click.IntRange(1, 1_000),
                help="How many arms are compared with the first one.",
            ),
            click.option(
                "--correction", default="bonferroni", show_default=True,
                type=click.Choice(["bonferroni", "sidak"]),
                help="How the comparisons share alpha.",
            ),
            click.option(
                "--n", type=click.IntRange(2, 10**12),
                help="Requests of the first arm: instead of the sample size, show the power that "
                "they give, or without --effect the smallest effect that they find.",
            ),
            click.option(
                "--per-day", type=click.FloatRange(min=0.0, min_open=True),
                help="Requests a day, over all arms: show how long it takes.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


@click.group("sample-size")
def sample_size() -> None:
    """How many requests a comparison of arms needs before it is looked at, once.

    Give --effect for the sample size, --effect and --n for the power, --n alone for the smallest
    effect that is found. To look at results while they come in, use a test made for that instead.
    """


@sample_size.command()
@click.option(
    "--baseline", required=True, type=float, help="The first arm's share of successes, e.g. 0.10."
)
@click.option("--effect", type=float, help="The difference to find; say in what it is counted:")
@click.option("--absolute", "unit", flag_value="absolute", help="in shares: 0.10 + 0.02 = 0.12;")
@click.option("--relative", "unit", flag_value="relative", help="in baselines: 0.10 x 1.2 = 0.12.")
@click.option(
    "--variance", default="pooled", show_default=True, type=click.Choice(["pooled", "unpooled"]),
    help="Of the z test, under the hypothesis of no difference.",
)  # fmt: skip
@click.option(
    "--direction", default="up", show_default=True, type=click.Choice(["up", "down"]),
    help="Without --effect: which side of the baseline to look at.",
)  # fmt: skip
@_common_options
def proportions(
    baseline: float,
    effect: float | None,
    unit: Unit | None,
    variance: Variance,
    direction: Literal["up", "down"],
    **common: Any,
) -> None:
    """Compare shares, e.g. of successful calls, by the z test."""
    from core.statistics.design import Effect
    from core.statistics.sample_size import (
        proportions_detectable,
        proportions_power,
        proportions_sample_size,
    )

    with _usage_errors():
        asked = _asked(**common)
        if effect is not None:
            other = Effect(effect, _stated(unit, effect, baseline)).applied_to(baseline)
        elif unit is not None:
            raise click.UsageError(f"--{unit} says what --effect is counted in: give both")
        else:
            samples = asked.samples()
            other = proportions_detectable(baseline, *samples, asked.design, variance, direction)
        exact = None
        if asked.n is None:
            size = proportions_sample_size(baseline, other, asked.design, variance)
            first, second, power, exact = size.first, size.second, size.power, size.exact
        else:
            first, second = asked.samples()
            power = proportions_power(baseline, other, first, second, asked.design, variance)
    absolute, relative = other - baseline, other / baseline - 1.0
    least = min(
        n * share for n, p in ((first, baseline), (second, other)) for share in (p, 1.0 - p)
    )
    found = _Found(
        sought=_sought(effect, asked.n),
        first=first,
        second=second,
        power=power,
        exact=exact,
        effect={
            "baseline": baseline, "other": other, "absolute": absolute, "relative": relative,
        },
        what=f"a share of {100 * baseline:.4g} % from one of {100 * other:.4g} % "
        f"({100 * absolute:+.4g} points, {100 * relative:+.4g} %)",
        test=f"z test of two shares, {variance} variance",
        caution="caution: fewer than 5 successes or failures are expected in an arm, so that the "
        "z test and its power are rough"
        if least < 5.0
        else None,
    )  # fmt: skip
    _print(asked, found)


@sample_size.command()
@click.option(
    "--std", required=True, type=float,
    help="Standard deviation of one request's value in the first arm, e.g. 0.25 of a reward.",
)  # fmt: skip
@click.option("--std-other", type=float, help="The same in the other arms.  [default: --std]")
@click.option("--effect", type=float, help="The difference of means to find, in the value's unit.")
@click.option(
    "--relative", is_flag=True, help="--effect is counted in --baseline instead: 0.05 is 5 % of it."
)
@click.option("--baseline", type=float, help="The first arm's mean; needed for --relative.")
@_common_options
def means(
    std: float,
    std_other: float | None,
    effect: float | None,
    relative: bool,
    baseline: float | None,
    **common: Any,
) -> None:
    """Compare means, e.g. of rewards, latencies or costs, by Welch's t test."""
    from core.statistics.design import Effect
    from core.statistics.sample_size import means_detectable, means_power, means_sample_size

    with _usage_errors():
        asked = _asked(**common)
        if relative and (effect is None or baseline is None):
            raise click.UsageError("--relative needs --effect, and the mean it is of: --baseline")
        if effect is None:
            difference = means_detectable(std, *asked.samples(), asked.design, std_other)
        elif relative and baseline is not None:
            difference = Effect(effect, "relative").applied_to(baseline) - baseline
        else:
            difference = effect
        exact = None
        if asked.n is None:
            size = means_sample_size(difference, std, asked.design, std_other)
            first, second, power, exact = size.first, size.second, size.power, size.exact
        else:
            first, second = asked.samples()
            power = means_power(difference, std, first, second, asked.design, std_other)
    other = std if std_other is None else std_other
    found = _Found(
        sought=_sought(effect, asked.n),
        first=first,
        second=second,
        power=power,
        exact=exact,
        effect={
            "std": std,
            "std_other": other,
            "absolute": difference,
            "relative": difference / baseline if baseline else None,
        },
        what=f"means that are {abs(difference):.4g} apart, with standard deviations of {std:g} "
        f"and {other:g}",
        test="Welch's t test of two means",
    )
    _print(asked, found)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """What the statistics refuse, as a message of the command line."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _asked(
    *,
    alpha: float,
    power: float,
    one_sided: bool,
    ratio: float,
    comparisons: int,
    correction: Literal["bonferroni", "sidak"],
    n: int | None,
    per_day: float | None,
    as_json: bool,
) -> _Asked:
    from core.statistics.design import Design

    design = Design(
        alpha=alpha,
        power=power,
        sides=1 if one_sided else 2,
        ratio=ratio,
        comparisons=comparisons,
        correction=correction,
    )
    return _Asked(design, n, per_day, as_json)


def _stated(unit: Unit | None, effect: float, baseline: float) -> Unit:
    if unit is None:
        raise click.UsageError(
            f"--effect {effect:g} can mean {baseline:g} + {effect:g} (--absolute) or "
            f"{baseline:g} x {1.0 + effect:g} (--relative): say which"
        )
    return unit


def _sought(effect: float | None, n: int | None) -> Literal["samples", "power", "effect"]:
    if n is None:
        return "samples"
    return "effect" if effect is None else "power"


def _print(asked: _Asked, found: _Found) -> None:
    """The answer and what it rests on."""
    design = asked.design
    total = found.first + design.comparisons * found.second
    days = None if asked.per_day is None else total / asked.per_day
    if asked.as_json:
        answer = {
            **{key: value for key, value in asdict(found).items() if key not in ("effect", "what")},
            **found.effect,
            **asdict(design),
            "power": found.power,
            "alpha_each": design.alpha_each,
            "total": total,
            "days": days,
        }
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    arms = (
        f"{found.first:,} requests per arm"
        if found.first == found.second
        else f"{found.first:,} requests of the first arm and {found.second:,} of each other one"
    )
    lines = [f"{arms}, {total:,} in all, tell {found.what}, with power {found.power:.4f}"]
    if found.exact is not None:
        lines.append(f"  the first arm's before rounding up: {found.exact:,.2f}")
    sides = "two-sided" if design.sides == 2 else "one-sided"
    lines.append(f"  {found.test}, {sides}, alpha {design.alpha:g}")
    if design.comparisons > 1:
        lines.append(
            f"  for each of {design.comparisons} arms against the first one, at alpha "
            f"{design.alpha_each:.4g} each ({design.correction})"
        )
    lines.append("  if requests are independent, and the result is looked at once, at the end")
    if days is not None:
        duration = f"{24.0 * days:.1f} hours" if days < 1.0 else f"{math.ceil(days):,} days"
        lines.append(f"  at {asked.per_day:,.10g} requests a day this takes {duration}")
    if found.caution is not None:
        lines.append(f"  {found.caution}")
    click.echo("\n".join(lines))
