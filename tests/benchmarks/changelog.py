"""What a program wrote into its changelog: how much, for what, and whether it adds up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.state import CLAIM_KEY, STAMP_KEY, RouteRecord, decode_decision, decode_route
from tests.benchmarks.kafka_io import Client, Ends

_APPENDED = 1
"""The type of a timestamp that is the broker's."""


@dataclass
class Written:
    """The sums over a stretch of the changelog, in bytes of keys, values and headers."""

    records: int = 0
    size: int = 0
    decisions: int = 0
    rewards: int = 0
    shared: int = 0
    """Of routes' counters and stamps, which decisions and rewards both cause."""
    first_ms: int = 0
    last_ms: int = 0
    """When the first and the last record other than a stamp or claim were appended, by the
    broker's clock; 0 where the topic carries the program's own times."""
    routes: dict[bytes, RouteRecord] = field(default_factory=dict)

    def per_event(self, decisions: int, rewards: int) -> tuple[float, float]:
        """Bytes per decision and per reward."""
        share = self.shared / max(1, decisions + rewards)
        return (
            self.decisions / max(1, decisions) + share,
            self.rewards / rewards + share if rewards else 0.0,
        )

    def add(self, record: Any, *, ours: bool) -> None:
        """Count one record; ``ours`` if its key is one of thalweg's."""
        key, value = record.key, record.value
        size = len(key) + len(value or b"") + sum(len(n) + len(v) for n, v in record.headers)
        self.records += 1
        self.size += size
        if key in (STAMP_KEY, CLAIM_KEY):
            self.shared += size
            return
        if record.timestamp_type == _APPENDED:
            self.first_ms = min(self.first_ms or record.timestamp, record.timestamp)
            self.last_ms = max(self.last_ms, record.timestamp)
        if not ours:
            return
        kind = key[:1]
        if kind == b"R" and value is not None:
            self.routes[key] = decode_route(value)
            self.shared += size
        elif kind == b"D" and value is not None and not decode_decision(value).joined:
            self.decisions += size
        else:
            self.rewards += size

    def total(self, counter: str) -> int:
        """The sum of one counter over all routes."""
        return sum(getattr(route, counter) for route in self.routes.values())


async def written(client: Client, since: Ends, *, ours: bool) -> Written:
    """Read what stands in the changelogs from ``since`` on."""
    found = Written()
    for topic in await client.changelogs():
        async for record in client.read(topic, since):
            found.add(record, ours=ours)
    return found
