"""The constrained field types that several wire records share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta

RequestId = Annotated[
    str,
    Meta(min_length=1, max_length=256, description="Chosen by the proxy; unique within a route."),
]
Route = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f]+$",
        description="One decision point, e.g. acme/chat; the Kafka key of every event.",
    ),
]
ArmId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f]+$",
        description="One candidate of a route.",
    ),
]
Label = Annotated[str, Meta(max_length=256)]
Unit = Annotated[float, Meta(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Timestamp = Annotated[
    datetime | int, Meta(description="RFC 3339, or milliseconds since 1970-01-01T00:00Z.")
]
Duration = Annotated[
    str | int | float,
    Meta(description='A number of seconds, or text such as "500ms", "30s", "30m", "12h", "7d".'),
]

_UNITS: Final = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_DURATION: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$")
_LONGEST_MS: Final = 366 * 86_400_000


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
        milliseconds = float(value) * 1_000.0
    if not 1.0 <= milliseconds <= _LONGEST_MS:
        raise ValueError(f"the duration {value!r} must lie between 1 ms and 366 days")
    return round(milliseconds)


def epoch_ms(value: datetime | int) -> int:
    """Milliseconds since the epoch; a datetime without a zone counts as UTC."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        return int(value.timestamp() * 1000)
    return value
