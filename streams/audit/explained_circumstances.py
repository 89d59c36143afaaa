"""What a decision was made under, in words and tables: a budget, a trial, a shadow."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from core.routing.explained import Explanation
from streams.console import make_table, paragraph, print_table


def heading(console: Console, text: str) -> None:
    """An empty line, and what comes next."""
    console.print()
    console.print(text)


def show_budget(console: Console, why: Explanation) -> None:
    """The ledger, where the policy has a budget."""
    budget = why.budget
    if budget is None:
        return
    heading(console, "Budget, as it was just before:")
    kept = "a debt of" if budget.debt >= 0 else "savings of"
    paragraph(
        console,
        Text(
            f"A request may cost {budget.worth_usd:.6g} USD on average. {budget.requests:,} "
            f"requests have cost {budget.spent_usd:.6g} USD: {kept} {abs(budget.debt):.4g} "
            f"requests' worth; one arm may lead to a debt of {budget.burst:g}."
        ),
    )
    paragraph(
        console,
        Text(
            f"Price of money: {budget.price:.6g} reward per USD. What an arm is expected to cost, "
            "times the price, was taken off what it is thought to earn:"
        ),
    )
    for arm in why.arms:
        if arm.cost_usd is not None:
            paragraph(console, Text(f"{arm.arm}: {arm.cost_usd * budget.price:.6g}"), bullet=True)


def show_trial(console: Console, why: Explanation) -> None:
    """The experiment or the rollout, if there is one, and what each variant would have done."""
    trial = why.trial
    if trial is None:
        return
    heading(console, f"{trial.kind.capitalize()} {trial.name}: variant {trial.variant}")
    paragraph(
        console,
        Text(
            f"{trial.unit!r} draws {trial.draw:.6g}: a hash of route, {trial.kind} and unit, which "
            "says whose share it is. The variants and what each would do with this request:"
        ),
    )
    arms = list(trial.mix)
    table = make_table("variant", "share", *arms, text=1)
    for one in trial.variants:
        name = f"→ {one.variant}" if one.variant == trial.variant else f"  {one.variant}"
        row = [f"{one.shares.get(arm, 0.0):.6g}" if one.shares else "-" for arm in arms]
        table.add_row(name, f"{one.share:.6g}", *row)
    table.add_row("  all", "", *(f"{trial.mix[arm]:.6g}" for arm in arms))
    print_table(console, table)
    for one in trial.variants:
        if one.refused is not None:
            paragraph(console, Text(f"{one.variant}: {one.refused}"), bullet=True)
    if why.session is None:
        paragraph(
            console,
            Text(
                f"So {why.arm} had probability {why.propensity:.6g} before it was known which "
                "variant is met. Within the variant it was drawn as follows."
            ),
        )


def show_shadow(console: Console, why: Explanation) -> None:
    """How the policy's shadow would have decided, if it has one."""
    shadow = why.shadow
    if shadow is None:
        return
    heading(console, f"Shadow {shadow.name}, which decides without routing:")
    if not shadow.shares:
        paragraph(console, Text("It had no arm for this request, and is not scored by it."))
        return
    listed = ", ".join(f"{arm} {share:.6g}" for arm, share in shadow.shares.items())
    paragraph(console, Text(f"It would have drawn with these probabilities: {listed}."))
    if shadow.share is None or shadow.support is None:
        paragraph(console, Text("It is not scored by this decision: the session kept its arm."))
        return
    paragraph(
        console,
        Text(
            f"The outcome weighs {shadow.share / why.propensity:.6g} in its score: its probability "
            f"of {why.arm}, {shadow.share:.6g}, over that of the decision, {why.propensity:.6g}. "
            f"{shadow.support:.6g} of what it would choose could have been served."
        ),
    )
