"""How a policy's field names are read from a request, as numbers and as categories."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from operator import attrgetter
from typing import Final, cast

from schemas.features import METADATA, is_context_field, is_number_field
from schemas.request import Context

Value = str | int | float | bool
Category = Callable[[Context, int], str | None]
"""Takes a context and its time in ms since the epoch."""
Number = Callable[[Context], float | int | None]

_DAY_MS: Final = 86_400_000
CYCLES: Final = {"hour": (0, 3_600_000, 24), "weekday": (3 * _DAY_MS, _DAY_MS, 7)}
"""Of shift, step and period: the step at a time t is (t + shift) // step % period, in ms since the
epoch and UTC. The hours of the day; the days of the week, 0 for Monday: 1970-01-01 was a Thursday.
"""
_TEXTS: Final = ("output_length_category", "task_type", "user_id", "region", "language")
"""Fields that hold nothing but text."""


def tokens_of(context: Context) -> int | None:
    """The prompt's tokens: as given, or else a quarter of its characters, rounded up.

    About four characters of English text make a token.
    """
    tokens = context.input_tokens
    if tokens is None:
        chars = context.input_chars
        return None if chars is None else -(-chars // 4)
    return tokens


def category(field: str) -> Category:
    """The function that reads ``field`` as a category, from a context and its time (UTC).

    It gives None for what is missing and never fails. Raises ValueError for a name that is no
    context field; a validated policy has none.
    """
    if not is_context_field(field):
        raise ValueError(f"{field!r} is not a context field")
    if field in _TEXTS:
        get = attrgetter(field)
        return lambda context, _at_ms: cast("str | None", get(context))
    if field in CYCLES:
        shift, step_ms, period = CYCLES[field]
        return lambda _context, at_ms: str((at_ms + shift) // step_ms % period)
    read = _reader(field)

    def text(context: Context, _at_ms: int) -> str | None:
        value = read(context)
        return None if value is None else text_of(value)

    return text


def number(field: str) -> Number:
    """The function that reads ``field`` as a finite number.

    It gives None for what is missing or no number (a truth value is none), and never fails. Raises
    ValueError for a name that holds no numbers; a validated policy has none.
    """
    if not is_number_field(field):
        raise ValueError(f"{field!r} is not a context field that holds numbers")
    read = _reader(field)
    if not field.startswith(METADATA):
        return cast("Number", read)

    def found(context: Context) -> float | int | None:
        value = read(context)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return None
        return value

    return found


def _reader(field: str) -> Callable[[Context], Value | None]:
    if field == "input_tokens":
        return tokens_of
    if field.startswith(METADATA):
        key = field.removeprefix(METADATA)
        return lambda context: context.metadata.get(key)
    return attrgetter(field)


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
