"""Whether a budget is held: told when even the cheapest arms that are left cost too much."""

from __future__ import annotations

from core.budget import Pacer
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute
from core.routing.partition import Partition
from core.routing.watching.incidents import About, Finding, Incidents
from core.routing.watching.scale import number, span
from schemas.policy import Budget


class BudgetWatch:
    """Watches the ledgers of a partition's routes.

    A debt that can be repaid is no incident: the price of money sees to it. See ``Pacer.held``.
    """

    def __init__(self, state: Partition, incidents: Incidents) -> None:
        self._state = state
        self._incidents = incidents

    def asked(self, route: LiveRoute, compiled: CompiledPolicy) -> None:
        """Judge the ledger as the route's earlier decisions have left it."""
        pacer, spec = route.pacer(compiled), compiled.policy.budget
        if pacer is None or spec is None:
            return
        about = About(route.name, "budget", "", "", "cost")
        if pacer.held == (not self._incidents.is_open(about)):
            return
        now_ms = self._state.request_clock
        if pacer.held:
            message = (
                f"the budget of route {route.name} is held again: a debt of "
                f"{number(pacer.debt)} requests' worth, {spec.burst:g} may be owed"
            )
            self._incidents.resolve(about, message, None, now_ms, action="alert")
        else:
            message = _broken(route.name, spec, compiled, pacer)
            finding = Finding("budget", "warning", "budget", None, None, message)
            self._incidents.detect(about, finding, now_ms, repeat_ms=0)


def _broken(route: str, spec: Budget, compiled: CompiledPolicy, pacer: Pacer) -> str:
    pace = compiled.pace
    assert pace is not None, "the policy has a budget"
    per = span(pace.period_ms) if pace.period_ms else "request"
    return (
        f"the budget of route {route}, {number(pace.usd)} USD per {per}, is not held: it has long "
        f"owed more than {spec.burst:g} requests' worth, by now {number(pacer.debt)} "
        f"({number(pacer.debt * pacer.worth_usd)} USD): even the cheapest arm that may be chosen "
        "costs more, or answers cost far more than expected; raise the budget, add a cheaper arm, "
        "or loosen min_share and other guardrails"
    )
