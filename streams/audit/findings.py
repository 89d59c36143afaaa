"""What an audit finds: differences, what could not be verified and why, and the state's verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from core.routing.part import InputRecord
from schemas.state import Stamp

Kind = Literal["differs", "missing", "surplus", "unreadable"]
TOPICS = ("policies", "requests", "rewards")
FAR = 1 << 62


@dataclass(frozen=True, slots=True)
class Asked:
    """Which answers are to be verified: all that are within every bound."""

    lowest: int = 0
    """State versions, inclusive."""
    highest: int = FAR
    since_ms: int = 0
    """The answers' timestamps, inclusive."""
    until_ms: int = FAR
    route: str | None = None

    def begins(self, stamp: Stamp) -> bool:
        """Whether something up to this stamp may be asked for."""
        return stamp.version >= self.lowest and stamp.request_clock >= self.since_ms

    def ended(self, stamp: Stamp) -> bool:
        """Whether nothing after this stamp is asked for."""
        return stamp.version >= self.highest or stamp.request_clock > self.until_ms

    def covers(self, version: int, route: str, timestamp: int) -> bool:
        """Whether an answer is asked for."""
        return (
            self.lowest <= version <= self.highest
            and self.since_ms <= timestamp <= self.until_ms
            and self.route in (None, route)
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """One input as it was replayed."""

    version: int
    topic: str
    record: InputRecord


@dataclass(slots=True)
class Difference:
    """One state version whose answer is not what replay gives."""

    kind: Kind
    partition: int
    version: int
    """0 for what is no answer."""
    offset: int | None
    """Where the published message stands."""
    route: str = ""
    request_id: str = ""
    published: bytes | None = None
    """Filled in for those that are shown."""
    replayed: bytes | None = None
    key_differs: bool = False
    around: list[Applied] = field(default_factory=list)


@dataclass(slots=True)
class Unverified:
    """A stretch of state versions that could not be replayed."""

    above: int
    upto: int
    why: str
    gone: int
    """How many of its inputs the topics no longer hold; 0 where something else is the reason."""
    answers: int
    """Published answers in it that were asked for."""

    @property
    def reason(self) -> str:
        """Why, in words."""
        if not self.gone:
            return self.why
        return (
            f"{self.gone:,} of the {self.upto - self.above:,} inputs that were applied are gone "
            f"from the topics ({self.why})"
        )

    def extended(self, later: Unverified) -> bool:
        """Take in the stretch that follows, if it follows at once for the same reason."""
        if (self.upto, self.why) != (later.above, later.why):
            return False
        self.upto = later.upto
        self.gone += later.gone
        self.answers += later.answers
        return True


@dataclass(frozen=True, slots=True)
class StateDifference:
    """A key whose replayed value is not the changelog's."""

    key: bytes
    first_at: int
    """The state version of the stamp at which it differed first."""


@dataclass(slots=True)
class PartitionFindings:
    """The audit of one partition."""

    partition: int
    started_at: int = 0
    """The state version from which it was replayed; above 0, that state is the changelog's."""
    ended_at: int = 0
    inputs: int = 0
    """Replayed input records."""
    compared: int = 0
    equal: int = 0
    """Answers that stand on the topic as replayed, bit for bit."""
    repeated: int = 0
    """Published messages that repeat an earlier one."""
    differences: list[Difference] = field(default_factory=list)
    """The first ones."""
    different: int = 0
    unpublished: int = 0
    """Answers that no stamp counts as published yet, and that are not: the worker will do so."""
    deleted: int = 0
    """Replayed answers older than what the decision topic has kept."""
    unverified: list[Unverified] = field(default_factory=list)
    assumed: int = 0
    """Inputs whose place was told by timestamps, and confirmed by all that followed from it."""
    state_keys: int = 0
    state: list[StateDifference] = field(default_factory=list)
    waiting: int = 0
    """Input records that no worker had applied."""
    newer: int = 0
    """Answers published while the audit began."""

    @property
    def verdict(self) -> Literal["equal", "different", "unverified"]:
        """Different is worse than unverified."""
        if self.different or self.state:
            return "different"
        return "unverified" if self.unverified or self.deleted else "equal"


EXIT_CODES = {"equal": 0, "different": 1, "unverified": 2}


def worst(findings: list[PartitionFindings]) -> Literal["equal", "different", "unverified"]:
    """The verdict on all partitions together."""
    verdicts = [one.verdict for one in findings]
    for verdict in ("different", "unverified"):
        if verdict in verdicts:
            return verdict
    return "equal"
