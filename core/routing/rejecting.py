"""Answers to requests that get no arm."""

from __future__ import annotations

from typing import NamedTuple

from core.routing.part import InputRecord
from core.routing.partition import Partition, wrong_key
from schemas.decision import Rejection, RejectionCode
from schemas.decode import InvalidMessage
from schemas.encode import encode_answer
from schemas.request import Request


class _Named(NamedTuple):
    """Whose answer it is."""

    request_id: str
    route: str


def reject(
    state: Partition, request: _Named | Request, code: RejectionCode, reason: str, timestamp: int
) -> None:
    """Answer a request that gets no arm."""
    answer = Rejection(request.request_id, request.route, code, reason, state.version, timestamp)
    state.emit("decisions", request.route.encode(), encode_answer(answer))


def answer_invalid(
    state: Partition, topic: str, record: InputRecord, error: InvalidMessage
) -> None:
    """Answer an invalid request whose sender is known; otherwise it is a dead letter."""
    if error.request_id is None or error.route is None:
        state.refuse(topic, record, error.reason, str(error))
    elif record.key != error.route.encode():
        state.refuse(topic, record, "wrong_key", wrong_key(record.key, error.route))
    else:
        sender = _Named(error.request_id, error.route)
        reject(state, sender, "invalid_request", str(error), record.timestamp)
