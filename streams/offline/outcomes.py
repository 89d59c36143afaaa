"""What a log says of each call: which arm served, in which context, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from schemas.explain import explain
from schemas.fields import EARLIEST_MS, LATEST_MS, epoch_ms
from schemas.request import Context
from schemas.reward import Outcome, Reward
from streams.offline.rows import Row, Unread

T = TypeVar("T", bound=Struct)
_NOT_USED_BUT_KNOWN: Final = frozenset(
    {
        "candidates",
        "context",
        "model",
        "params",
        "policy_version",
        "propensity",
        "state_version",
        "status",
    }
)
"""Fields of requests and decisions that say nothing of an outcome."""
_KNOWN: Final = frozenset(Reward.__struct_fields__) | _NOT_USED_BUT_KNOWN


@dataclass(frozen=True, slots=True)
class Call:
    """One call with its outcome."""

    where: str
    arm: str | None
    outcome: Outcome
    context: Context | None
    """None where the log says nothing of it, not even that there was none."""
    at_ms: int | None
    """When the request was asked, in UTC."""


@dataclass(slots=True)
class Skipped:
    """Rows that taught nothing, by reason."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    """Of each reason, the first row's place and what is wrong there."""

    def add(self, reason: str, where: str, problem: str, rows: int = 1) -> None:
        """Count ``rows`` rows that are skipped for that reason."""
        self.counts[reason] = self.counts.get(reason, 0) + rows
        self.examples.setdefault(reason, f"{where}: {problem}")


@dataclass(slots=True)
class _Event:
    """A row whose values have their types."""

    where: str
    reward: Reward
    context: Context | None
    request_id: str | None
    at_ms: int | None


@dataclass(slots=True)
class _Asked:
    """What requests and decisions say of a request_id."""

    where: str
    rows: int = 0
    arm: str | None = None
    context: Context | None = None
    at_ms: int | None = None
    used: bool = False


@dataclass(slots=True)
class _Parts:
    """What the parts of a reward have said so far."""

    where: str
    outcome: Outcome
    arm: str | None
    context: Context | None
    at_ms: int | None
    rows: int = 1


class CallLog:
    """Joins the rows of a log into calls, as the router joins events.

    A row with an outcome is a call, or with ``final: false`` a part of one. What it does not say
    itself comes from the rows of the same request_id that have no outcome: the arm from a decision,
    context and time from a request, wherever in the log they are. Later parts of a call overrule
    earlier ones. A request_id whose outcome is complete has no other.
    """

    def __init__(self, route: str) -> None:
        self._route = route
        self._events: list[_Event] = []
        self._asked: dict[str, _Asked] = {}
        self.skipped = Skipped()
        self.rows = 0
        """How many rows were read."""
        self.ignored: set[str] = set()
        """Fields that are none of the wire's."""

    def read(self, rows: Iterable[Row | Unread]) -> None:
        """Take the rows of one file; all files must be read before ``calls``."""
        for row in rows:
            self.rows += 1
            if isinstance(row, Unread):
                self.skipped.add("unreadable", row.where, row.problem)
                continue
            try:
                self._take(self._typed(row))
            except ValueError as error:
                self.skipped.add("invalid value", row.where, str(error))

    def _typed(self, row: Row) -> _Event:
        """The row as the wire's types. Raises ValueError."""
        self.ignored |= row.fields.keys() - _KNOWN
        # A reward event names its request and its route; a log of one route need not.
        defaults = {"request_id": "-", "route": self._route}
        reward = _convert({**defaults, **row.fields}, Reward, text=row.text)
        context = row.fields.get("context")
        if context is not None:
            context = _convert(context, Context, text=row.text)
        at_ms = None if reward.timestamp is None else epoch_ms(reward.timestamp)
        if at_ms is not None and not EARLIEST_MS <= at_ms < LATEST_MS:
            raise ValueError("timestamp: expected a time between the years 2000 and 2200")
        request_id = reward.request_id if "request_id" in row.fields else None
        return _Event(row.where, reward, context, request_id, at_ms)

    def _take(self, event: _Event) -> None:
        if event.reward.route != self._route:
            self.skipped.add("other route", event.where, f"the route is {event.reward.route!r}")
        elif not event.reward.outcome().empty:
            self._events.append(event)
        elif event.request_id is None:
            self.skipped.add(
                "no outcome",
                event.where,
                "none of quality, cost_usd, latency_ms, success, reward, signals, and no "
                "request_id to find them by",
            )
        else:
            asked = self._asked.setdefault(event.request_id, _Asked(event.where))
            asked.rows += 1
            asked.arm = asked.arm or event.reward.arm
            if asked.context is None and event.context is not None:
                asked.context, asked.at_ms = event.context, event.at_ms

    def calls(self) -> Iterator[Call]:
        """All calls, in the order in which their outcomes became complete.

        Last come those of which only parts are there, as a closing reward window counts them. To
        be called once.
        """
        complete: set[str] = set()
        open_parts: dict[str, _Parts] = {}
        for event in self._events:
            if event.request_id is None:
                yield _call(_part(event, None))
                continue
            if event.request_id in complete:
                self.skipped.add(
                    "repeated", event.where, f"request {event.request_id!r} has its outcome already"
                )
                continue
            asked = self._asked.get(event.request_id)
            if asked is not None:
                asked.used = True
            part = _part(event, asked)
            before = open_parts.pop(event.request_id, None)
            part = part if before is None else _merged(before, part)
            if event.reward.final:
                complete.add(event.request_id)
                yield _call(part)
            else:
                open_parts[event.request_id] = part
        for part in open_parts.values():
            yield _call(part)
        for request_id, asked in self._asked.items():
            if not asked.used:
                self.skipped.add(
                    "no outcome",
                    asked.where,
                    f"nothing in the log tells what came of request {request_id!r}",
                    asked.rows,
                )


def _part(event: _Event, asked: _Asked | None) -> _Parts:
    reward = event.reward
    if asked is None:
        return _Parts(event.where, reward.outcome(), reward.arm, event.context, event.at_ms)
    context, at_ms = asked.context, asked.at_ms
    if context is None:
        context, at_ms = event.context, event.at_ms
    return _Parts(event.where, reward.outcome(), reward.arm or asked.arm, context, at_ms)


def _merged(before: _Parts, later: _Parts) -> _Parts:
    first = before.context is not None or later.context is None
    return _Parts(
        later.where,
        before.outcome.merged(later.outcome),
        later.arm or before.arm,
        before.context if first else later.context,
        before.at_ms if first else later.at_ms,
    )


def _call(part: _Parts) -> Call:
    return Call(part.where, part.arm, part.outcome, part.context, part.at_ms)


def _convert(fields: dict[str, Any], record: type[T], *, text: bool) -> T:
    """The fields as a record of the wire. Raises ValueError that says what is wrong."""
    try:
        return msgspec.convert(fields, record, strict=not text)
    except msgspec.ValidationError as error:
        raise ValueError(explain(error, msgspec.json.encode(fields), record)) from error
