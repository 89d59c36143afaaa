"""What can be seen of an engine's partitions between two cycles, without changing anything."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from core.routing.ledger import ledger
from core.routing.summarised import RouteSummary
from core.routing.summary import summarise
from streams.engine.engine import Engine
from streams.monitor.view import BudgetNow, Lag, OpenIncidents
from streams.settings import Topics

_ROLES: Final = ("policies", "requests", "rewards")
"""Of the input topics, in the order of ``Topics.inputs``."""


def open_decisions(engine: Engine) -> int:
    """How many decisions are remembered."""
    return sum(len(owner.router.state.open) for owner in engine.owners.values())


def open_incidents(engine: Engine) -> list[OpenIncidents]:
    """How many incidents are open, by type and severity."""
    counts = Counter(
        (record.type, record.severity)
        for owner in engine.owners.values()
        for record in owner.router.watching.incidents.records
    )
    return [
        OpenIncidents(kind, severity, count) for (kind, severity), count in sorted(counts.items())
    ]


def lag(
    engine: Engine, topics: Topics, highwater: Callable[[str, int], int | None]
) -> dict[str, Lag]:
    """How far each input topic is behind, by role.

    ``highwater`` tells where a partition of a topic ends, as far as it is known.
    """
    found: dict[str, Lag] = {}
    now_ms = time.time() * 1000
    for kind, (role, topic) in enumerate(zip(_ROLES, topics.inputs, strict=True)):
        fetched, oldest = engine.inbox.waiting(kind)
        behind = 0
        for number, owner in engine.owners.items():
            end = highwater(topic, number)
            if end is not None:
                behind += max(0, end - owner.positions[kind])
        age = 0.0 if oldest is None else max(0.0, (now_ms - oldest) / 1000)
        found[role] = Lag(max(behind, fetched), age)
    return found


def summary(engine: Engine, route: str) -> RouteSummary | None:
    """A route as it is now; None where none of the partitions has it."""
    for owner in engine.owners.values():
        incidents = owner.router.watching.incidents.of_route(route)
        found = summarise(owner.router.state.memory, route, incidents)
        if found is not None:
            return found
    return None


def budgets(engine: Engine, routes: Iterable[tuple[int, str]]) -> Iterator[BudgetNow]:
    """How those of the routes, each with its partition, that have a budget stand with it."""
    for partition, name in routes:
        owner = engine.owners.get(partition)
        found = None if owner is None else ledger(owner.router.state.memory, name)
        if found is not None:
            yield BudgetNow(name, found.debt * found.worth_usd, found.held)
