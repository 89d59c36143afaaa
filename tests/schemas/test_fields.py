from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import duration_ms, epoch_ms


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        (" 1.5 m ", 90_000),
        ("12h", 43_200_000),
        ("366d", 366 * 86_400_000),
        (2, 2_000),
        (0.001, 1),
    ],
)
def test_durations(value: str | float, expected: int) -> None:
    assert duration_ms(value) == expected


@pytest.mark.parametrize(
    "value", ["", "30", "30 minutes", "-1s", "0s", "367d", "1e3s", "٣s", 0, -1, 10**400, 1e300]
)
def test_what_is_no_duration(value: str | float) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_ms(value)


@given(st.integers(946_684_800_000, 7_258_118_399_999))
def test_every_millisecond_of_a_datetime_is_itself(milliseconds: int) -> None:
    zone = timezone(timedelta(hours=-7))
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert epoch_ms(when) == milliseconds
    assert epoch_ms(when.astimezone(zone)) == milliseconds
    assert epoch_ms(when.replace(tzinfo=None)) == milliseconds
    assert epoch_ms(milliseconds) == milliseconds
