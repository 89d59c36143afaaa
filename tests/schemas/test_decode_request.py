import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import MAX_EVENT_BYTES, MAX_NESTING, InvalidMessage, decode_request
from schemas.request import Context, Request


def request(**fields: object) -> bytes:
    return json.dumps({"request_id": "r", "route": "a", **fields}).encode()


def with_text(text: bytes) -> bytes:
    return b'{"request_id":"r","route":"a",' + text + b"}"


def refused(data: bytes) -> InvalidMessage:
    with pytest.raises(InvalidMessage) as caught:
        decode_request(data)
    assert str(caught.value) == caught.value.message
    return caught.value


def test_every_field_arrives() -> None:
    decoded = decode_request(
        request(
            timestamp=1_770_000_000_000,
            context={
                "input_tokens": 256,
                "input_chars": 1_024,
                "output_length_category": "medium",
                "priority": 7,
                "task_type": "code",
                "user_id": "u",
                "region": "eu",
                "language": "python",
                "embedding": [1, -0.5, 1e3],
                "metadata": {"s": "x", "b": True, "i": 2**62, "f": 0.5, "n": None},
            },
            candidates=["a", "b"],
            some_future_field={"ignored": [1]},
        )
    )
    context = Context(
        input_tokens=256,
        input_chars=1_024,
        output_length_category="medium",
        priority=7.0,
        task_type="code",
        user_id="u",
        region="eu",
        language="python",
        embedding=[1.0, -0.5, 1_000.0],
        metadata={"s": "x", "b": True, "i": 2**62, "f": 0.5, "n": None},
    )
    assert decoded == Request("r", "a", 1_770_000_000_000, context, ["a", "b"])


INVALID = {
    "missing id": (b'{"route":"a"}', ["request_id", "missing", 'it has "route"']),
    "misspelt id": (b'{"requestId":"r","route":"a"}', ['"requestId"', "misspelt request_id"]),
    "shouted id": (b'{"REQUEST_ID":"r","route":"a"}', ["misspelt request_id"]),
    "empty object": (b"{}", ["missing required field `request_id`", "it is empty"]),
    "no object": (b"[1]", ["`object`", "`array`", "found [1]"]),
    "empty id": (b'{"request_id":"","route":"a"}', ["request_id", "length >= 1", 'found ""']),
    "number as id": (b'{"request_id":7,"route":"a"}', ["request_id", "`str`", "found 7"]),
    "line end in route": (
        b'{"request_id":"r","route":"a\\n"}',
        ["route", "without control characters", 'found "a\\n"'],
    ),
    "huge int": (
        request(context={"input_tokens": 2**70}),
        ["context.input_tokens", "<= 9007199254740992", f"found {2**70}"],
    ),
    "int of 5,000 digits": (
        with_text(b'"context":{"input_tokens":' + b"9" * 5000 + b"}"),
        ["context.input_tokens", "out of range"],
    ),
    "huge metadata": (
        request(context={"metadata": {"ok": 1, "big": 2**70}}),
        ['context.metadata["big"]', f"found {2**70}"],
    ),
    "list in metadata": (
        request(context={"metadata": {"ok": 1, "tags": [1]}}),
        ['context.metadata["tags"]', "got `array`", "found [1]"],
    ),
    "long metadata key": (
        request(context={"metadata": {"k" * 257: 1}}),
        ["a key of context.metadata", "length <= 256"],
    ),
    "much metadata": (
        request(context={"metadata": {str(n): n for n in range(65)}}),
        ["context.metadata", "length <= 64"],
    ),
    "priority": (request(context={"priority": 12}), ["context.priority", "<= 10.0", "found 12"]),
    "priority beyond float": (
        with_text(b'"context":{"priority":1e400}'),
        ["context.priority", "out of range"],
    ),
    "negative characters": (
        request(context={"input_chars": -1}),
        ["context.input_chars", ">= 0", "found -1"],
    ),
    "empty embedding": (
        request(context={"embedding": []}),
        ["context.embedding", "length >= 1", "found []"],
    ),
    "long embedding": (
        request(context={"embedding": [0.5] * 4_097}),
        ["context.embedding", "length <= 4096"],
    ),
    "large coordinate": (
        request(context={"embedding": [0.5, -1001]}),
        ["context.embedding[1]", ">= -1000.0", "found -1001"],
    ),
    "no coordinate": (
        request(context={"embedding": [0.5, None]}),
        ["context.embedding[1]", "`float`", "found null"],
    ),
    "encoded embedding": (
        request(context={"embedding": "AACAPw=="}),
        ["context.embedding", "`array", 'found "AACAPw=="'],
    ),
    "coordinate beyond float": (
        with_text(b'"context":{"embedding":[1,1e400]}'),
        ["context.embedding[1]", "out of range"],
    ),
    "long label": (request(context={"region": "x" * 257}), ["context.region", "length <= 256"]),
    "null context": (request(context=None), ["context", "`object`", "found null"]),
    "no candidates": (request(candidates=[]), ["candidates", "length >= 1", "found []"]),
    "candidate": (request(candidates=["x", 3]), ["candidates[1]", "`str`", "found 3"]),
    "seconds": (request(timestamp=1_770_000_000), ["timestamp", "look like seconds", "RFC 3339"]),
    "float seconds": (request(timestamp=1_770_000_000.5), ["timestamp", "look like seconds"]),
    "microseconds": (
        request(timestamp=1_770_000_000_000_000),
        ["timestamp", "look like microseconds"],
    ),
    "nanoseconds": (request(timestamp=1_770_000_000 * 10**9), ["look like nanoseconds"]),
    "huge timestamp": (request(timestamp=2**70), ["timestamp", "between the years 2000 and 2200"]),
    "no time": (request(timestamp="today"), ["timestamp", "RFC3339", 'found "today"']),
    "before 2000": (request(timestamp="1999-12-31T23:59:59Z"), ["timestamp", "1999-12-31"]),
    "from 2200": (request(timestamp="2200-01-01T00:00:00Z"), ["timestamp", "2200-01-01"]),
    "year 1": (request(timestamp="0001-01-01T00:00:00+14:00"), ["timestamp", "0001-01-01"]),
    "a field twice": (
        with_text(b'"context":{"priority":99},"context":3'),
        ["context.priority", "<= 10.0"],
    ),
    "a field twice, then not": (
        with_text(b'"context":{"priority":99},"context":{}'),
        ["context.priority", "<= 10.0"],
    ),
    "a long value": (request(context="x" * 5_000), ["context", "`object`", "xxx…"]),
    "a list twice": (with_text(b'"candidates":[1],"candidates":[]'), ["candidates[0]", "`str`"]),
}


