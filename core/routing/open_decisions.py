"""Which decisions are still remembered, oldest first, so that memory stays bounded.

This is an index of what is stored, not state: it is rebuilt from the decision records. When a
record is dropped from the store never changes what the router does, because the router treats a
record that is due as absent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple


class Entry(NamedTuple):
    """One stored decision."""

    forget_at: int
    last_serial: int
    version: int
    policy_version: int
    key: bytes


class OpenDecisions:
    """The stored decisions of one partition."""

    def __init__(self) -> None:
        self._routes: dict[str, deque[Entry]] = {}
        self._heads: list[tuple[int, str]] = []
        self._decided: dict[str, int] = {}
        self._overfull: set[str] = set()
        self._newest: dict[bytes, int] = {}
        self._references: Counter[tuple[str, int]] = Counter()

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._routes.values())

    def add(self, route: str, entry: Entry, decided: int) -> None:
        """Count one more stored decision, the route's ``decided``-th."""
        entries = self._routes.get(route)
        if entries is None:
            entries = self._routes[route] = deque()
            heappush(self._heads, (entry.forget_at, route))
        entries.append(entry)
        self._references[route, entry.policy_version] += 1
        self._decided[route] = decided
        if entries[0].last_serial <= decided:
            self._overfull.add(route)

    def supersede(self, key: bytes, version: int) -> None:
        """Note that the record under ``key`` now belongs to the decision made at ``version``."""
        self._newest[key] = version

    def in_use(self, route: str, policy_version: int) -> bool:
        """Whether a stored decision was made under that version of the route's policy."""
        return self._references[route, policy_version] > 0

    def after(self, version: int) -> Iterator[Entry]:
        """The entries of decisions made after that version, newest first per route."""
        for entries in self._routes.values():
            for entry in reversed(entries):
                if entry.version <= version:
                    break
                yield entry

    def collect(self, clock: int, emitted: int, most: int) -> Iterator[tuple[str, Entry, bool]]:
        """Drop up to ``most`` entries that are due and whose answers were published.

        Yields route, entry, and whether the record under its key is the entry's own (a request id
        that was used again after its window has a newer one there).
        """
        for route in list(self._overfull):
            entries = self._routes[route]
            while entries[0].last_serial <= self._decided[route]:
                if most <= 0 or entries[0].version > emitted:
                    break
                most -= 1
                yield self._drop(route)
            else:
                self._overfull.discard(route)
        while self._heads and most > 0 and self._heads[0][0] < clock:
            _, route = heappop(self._heads)
            entries = self._routes[route]
            while entries and most > 0:
                head = entries[0]
                if head.forget_at >= clock or head.version > emitted:
                    break
                most -= 1
                yield self._drop(route)
            if not entries:
                del self._routes[route], self._decided[route]
                self._overfull.discard(route)
                continue
            forget_at = entries[0].forget_at
            heappush(self._heads, (forget_at, route))
            if forget_at < clock:
                # Due, but not published yet, or the limit was reached: the next call goes on.
                break

    def _drop(self, route: str) -> tuple[str, Entry, bool]:
        entry = self._routes[route].popleft()
        name = (route, entry.policy_version)
        self._references[name] -= 1
        if not self._references[name]:
            del self._references[name]
        newest = self._newest.get(entry.key)
        if newest is None:
            return route, entry, True
        if newest == entry.version:
            del self._newest[entry.key]
            return route, entry, True
        return route, entry, False
