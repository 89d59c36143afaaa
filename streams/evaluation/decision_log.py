"""Logged decisions with their propensities and outcomes, joined out of rows or events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from schemas.explain import explain
from schemas.fields import EARLIEST_MS, LATEST_MS, ArmId, Unit, epoch_ms
from schemas.request import Context, Request
from schemas.reward import Outcome, Reward
from streams.offline.outcomes import Skipped
from streams.offline.rows import Row, Unread


class _Line(Reward, frozen=True):
    """All that a row may say of a decision, whichever of the events it is."""

    context: Context | None = None
    candidates: Annotated[list[ArmId], Meta(min_length=1, max_length=64)] | None = None
    propensity: Unit | None = None
    status: str | None = None
    model: str | None = None
    policy_version: int | None = None
    state_version: int | None = None


_KNOWN: Final = frozenset(_Line.__struct_fields__) | {"params", "code", "reason"}


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """One decision that was made, with what came of it."""

    where: str
    """Its place in the log, for messages."""
    request: Request
    has_context: bool
    """Whether the log has the request's context at all, even an empty one."""
    at_ms: int | None
    """When the request was asked, in UTC."""
    arm: str
    """The decided one."""
    propensity: float
    served: str
    """The arm that really served, if the proxy fell back to another."""
    outcome: Outcome


_NOTHING: Final = Outcome()


@dataclass(slots=True)
class _Open:
    """What rows have said of one request so far."""

    where: str
    rows: int = 0
    arm: str | None = None
    propensity: float | None = None
    decided_at: int | None = None
    place: int | None = None
    """Of the row with the decision, in the order of all rows."""
    context: Context | None = None
    candidates: list[str] | None = None
    asked_at: int | None = None
    served: str | None = None
    outcome: Outcome = _NOTHING
    complete: bool = False


class DecisionLog:
    """Joins rows into decisions, as the router joins events.

    Whatever rows have the same request_id belong together, in any order and any file: the decision
    has arm and propensity, the request context, candidates and time, the rewards the outcome, whose
    parts merge until a final one. A row without a request_id must have it all. In a row with a
    propensity the arm is the decided one, in another row the one that served.
    """

    def __init__(self, route: str) -> None:
        self._route = route
        self._open: dict[str, _Open] = {}
        self._place = 0
        self.skipped = Skipped()
        self.rows = 0
        """How many rows were read."""
        self.ignored: set[str] = set()
        """Fields that are none of the wire's."""

    def read(self, rows: Iterable[Row | Unread]) -> None:
        """Take rows; all must be read before ``decisions``."""
        for row in rows:
            self.rows += 1
            if isinstance(row, Unread):
                self.skipped.add("unreadable", row.where, row.problem)
                continue
            try:
                line = self._typed(row)
                at_ms = _time(line)
            except ValueError as error:
                self.skipped.add("invalid value", row.where, str(error))
                continue
            self._take(row, line, at_ms)

    def _typed(self, row: Row) -> _Line:
        """The row as the wire's types. Raises ValueError."""
        self.ignored |= row.fields.keys() - _KNOWN
        fields = {"request_id": "-", "route": self._route, **row.fields}
        if row.text and isinstance(fields.get("candidates"), str):
            try:
                fields["candidates"] = msgspec.json.decode(fields["candidates"])
            except msgspec.DecodeError as error:
                raise ValueError(f"candidates: expected a list in JSON ({error})") from error
        try:
            return msgspec.convert(fields, _Line, strict=not row.text)
        except msgspec.ValidationError as error:
            data = msgspec.json.encode(fields)
            raise ValueError(explain(error, data, _Line)) from error

    def _take(self, row: Row, line: _Line, at_ms: int | None) -> None:
        if line.route != self._route:
            self.skipped.add("other route", row.where, f"the route is {line.route!r}")
            return
        if line.status == "rejected":
            self.skipped.add("rejected", row.where, "the router chose no arm")
            return
        self._place += 1
        name = line.request_id if "request_id" in row.fields else f"\0{self._place}"
        known = self._open.setdefault(name, _Open(row.where))
        known.rows += 1
        outcome = line.outcome()
        if line.propensity is not None:
            if known.propensity is not None and outcome.empty:
                self._repeated(known, row.where, "decision")
            elif known.propensity is None:
                known.arm, known.propensity = line.arm, line.propensity
                known.place, known.decided_at, known.where = self._place, at_ms, row.where
        if line.context is not None and known.context is None:
            known.context, known.asked_at = line.context, at_ms
        elif line.propensity is None and outcome.empty and known.asked_at is None:
            known.asked_at = at_ms
        known.candidates = known.candidates or line.candidates
        if outcome.empty:
            return
        if known.complete:
            self._repeated(known, row.where, "outcome")
            return
        known.outcome = known.outcome.merged(outcome)
        known.complete = line.final
        if line.propensity is None and line.arm is not None:
            known.served = line.arm

    def _repeated(self, known: _Open, where: str, what: str) -> None:
        known.rows -= 1
        self.skipped.add("repeated", where, f"the request has its {what} already")

    def decisions(self) -> list[LoggedDecision]:
        """All decisions with an arm, a propensity and an outcome, in the order of the decisions.

        To be called once; requests that lack one of these are counted as skipped.
        """
        found = []
        for name, known in self._open.items():
            lacking = _lacking(known)
            if lacking is not None:
                reason, problem = lacking
                self.skipped.add(reason, known.where, problem, known.rows)
                continue
            assert known.arm is not None
            assert known.propensity is not None
            assert known.place is not None
            request = Request(
                request_id="-" if name.startswith("\0") else name,
                route=self._route,
                context=known.context or Context(),
                candidates=known.candidates,
            )
            at_ms = known.decided_at if known.asked_at is None else known.asked_at
            decision = LoggedDecision(
                known.where,
                request,
                known.context is not None,
                at_ms,
                known.arm,
                known.propensity,
                known.served or known.arm,
                known.outcome,
            )
            found.append((known.place, decision))
        return [decision for _, decision in sorted(found, key=lambda pair: pair[0])]


def _lacking(known: _Open) -> tuple[str, str] | None:
    """Why a request is no decision to learn from: the reason and the problem."""
    if known.propensity is None:
        return "no propensity", "nothing tells how likely the decision was: estimates need that"
    if known.arm is None:
        return "no arm", "the row has a propensity, and not the arm that had it"
    if known.propensity == 0.0:
        return "no propensity", "an arm that was chosen had a propensity above 0"
    if known.outcome.empty:
        return "no outcome", "nothing tells what came of the decision"
    return None


def _time(line: _Line) -> int | None:
    """The row's time in epoch ms. Raises ValueError for one that is a mistake."""
    if line.timestamp is None:
        return None
    at_ms = epoch_ms(line.timestamp)
    if not EARLIEST_MS <= at_ms < LATEST_MS:
        raise ValueError("timestamp: expected a time between the years 2000 and 2200")
    return at_ms
