"""From output records to bytes, and back for those who consume them.

Integers must fit 64 bits and floats must be finite; orjson refuses the former (JSONEncodeError, a
TypeError) and writes null for the latter, which no decoder accepts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.decision import Answer, Decision

_ANSWER: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)
_ALERT: Final = msgspec.json.Decoder(Alert)
_DEAD_LETTER: Final = msgspec.json.Decoder(DeadLetter)


def encode_answer(answer: Answer) -> bytes:
    """A decision or a rejection, as it stands on ``llm.decisions``."""
    return orjson.dumps(msgspec.to_builtins(answer))


def encode_alert(alert: Alert) -> bytes:
    """An alert, as it stands on ``llm.drift``."""
    return orjson.dumps(msgspec.to_builtins(alert))


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """A dead letter, as it stands on ``llm.dead-letters``."""
    return orjson.dumps(msgspec.to_builtins(letter))


def decode_answer(data: bytes) -> Answer:
    """The inverse of ``encode_answer``. Raises ValueError for bytes that are no answer."""
    return _ANSWER.decode(data)


def decode_alert(data: bytes) -> Alert:
    """The inverse of ``encode_alert``. Raises ValueError for bytes that are no alert."""
    return _ALERT.decode(data)


def decode_dead_letter(data: bytes) -> DeadLetter:
    """The inverse of ``encode_dead_letter``. Raises ValueError for bytes that are none."""
    return _DEAD_LETTER.decode(data)


def with_variant(decision: bytes, variant: str) -> bytes:
    """An encoded decision with its ``variant``, as ``encode_answer`` writes it."""
    return decision[:-1] + b',"variant":' + orjson.dumps(variant) + b"}"


class DecisionEncoder:
    """Decisions for one arm of one policy version: what never changes is encoded once.

    ``encoder(request_id, propensity, state_version, timestamp)`` gives, byte for byte, what
    ``encode_answer`` gives for the Decision with these fields. ``propensity`` must be a finite
    Python float (no numpy scalar), the other two numbers Python ints.
    """

    __slots__ = ("_head", "_middle", "_tail")

    def __init__(
        self, route: str, arm: str, model: str, params: dict[str, Any], policy_version: int
    ) -> None:
        # The encoding of a Decision with marks in the place of what changes, cut at the marks.
        whole = encode_answer(Decision("", route, arm, model, params, 0.0, policy_version, 0, 0))
        self._head = b'{"status":"decided","request_id":'
        fixed = whole.removeprefix(self._head + b'""')
        end = b'0.0,"policy_version":%d,"state_version":0,"timestamp":0}' % policy_version
        if len(fixed) == len(whole) or not fixed.endswith(end):
            raise AssertionError("the fields of Decision moved: adapt DecisionEncoder")
        self._middle = fixed.removesuffix(end)
        self._tail = b',"policy_version":%d,"state_version":' % policy_version

    def __call__(
        self, request_id: str, propensity: float, state_version: int, timestamp: int
    ) -> bytes:
        """The bytes of one decision."""
        return b"".join(
            (
                self._head,
                orjson.dumps(request_id),
                self._middle,
                orjson.dumps(propensity),
                self._tail,
                b'%d,"timestamp":%d}' % (state_version, timestamp),
            )
        )
