"""The ledger of a route's budget, to look at."""

from __future__ import annotations

from core.budget import Pacer
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute
from core.routing.memory import Memory


def ledger_of(route: LiveRoute, compiled: CompiledPolicy | None) -> Pacer | None:
    """A copy of the ledger, as it is; None where the policy has no budget.

    Looking changes no state: a budget that no request has met yet gets no ledger by it.
    """
    if compiled is None or compiled.pace is None:
        return None
    ledger = route.record.ledger if route._pacer is None else route._pacer[1].encode()
    return Pacer.decode(ledger, compiled.pace) if ledger else Pacer(compiled.pace)


def ledger(memory: Memory, name: str) -> Pacer | None:
    """The same by the route's name; None also where there is no such route."""
    route = memory.route(name)
    return None if route is None else ledger_of(route, memory.current(route))
