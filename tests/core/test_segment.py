from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.context.encoder import segment_of
from schemas.policy import ContextSpec
from schemas.request import Context, Request


def segment(fields: list[str], at_ms: int = 0, **context: Any) -> str:
    request = Request("r", "a", context=Context(**context))
    return segment_of(ContextSpec(segment_by=fields), request, at_ms)


@pytest.mark.parametrize(
    ("fields", "context", "expected"),
    [
        ([], {"task_type": "code"}, ""),
        (
            ["task_type", "region"],
            {"task_type": "code", "region": "eu"},
            "task_type=code|region=eu",
        ),
        (
            ["region", "task_type"],
            {"task_type": "code", "region": "eu"},
            "region=eu|task_type=code",
        ),
        (["task_type"], {}, "task_type=?"),
        (["task_type"], {"task_type": ""}, "task_type="),
        (["task_type"], {"task_type": "?"}, "task_type=%3F"),
        (["task_type"], {"task_type": "a|b=c%\0\n"}, "task_type=a%7Cb%3Dc%25%00%0A"),
        (["priority"], {"priority": 7.0}, "priority=7"),
        (["priority"], {"priority": 7.5}, "priority=7.5"),
        (["metadata.beta"], {"metadata": {"beta": True}}, "metadata.beta=true"),
        (["metadata.beta"], {"metadata": {"beta": None}}, "metadata.beta=?"),
        (["metadata.a=b|c"], {"metadata": {"a=b|c": 1}}, "metadata.a%3Db%7Cc=1"),
        (["language"], {"language": "日本語"}, "language=日本語"),
    ],
)
def test_segments(fields: list[str], context: dict[str, Any], expected: str) -> None:
    assert segment(fields, **context) == expected


def test_time_is_read_in_utc() -> None:
    assert segment(["hour", "weekday"], 5 * 3_600_000) == "hour=5|weekday=3"
    assert segment(["hour", "weekday"], -1) == "hour=23|weekday=2"


tricky = st.none() | st.text(st.sampled_from("a=|%?3F\0*"), max_size=4)


@given(*(4 * [tricky]))
def test_different_values_never_share_a_segment(
    a: str | None, b: str | None, c: str | None, d: str | None
) -> None:
    fields = ["task_type", "region"]
    one = segment(fields, task_type=a, region=b)
    other = segment(fields, task_type=c, region=d)
    assert (one == other) == ((a, b) == (c, d))
    assert one != "*"
    assert "\0" not in one


def test_a_field_that_no_request_has_is_refused() -> None:
    with pytest.raises(ValueError, match="'color'"):
        segment(["color"])
