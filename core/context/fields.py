"""How a policy's field names are read from a request, and how their values are written as text."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from schemas.features import METADATA, is_context_field
from schemas.request import Context

Value = str | int | float | bool
Reader = Callable[[Context, int], Value | None]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000


def hour_of(at_ms: int) -> int:
    """The hour of the day in UTC, 0 to 23."""
    return at_ms // _HOUR_MS % 24


def weekday_of(at_ms: int) -> int:
    """The day of the week in UTC, 0 for Monday to 6; 1970-01-01 was a Thursday."""
    return (at_ms // _DAY_MS + 3) % 7


def reader(field: str) -> Reader:
    """The function that reads ``field`` from a context and its time (ms since the epoch, UTC).

    It gives None for what is missing and never fails. Raises ValueError for a name that is no
    context field; a validated policy has none.
    """
    if not is_context_field(field):
        raise ValueError(f"{field!r} is not a context field")
    if field == "hour":
        return lambda _context, at_ms: hour_of(at_ms)
    if field == "weekday":
        return lambda _context, at_ms: weekday_of(at_ms)
    if field.startswith(METADATA):
        key = field.removeprefix(METADATA)
        return lambda context, _at_ms: context.metadata.get(key)
    get = attrgetter(field)
    return lambda context, _at_ms: get(context)


def text_of(value: Value) -> str:
    """A value as categories are compared: its JSON, without quotes, whole numbers as integers.

    So 7, 7.0 and "7" are one category, as are true and "true".
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
