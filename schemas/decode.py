"""From bytes to validated records, or to the reason why not.

The same bytes always give the same answer: nesting is bounded here, as the parser's own bound
depends on how deep the caller's stack is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from schemas.dead_letter import DeadLetterReason
from schemas.explain import explain, explain_all, strangers
from schemas.fields import EARLIEST_MS, LATEST_MS, RequestId, Route, epoch_ms
from schemas.policy import Policy
from schemas.request import Request
from schemas.reward import Reward
from schemas.validation import policy_problems

MAX_EVENT_BYTES: Final = 256 * 1024
MAX_POLICY_BYTES: Final = 512 * 1024
MAX_NESTING: Final = 64

T = TypeVar("T", bound=Struct)


class InvalidMessage(Exception):  # noqa: N818 - it names what was received
    """A message that its sender must change. ``str()`` says what to change.

    ``request_id`` and ``route`` are set, both or neither, for a request whose two were readable
    and valid: such a request can be answered with a rejection. ``problems`` are the sentences that
    the message is made of.
    """

    def __init__(
        self,
        reason: DeadLetterReason,
        message: str,
        request_id: str | None = None,
        route: str | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.problems = problems or (message,)
        self.reason: DeadLetterReason = reason
        self.message = message
        self.request_id = request_id
        self.route = route


class _Identity(Struct):
    request_id: Any = None
    route: Any = None


_REQUEST: Final = msgspec.json.Decoder(Request)
_REWARD: Final = msgspec.json.Decoder(Reward)
_POLICY: Final = msgspec.json.Decoder(Policy)
_IDENTITY: Final = msgspec.json.Decoder(_Identity)


def decode_request(data: bytes) -> Request:
    """A valid request. Raises InvalidMessage: invalid_json, invalid_message or too_large."""
    try:
        request = _decode(_REQUEST, data, MAX_EVENT_BYTES, "invalid_message")
        _check_time(request.timestamp)
    except InvalidMessage as error:
        if error.reason != "invalid_json":
            error.request_id, error.route = _identity(data)
        raise
    return request


def decode_reward(data: bytes) -> Reward:
    """A valid reward with an outcome.

    Raises InvalidMessage: invalid_json, invalid_message, too_large or empty_outcome.
    """
    reward = _decode(_REWARD, data, MAX_EVENT_BYTES, "invalid_message")
    _check_time(reward.timestamp)
    if reward.outcome().empty:
        ignored = strangers(data, Reward)
        unknown = f"; it has unknown fields, which are ignored: {ignored}" if ignored else ""
        raise InvalidMessage(
            "empty_outcome",
            f"the reward of request {reward.request_id!r} says nothing: give at least one of "
            f"quality, cost_usd, latency_ms, success, reward, signals{unknown}",
        )
    return reward


def decode_policy(data: bytes) -> Policy:
    """A policy that is valid as a whole (schemas.validation).

    Raises InvalidMessage: invalid_json, too_large, or invalid_policy with all its problems: those
    of single fields, or once there are none, those of the policy as a whole.
    """
    try:
        policy = _decode(_POLICY, data, MAX_POLICY_BYTES, "invalid_policy")
    except InvalidMessage as error:
        if isinstance(error.__cause__, msgspec.ValidationError):
            raise _invalid(explain_all(error.__cause__, data, Policy)) from error.__cause__
        raise
    problems = policy_problems(policy)
    if problems:
        raise _invalid(problems)
    return policy


def decode_stored_policy(data: bytes) -> Policy:
    """A policy out of the state. It was accepted once, so only its types are checked again: rules
    that a later release adds must not stop a worker from reading its own state.

    Raises InvalidMessage: invalid_json or invalid_policy.
    """
    return _decode(_POLICY, data, MAX_POLICY_BYTES, "invalid_policy")


def _decode(
    decoder: msgspec.json.Decoder[T], data: bytes, most: int, reason: DeadLetterReason
) -> T:
    if len(data) > most:
        raise InvalidMessage("too_large", f"{len(data)} bytes, at most {most} are allowed")
    if data.count(b"[") + data.count(b"{") > MAX_NESTING and _nesting(data) > MAX_NESTING:
        raise InvalidMessage(
            "invalid_json", f"objects and arrays are nested deeper than {MAX_NESTING} levels"
        )
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise InvalidMessage(reason, explain(error, data, decoder.type)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessage("invalid_json", _not_json(error, data)) from error


def _check_time(value: datetime | int | None) -> None:
    """What the type of an integer timestamp fulfils, for one in RFC 3339."""
    if not isinstance(value, datetime) or 2000 < value.year < 2199:
        return
    if not EARLIEST_MS <= epoch_ms(value) < LATEST_MS:
        raise InvalidMessage(
            "invalid_message",
            "timestamp: expected a time between the years 2000 and 2200, "
            f"found {value.isoformat()}",
        )


def _identity(data: bytes) -> tuple[str, str] | tuple[None, None]:
    """The request_id and the route of a refused request, where both are usable."""
    if _nesting(data) > MAX_NESTING:
        return None, None
    try:
        identity = _IDENTITY.decode(data)
        return (
            msgspec.convert(identity.request_id, RequestId),
            msgspec.convert(identity.route, Route),
        )
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, None


def _not_json(error: msgspec.DecodeError | UnicodeDecodeError, data: bytes) -> str:
    if not data:
        return "not JSON: the payload is empty"
    try:
        data.decode()
    except UnicodeDecodeError as whole:
        return (
            f"not UTF-8: {whole.reason} 0x{data[whole.start]:02x} at byte {whole.start}; "
            "JSON must be encoded as UTF-8"
        )
    if data.startswith(b"\xef\xbb\xbf"):
        return "not JSON: it begins with a byte order mark; send UTF-8 without one"
    text = str(error).removeprefix("JSON is malformed: ")
    return f"not JSON: {text}; it begins with {data[:40].decode(errors='ignore')!r}"


_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_SIGN: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _nesting(data: bytes) -> int:
    """How deep objects and arrays stand in each other; for broken JSON, at least that much."""
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_SIGN.__getitem__, brackets)), default=0)


def _invalid(problems: list[str]) -> InvalidMessage:
    """The error of a policy with these problems, of which there is at least one."""
    message = problems[0]
    if len(problems) > 1:
        numbered = (f"({number}) {problem}" for number, problem in enumerate(problems, 1))
        message = f"{len(problems)} problems: {'; '.join(numbered)}"
    return InvalidMessage("invalid_policy", message, problems=problems)
