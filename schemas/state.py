"""What is in the state of one partition: typed keys, and records that encode to compact bytes.

Keys begin with one letter that says what they hold; text parts are joined by NUL, which routes,
segments and arm ids cannot contain (a request id is always the last part). Values are MessagePack
arrays. ``ABSENT`` stands for a key without a value: unlike a tombstone, compaction keeps it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from schemas.alert import AlertType, Level, Severity
from schemas.reward import Outcome

ABSENT: Final = b"\x00"

CLAIM_KEY: Final = b"C"
STAMP_KEY: Final = b"S"
DECISION: Final = b"D"
HELD: Final = b"H"
POLICY: Final = b"P"
SESSION: Final = b"T"
WINDOW: Final = b"L"
INCIDENT: Final = b"I"
OUTBOX: Final = b"O"
BOOKKEEPING: Final = frozenset({b"C", b"S", b"O"})
"""Kinds of the durability protocol: they depend on how the input was cut into cycles."""


def decision_key(route: str, request_id: str) -> bytes:
    """Where the decision of a request is remembered."""
    return f"D{route}\0{request_id}".encode()


def held_key(decision: bytes) -> bytes:
    """Where rewards wait for the decision that will stand under ``decision``."""
    return HELD + decision[1:]


def awaited_key(held: bytes) -> bytes:
    """The inverse of ``held_key``."""
    return DECISION + held[1:]


def split_key(key: bytes) -> tuple[str, str]:
    """Route and request id of a decision's or held reward's key."""
    route, _, request_id = key[1:].partition(b"\0")
    return route.decode(), request_id.decode()


def policy_key(route: str, version: int) -> bytes:
    """Where one version of a route's policy is kept."""
    return b"P" + route.encode() + b"\0" + version.to_bytes(8, "big")


def split_policy_key(key: bytes) -> tuple[str, int]:
    """The inverse of ``policy_key``."""
    return key[1:-9].decode(), int.from_bytes(key[-8:], "big")


def route_key(route: str) -> bytes:
    """Where the counters of a route are kept."""
    return f"R{route}".encode()


def scales_key(route: str) -> bytes:
    """Where the observed costs and latencies of a route's arms are kept."""
    return f"E{route}".encode()


def segments_key(route: str) -> bytes:
    """Where the names of a route's segments are kept."""
    return f"G{route}".encode()


def vocabularies_key(route: str) -> bytes:
    """Where the categories that a route's requests have brought are kept."""
    return f"V{route}".encode()


def arm_key(route: str, segment: str, arm: str) -> bytes:
    """Where the algorithm's state of one arm is kept."""
    return f"A{route}\0{segment}\0{arm}".encode()


def search_key(route: str, segment: str) -> bytes:
    """Where a parameter search is kept."""
    return f"Q{route}\0{segment}".encode()


def session_key(route: str, session: str) -> bytes:
    """Where the arm of a session is kept."""
    return f"T{route}\0{session}".encode()


def trial_key(route: str, name: str) -> bytes:
    """Where an experiment or a rollout is kept."""
    return f"X{route}\0{name}".encode()


def shadow_key(route: str, name: str) -> bytes:
    """Where the scores of a policy's shadow are kept."""
    return f"Y{route}\0{name}".encode()


def detector_key(route: str, segment: str, arm: str, metric: str) -> bytes:
    """Where the change detector of one metric of an arm is kept."""
    return f"W{route}\0{segment}\0{arm}\0{metric}".encode()


def tail_key(detector: bytes) -> bytes:
    """Where the values are kept that a detector has seen since it last looked back."""
    return b"w" + detector


def anomaly_key(route: str, segment: str, arm: str, metric: str) -> bytes:
    """Where the anomaly detector of one metric of an arm is kept."""
    return f"N{route}\0{segment}\0{arm}\0{metric}".encode()


def mix_key(route: str, field: str) -> bytes:
    """Where the detector of one field of a route's requests is kept."""
    return f"M{route}\0{field}".encode()


def window_key(route: str, arm: str, window_ms: int) -> bytes:
    """Where what thresholds look at is counted; ``arm`` is "" for the whole route."""
    return f"L{route}\0{arm}\0{window_ms}".encode()


def split_window_key(key: bytes) -> tuple[str, str, int]:
    """The inverse of ``window_key``."""
    route, arm, window_ms = key[1:].decode().split("\0")
    return route, arm, int(window_ms)


def incident_key(route: str, kind: str, segment: str, arm: str, metric: str, of: str) -> bytes:
    """Where an open incident is kept."""
    return f"I{route}\0{kind}\0{segment}\0{arm}\0{metric}\0{of}".encode()


def split_incident_key(key: bytes) -> list[str]:
    """The inverse of ``incident_key``."""
    return key[1:].decode().split("\0", 5)


def outbox_key(batch: int) -> bytes:
    """Where the outputs of one batch, other than new decisions, wait until they are published."""
    return OUTBOX + batch.to_bytes(8, "big")


