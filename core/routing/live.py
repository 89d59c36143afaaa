"""Live objects of one partition: a route, its segments, the arms and detectors in them.

They are made from stored bytes, changed in place, and encoded again; nothing here decides anything.
"""

from __future__ import annotations

from typing import Any

from core.anomaly.base import AnomalyDetector
from core.budget import Pace, Pacer
from core.context.vocabulary import Vocabularies
from core.drift.base import DriftDetector
from core.guardrails.health import Health
from core.reward import RouteScales
from core.routing.choice import Choice
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution
from core.routing.live_detector import LiveDetector, LiveWindow
from core.routing.live_search import LiveSearch
from core.routing.trial import LiveTrial
from core.routing.written import Written
from core.watching.join import JoinPanes
from schemas.state import ArmRecord, RouteRecord, decode_arm, encode_state, route_key, scales_key


class LiveArm(Written):
    """The algorithm's state of one arm, with the bandit that reads and writes it."""

    __slots__ = ("compiled", "dirty", "health", "id", "key", "pulls", "restarted", "size", "state")

    def __init__(self, key: bytes, compiled: CompiledPolicy, arm: str) -> None:
        self.key = key
        self.compiled = compiled
        self.id = arm
        self.dirty = False
        self.size = len(key) + 128
        self.state: Any = None
        self.pulls = 0
        self.restarted = 0
        self.health: Health | None = None
        """What guardrails judge it by; None where there are none."""
        if compiled.policy.guardrails is not None:
            self.health = Health()

    def load(self, stored: bytes | None) -> bool:
        """Take up what is stored; False if that is nothing, or of another meaning of the arm."""
        record = None if stored is None else decode_arm(stored)
        if record is None or record.fingerprint != self.compiled.fingerprints[self.id]:
            return False
        self.state = self.compiled.bandit.decode(record.state, self.id)
        self.pulls = record.pulls
        self.restarted = record.restarted
        if self.health is not None and record.health:
            self.health = Health.decode(record.health)
        self.size = len(self.key) + len(stored or b"")
        return True

    def begin(self, donor: LiveArm | None) -> None:
        """Start without rewards of its own, like ``donor`` if there is one."""
        self.state = self.compiled.first_state(self.id, None if donor is None else donor.state)
        self.pulls = 0

    def restart(self, version: int) -> None:
        """Forget every reward and every pull: the arm starts again from its prior, at a version."""
        self.restarted = version
        self.state = self.compiled.prior_state(self.id)
        self.pulls = 0
        if self.health is not None:
            self.health = Health()

    def encode(self) -> bytes:
        """The bytes to store."""
        fingerprint = self.compiled.fingerprints[self.id]
        state = self.compiled.bandit.encode(self.state)
        health = b"" if self.health is None else self.health.encode()
        return encode_state(ArmRecord(fingerprint, state, self.pulls, self.restarted, health))


class LiveSegment:
    """The arms and detectors of one slice of a route, and what was computed from them."""

    __slots__ = ("anomalies", "arms", "detectors", "distributions", "name", "search")

    def __init__(self, name: str) -> None:
        self.name = name
        self.arms: dict[str, LiveArm] = {}
        self.detectors: dict[tuple[str, str], LiveDetector[DriftDetector]] = {}
        self.anomalies: dict[tuple[str, str], LiveDetector[AnomalyDetector]] = {}
        self.distributions: dict[Choice, Distribution] = {}
        self.search: LiveSearch | None = None


class LiveRoute(Written):
    """A route's counters, cost and latency scales, policies and segments."""

    __slots__ = (
        "_join",
        "_pacer",
        "dirty",
        "key",
        "known",
        "mixes",
        "name",
        "name_bytes",
        "policies",
        "record",
        "scales",
        "segments",
        "size",
        "trial",
        "vocabularies",
        "windows",
    )

    def __init__(self, name: str, record: RouteRecord, scales: bytes | None) -> None:
        self.name = name
        self.name_bytes = name.encode()
        self.key = route_key(name)
        self.record = record
        self.scales = RouteScales() if scales is None else RouteScales.decode(scales)
        self.policies: dict[int, CompiledPolicy] = {}
        self.segments: dict[str, LiveSegment] = {}
        self.known: list[str] | None = None
        self.vocabularies: Vocabularies | None = None
        self.trial: LiveTrial | None = None
        self.windows: dict[tuple[str, int], LiveWindow] = {}
        self.mixes: dict[str, LiveDetector[Any]] = {}
        self._join: tuple[int, JoinPanes] | None = None
        self._pacer: tuple[Pace, Pacer] | None = None
        self.dirty = False
        self.size = len(self.key) + 128

    def pacer(self, compiled: CompiledPolicy) -> Pacer | None:
        """The ledger of the policy's budget; it goes on from one policy to the next."""
        if compiled.pace is None:
            return None
        if self._pacer is None or self._pacer[0] != compiled.pace:
            ledger = self.record.ledger if self._pacer is None else self._pacer[1].encode()
            pacer = Pacer.decode(ledger, compiled.pace) if ledger else Pacer(compiled.pace)
            self._pacer = compiled.pace, pacer
        return self._pacer[1]

    def join_panes(self, compiled: CompiledPolicy) -> JoinPanes | None:
        """Where the decisions that got a reward are counted; None where nobody asks."""
        window_ms = compiled.watch.join_ms
        if not window_ms:
            return None
        if self._join is None or self._join[0] != window_ms:
            stored = self.record.join if self._join is None else self._join[1].encode()
            found = JoinPanes.decode(stored, window_ms) if stored else JoinPanes(window_ms)
            self._join = window_ms, found
        return self._join[1]

    def encode(self) -> bytes:
        """The bytes to store."""
        if self._join is not None:
            self.record.join = self._join[1].encode()
        if self._pacer is not None:
            self.record.ledger = self._pacer[1].encode()
        return encode_state(self.record)

    def write(self, puts: dict[bytes, bytes | None]) -> int:
        """Put the counters, and the scales if they have changed: decisions leave them alone."""
        size = super().write(puts)
        if self.scales.changed:
            self.scales.changed = False
            value = puts[scales_key(self.name)] = self.scales.encode()
            size += len(self.key) + len(value) + 16
        return size


Live = LiveArm | LiveDetector[Any] | LiveRoute | LiveSearch | LiveTrial | LiveWindow