@pytest.mark.parametrize(("data", "parts"), INVALID.values(), ids=INVALID)
def test_an_invalid_request_says_where_and_what(data: bytes, parts: list[str]) -> None:
    error = refused(data)
    assert error.reason == "invalid_message"
    for part in parts:
        assert part in error.message
    assert len(error.message) < 1_000


NOT_JSON = {
    "nothing": (b"", "empty"),
    "cut off": (b'{"request_id":', "truncated"),
    "not a number": (with_text(b'"context":{"priority":NaN}'), "not JSON"),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "latin-1": (b'{"request_id":"\xe9t\xe9","route":"a"}', "0xe9 at byte 15"),
    "latin-1 in the context": (
        with_text(b'"context":{"region":"\xe9"}'),
        "0xe9 at byte 51",
    ),
    "half a surrogate pair": (b'{"request_id":"\\ud800","route":"a"}', "surrogate"),
}


@pytest.mark.parametrize(("data", "part"), NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_cannot_be_answered(data: bytes, part: str) -> None:
    error = refused(data)
    assert (error.reason, error.request_id, error.route) == ("invalid_json", None, None)
    assert part in error.message


@pytest.mark.parametrize(
    ("data", "answerable"),
    [
        (request(context={"priority": 12}), True),
        (request(timestamp=1), True),
        (request(timestamp="1999-12-31T23:59:59Z"), True),
        (request(context={"note": "x" * MAX_EVENT_BYTES}), True),
        (b'{"request_id":"r"}', False),
        (b'{"request_id":"r","route":""}', False),
        (b'{"request_id":"r","route":"a\\u0000"}', False),
        (b'{"request_id":"' + b"r" * 257 + b'","route":"a"}', False),
        (b'{"request_id":null,"route":"a"}', False),
    ],
)
def test_a_refused_request_is_answerable_if_both_its_names_are_usable(
    data: bytes, answerable: bool
) -> None:
    error = refused(data)
    assert (error.request_id, error.route) == (("r", "a") if answerable else (None, None))


def test_size_is_limited_to_the_byte() -> None:
    bare = len(with_text(b'"x":""'))
    fits = with_text(b'"x":"' + b"x" * (MAX_EVENT_BYTES - bare) + b'"')
    assert len(fits) == MAX_EVENT_BYTES
    assert decode_request(fits).request_id == "r"
    error = refused(fits + b" ")
    assert error.reason == "too_large"
    assert str(MAX_EVENT_BYTES) in error.message


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_limited(brackets: tuple[bytes, bytes]) -> None:
    def nested(depth: int) -> bytes:
        left, right = brackets
        return with_text(b'"x":' + left * (depth - 1) + b"1" + right * (depth - 1))

    assert decode_request(nested(MAX_NESTING)).route == "a"
    wide = nested(MAX_NESTING)[:-1] + b',"y":[[],[]]}'
    assert decode_request(wide).route == "a"
    for depth in (MAX_NESTING + 1, 40_000):
        error = refused(nested(depth))
        assert error.reason == "invalid_json"
        assert f"deeper than {MAX_NESTING}" in error.message
        assert error.request_id is None


def test_what_is_too_large_may_be_too_deep_as_well() -> None:
    depth = MAX_EVENT_BYTES
    error = refused(with_text(b'"x":' + b"[" * depth + b"]" * depth))
    assert (error.reason, error.request_id) == ("too_large", None)


def test_brackets_side_by_side_or_in_text_are_not_nesting() -> None:
    assert decode_request(with_text(b'"x":[' + b"[]," * 5_000 + b"1]")).route == "a"
    assert decode_request(with_text(b'"x":"' + b"[{" * 5_000 + b'\\"[{"')).route == "a"


@pytest.mark.parametrize(
    "text",
    ["2000-01-01T00:00:00Z", "2199-12-31T23:59:59.999Z", "2026-05-04T12:00:00"],
)
def test_times_up_to_the_bounds_are_taken(text: str) -> None:
    assert decode_request(request(timestamp=text)).timestamp is not None


@given(st.binary(max_size=60), st.sampled_from([b"", b'{"request_id":"r","route":"a",']))
def test_any_bytes_give_a_request_or_a_reason(tail: bytes, head: bytes) -> None:
    try:
        assert decode_request(head + tail).route
    except InvalidMessage as error:
        assert error.message  # noqa: PT017 - either outcome is right
