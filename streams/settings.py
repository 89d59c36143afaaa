"""What a worker can be told: one value per option of ``thalweg worker``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DEFAULT_BROKERS: Final = "127.0.0.1:9092"
MIB: Final = 1024 * 1024
TOMBSTONES_MS: Final = 86_400_000
"""How long the changelog keeps tombstones."""


@dataclass(frozen=True)
class Topics:
    """The topics by role. All have the same number of partitions and are keyed by route."""

    requests: str = "llm.requests"
    rewards: str = "llm.rewards"
    policies: str = "llm.policies"
    decisions: str = "llm.decisions"
    drift: str = "llm.drift"
    dead_letters: str = "llm.dead-letters"

    @classmethod
    def prefixed(cls, prefix: str) -> Topics:
        """The topics of one installation: ``prefix`` stands where the default has "llm."."""
        return cls(
            f"{prefix}requests",
            f"{prefix}rewards",
            f"{prefix}policies",
            f"{prefix}decisions",
            f"{prefix}drift",
            f"{prefix}dead-letters",
        )

    @property
    def inputs(self) -> tuple[str, str, str]:
        """Policies, requests, rewards: in the order in which a cycle applies them."""
        return self.policies, self.requests, self.rewards

    def of_role(self, role: str) -> str:
        """The topic of an output's role."""
        return str(getattr(self, role))


@dataclass(frozen=True)
class Settings:
    """All settings of a worker; times in seconds, sizes in bytes."""

    brokers: str = DEFAULT_BROKERS
    name: str = "thalweg"
    """The consumer group, and the prefix of the changelog's name."""
    topics: Topics = field(default_factory=Topics)
    data_dir: Path = Path("thalweg-data")
    partitions: int = 8
    replication: int = 1
    standbys: int = 0
    """How many workers keep a warm copy of each partition's state."""
    host: str = "127.0.0.1"
    port: int = 6066
    web: bool = True
    metrics_routes: int = 50
    """Routes with metrics of their own: the busiest; all others are counted together."""
    session_timeout: float = 6.0
    fetch_wait: float = 0.01
    """How long a broker may wait for data; a fetch in flight delays the next one by that much."""
    inbox_records: int = 20_000
    """Records that wait in a worker before it stops reading on."""
    inbox_bytes: int = 64 * MIB
    cycle_records: int = 2_000
    """Records that one cycle applies; bounds how long the worker is busy without an answer."""
    max_part_bytes: int = 512 * 1024
    """State changes in one record batch; the changelog accepts four times that."""
    max_routes: int = 20_000
    """Routes of a partition that are kept decoded in memory."""
    block_cache_bytes: int = 64 * MIB
    """RocksDB's block cache, for all partitions of the worker together."""
    heartbeat: float = 60.0
    """How often an idle owner writes its stamp."""

    @property
    def changelog(self) -> str:
        """The changelog topic of the state table."""
        return f"{self.name}-state-changelog"