class Stamp(Struct, array_like=True, frozen=True):
    """How far a partition is; the last record of every batch of its changelog."""

    format: int = 1
    version: int = 0
    """How many input records were applied."""
    policies: int = 0
    requests: int = 0
    rewards: int = 0
    """The next offset to read of each input topic."""
    emitted: int = 0
    """Every output of the inputs up to this version was acked as published."""
    request_clock: int = 0
    reward_clock: int = 0
    """The latest record timestamp seen on each topic, in ms since the epoch."""
    batch: int = 0
    """How many batches the owners of this partition have written."""


class Claim(Struct, array_like=True, frozen=True):
    """Who owns the partition from here on."""

    epoch: int
    owner: str
    sources: tuple[tuple[str, str], ...] = ()
    """Name and id of each input topic whose records the state is made of; the id is empty where
    Kafka has none, and nothing is here where an owner before these were kept has claimed."""


class DecisionRecord(Struct, array_like=True, frozen=True):
    """One decision, remembered until its reward window has closed."""

    version: int
    """The state version at which it was made."""
    policy_version: int
    timestamp: int
    deadline: int
    """Rewards with a later record timestamp are late; in ms since the epoch."""
    last_serial: int
    """Once its route has made that many decisions, this one is given up."""
    arm: str
    propensity: float
    segment: str
    x: bytes
    """The encoded context; empty where the algorithm looks at none."""
    parts: Outcome | None = None
    """What rewards with ``final: false`` have brought so far."""
    served: str = ""
    """The arm that really served, where a reward named another than the decided one."""
    joined: bytes = b""
    """A digest of the reward that was counted; empty while it is awaited."""
    reserved: float | None = None
    """What the decision's budget was charged, in USD, until the true cost is known."""
    variant: str = ""
    """Of the route's experiment or rollout, if it had one."""
    step: int = 0
    """At which the rollout was."""
    params: bytes = b""
    """What a search proposed, as JSON; empty for arms whose parameters the policy declares."""
    cluster: int = 0
    """Of the experiment's or rollout's units: in which bucket this request's is."""
    covariate: float | None = None
    """By which the experiment adjusts the outcome, where it does."""
    shadow: float | None = None
    """The probability that the policy's shadow gave to the arm; None where it is not scored."""
    support: float | None = None
    """The shadow's probability of all arms that could have been chosen, where it is scored."""


class RouteRecord(Struct, array_like=True):
    """What a route has counted so far."""

    current: int = -1
    """The version of the policy in force; -1 for none."""
    latest: int = 0
    """The highest version that was ever in force: decisions may refer to it after a withdrawal."""
    decided: int = 0
    joined: int = 0
    duplicates: int = 0
    late: int = 0
    contradicting: int = 0
    unlearned: int = 0
    """Rewards that no arm learned from: removed arm, changed encoding, or nothing to learn."""
    ledger: bytes = b""
    """Of the policy's budget; empty before the first decision under one."""
    join: bytes = b""
    """How many decisions got a reward, by when they were made; empty where nobody asks."""


class ArmRecord(Struct, array_like=True, frozen=True):
    """The algorithm's state of one arm, valid for one meaning of that arm only."""

    fingerprint: bytes
    """Of the model, its parameters, the algorithm and the encoding; another one starts afresh."""
    state: bytes
    pulls: int = 0
    """How often forced exploration has chosen the arm."""
    restarted: int = 0
    """The state version at which a drift last made the arm start afresh."""
    health: bytes = b""
    """What guardrails judge the arm by; empty where there are none."""


class Held(Struct, array_like=True, frozen=True):
    """A reward whose request has not been read yet, as it came."""

    offset: int
    timestamp: int
    deadline: int
    """When either clock has passed it, the request cannot come any more; ms since the epoch."""
    value: bytes


class Session(Struct, array_like=True, frozen=True):
    """The arm that a session stays on."""

    arm: str
    deadline: int
    """When it is forgotten unless it has made a request; ms since the epoch."""
    version: int
    """The state version at which the arm was drawn."""


class IncidentRecord(Struct, array_like=True, frozen=True):
    """An open incident; times in ms since the epoch."""

    version: int
    """The state version at which it was opened."""
    opened: int
    until: int
    """When it is over unless more is detected; 0: it ends with what it is about."""
    told: int
    """When its last event was published."""
    detections: int
    type: AlertType
    severity: Severity
    detector: str
    before: Level | None
    after: Level | None
    """As of its last detection."""


class Output(Struct, array_like=True, frozen=True):
    """One message to publish: a topic's role, the key, the payload."""

    role: str
    key: bytes
    value: bytes


_encoder: Final = msgspec.msgpack.Encoder()
encode_state: Final = _encoder.encode
decode_claim: Final = msgspec.msgpack.Decoder(Claim).decode
decode_stamp: Final = msgspec.msgpack.Decoder(Stamp).decode
decode_decision: Final = msgspec.msgpack.Decoder(DecisionRecord).decode
decode_route: Final = msgspec.msgpack.Decoder(RouteRecord).decode
decode_arm: Final = msgspec.msgpack.Decoder(ArmRecord).decode
decode_segments: Final = msgspec.msgpack.Decoder(list[str]).decode
decode_outbox: Final = msgspec.msgpack.Decoder(list[Output]).decode
decode_session: Final = msgspec.msgpack.Decoder(Session).decode
decode_incident: Final = msgspec.msgpack.Decoder(IncidentRecord).decode
decode_held: Final = msgspec.msgpack.Decoder(list[Held]).decode
