"""Whether two states of a partition are the same, as far as anything can see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.routing.partition import GRACE_MS
from schemas.state import (
    BOOKKEEPING,
    decode_decision,
    decode_route,
    route_key,
    split_key,
)

_KINDS = {
    b"A": "the statistics of arm",
    b"D": "the decision of",
    b"E": "the costs and latencies of route",
    b"G": "the segments of route",
    b"H": "the held rewards of",
    b"I": "the open incident of",
    b"L": "what thresholds look at of",
    b"M": "the request mix of",
    b"N": "the anomaly detector of",
    b"P": "a policy of route",
    b"Q": "the search of",
    b"R": "the counters of route",
    b"T": "the session of",
    b"V": "the vocabularies of route",
    b"W": "the detector of",
    b"X": "the experiment or rollout of",
    b"Y": "the shadow of",
    b"w": "the newest values of the detector",
}


def logical(items: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """State without what depends on how the input was cut into cycles."""
    return {key: value for key, value in items if key[:1] not in BOOKKEEPING}


def differs(
    key: bytes, logged: Mapping[bytes, bytes], replayed: Mapping[bytes, bytes], reward_clock: int
) -> bool:
    """Whether the two states tell different things under a key.

    Entries that nothing can see any more are dropped at a moment that depends on how the input was
    cut: such a one may be in one of the states alone.
    """
    left, right = logged.get(key), replayed.get(key)
    if left == right or key[:1] in BOOKKEEPING:
        return False
    if left is None:
        assert right is not None, "they are not the same"
        return not _unseen(key, right, replayed, reward_clock)
    return right is not None or not _unseen(key, left, logged, reward_clock)


def _unseen(key: bytes, value: bytes, items: Mapping[bytes, bytes], reward_clock: int) -> bool:
    """Whether an entry has no effect any more: a decision given up, or a replaced policy."""
    if key[:1] == b"D":
        record = decode_decision(value)
        counts = items.get(route_key(split_key(key)[0]))
        decided = 0 if counts is None else decode_route(counts).decided
        return reward_clock > record.deadline + GRACE_MS or decided >= record.last_serial
    if key[:1] == b"P":
        route, version = key[1:-9].decode(), int.from_bytes(key[-8:], "big")
        counts = items.get(route_key(route))
        return counts is None or decode_route(counts).current != version
    return False


def described(key: bytes) -> str:
    """What a key holds, for people."""
    if key[:1] == b"P":
        return f"policy version {int.from_bytes(key[-8:], 'big')} of {key[1:-9].decode()}"
    kept = key[2:] if key[:1] == b"w" else key[1:]
    names = [part.decode("utf-8", "replace") for part in kept.split(b"\0")]
    return f"{_KINDS.get(key[:1], 'the entry')} {', '.join(name for name in names if name)}"
