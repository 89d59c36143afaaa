"""The constrained field types that several wire records share."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta

NO_CONTROL: Final = r"^[^\x00-\x1f]+(?![\s\S])"
"""No control characters. Not ``$``, which in Python also matches before a last newline."""
EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01T00:00Z: a time before it is a mistake, mostly seconds for milliseconds."""
LATEST_MS: Final = 7_258_118_400_000
"""2200-01-01T00:00Z: a time from it on is a mistake, mostly microseconds for milliseconds."""
DURATION: Final = r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*$"

RequestId = Annotated[
    str,
    Meta(min_length=1, max_length=256, description="Chosen by the proxy; unique within a route."),
]
Route = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=NO_CONTROL,
        description="One decision point, e.g. acme/chat; the Kafka key of every event.",
    ),
]
ArmId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=NO_CONTROL,
        description="One candidate of a route.",
    ),
]
Label = Annotated[str, Meta(max_length=256)]
Unit = Annotated[float, Meta(ge=0.0, le=1.0)]
# The upper bounds keep every sum and product of accepted values finite.
NonNegative = Annotated[float, Meta(ge=0.0, le=1e9)]
Positive = Annotated[float, Meta(gt=0.0, le=1e9)]
Usd = Annotated[float, Meta(ge=0.0, le=1e6, description="US dollars.")]
Milliseconds = Annotated[float, Meta(ge=0.0, le=1e9, description="Milliseconds.")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Timestamp = Annotated[
    Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]
    | Annotated[int, Meta(ge=EARLIEST_MS, lt=LATEST_MS)],
    Meta(description="RFC 3339, or milliseconds since 1970-01-01T00:00Z; UTC without a zone."),
]
EpochMs = Annotated[int, Meta(description="Milliseconds since 1970-01-01T00:00Z.")]
Duration = Annotated[
    Annotated[str, Meta(extra_json_schema={"pattern": DURATION})] | int | float,
    Meta(description='A number of seconds, or text such as "500ms", "30s", "30m", "12h", "7d".'),
]

_UNITS: Final = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_DURATION: Final = re.compile(DURATION)
_LONGEST_MS: Final = 366 * 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def duration_ms(value: str | float) -> int:
    """Milliseconds of a duration as it stands in a policy.

    Raises ValueError, with the accepted forms, when ``value`` is none of them,
    is not positive, or is longer than a year.
    """
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError(
                f"{value!r} is not a duration: write a number of seconds, "
                'or e.g. "500ms", "30s", "30m", "12h", "7d"'
            )
        milliseconds = float(match[1]) * _UNITS[match[2]]
    else:
        # Compared as it is: a huge int has no float.
        milliseconds = value * 1_000.0 if 0 <= value <= _LONGEST_MS else 0.0
    if not 1.0 <= milliseconds <= _LONGEST_MS:
        raise ValueError(f"the duration {value!r} must lie between 1 ms and 366 days")
    return round(milliseconds)


def epoch_ms(value: datetime | int) -> int:
    """Milliseconds since the epoch, rounded down; a datetime without a zone counts as UTC."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return (value - _EPOCH) // _MILLISECOND
    return value
