"""The history of one route: a track per arm, when decisions got their rewards, and marks."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Final

from schemas.alert import Alert
from schemas.reward import Outcome
from streams.metrics import MAX_ARMS
from streams.monitor.cells import latency_bucket
from streams.monitor.track import COARSE, COARSE_MS, FINE_MS, Track

_MARKS: Final = 200
_MINUTES: Final = COARSE + 1


class Minutes:
    """Decisions and their rewards by the minute of the decision, of the last 6 hours."""

    __slots__ = ("_decided", "_joined", "_newest")

    def __init__(self, at_ms: int) -> None:
        self._newest = at_ms // COARSE_MS
        self._decided = array("I", bytes(4 * _MINUTES))
        self._joined = array("I", bytes(4 * _MINUTES))

    def decided(self, at_ms: int) -> None:
        """Count a decision."""
        minute = at_ms // COARSE_MS
        if minute > self._newest:
            for passed in range(max(self._newest, minute - _MINUTES) + 1, minute + 1):
                self._decided[passed % _MINUTES] = self._joined[passed % _MINUTES] = 0
            self._newest = minute
        elif minute <= self._newest - _MINUTES:
            return
        self._decided[minute % _MINUTES] += 1

    def joined(self, decided_ms: int) -> None:
        """Count a reward, by the time of its decision; one from before the history is left out."""
        minute = decided_ms // COARSE_MS
        if self._newest - _MINUTES < minute <= self._newest:
            index = minute % _MINUTES
            if self._joined[index] < self._decided[index]:
                self._joined[index] += 1

    def between(self, first: int, count: int) -> tuple[list[int], list[int]]:
        """Decisions and their rewards of ``count`` minutes, ``first`` being the first one."""
        decided, joined = [], []
        for minute in range(first, first + count):
            kept = self._newest - _MINUTES < minute <= self._newest
            decided.append(self._decided[minute % _MINUTES] if kept else 0)
            joined.append(self._joined[minute % _MINUTES] if kept else 0)
        return decided, joined


class Detail:
    """What is kept of a route with a history."""

    __slots__ = ("marks", "minutes", "since", "tracks")

    def __init__(self, since: int) -> None:
        self.since = since
        """When the history began, in ms since the epoch."""
        self.tracks: dict[str, Track] = {}
        self.minutes = Minutes(since)
        self.marks: deque[Alert] = deque(maxlen=_MARKS)

    def decided(self, arm: str, at_ms: int, *, explored: bool) -> None:
        """Count a decision."""
        track = self.tracks.get(arm)
        if track is None:
            track = self._new_track(arm, at_ms)
        bucket = at_ms // FINE_MS
        cell = track.decisions.open
        if bucket > cell.bucket:
            cell = track.turn_decisions(bucket)
        cell.decided += 1
        if explored:
            cell.explored += 1
        self.minutes.decided(at_ms)

    def rewarded(
        self, arm: str, outcome: Outcome, reward: float | None, delay_ms: int, at_ms: int
    ) -> None:
        """Count a reward."""
        track = self.tracks.get(arm)
        if track is None:
            track = self._new_track(arm, at_ms)
        bucket = at_ms // FINE_MS
        cell = track.rewards.open
        if bucket > cell.bucket:
            cell = track.turn_rewards(bucket)
        cell.joined += 1
        cell.delay += delay_ms
        if reward is not None:
            cell.n += 1
            cell.total += reward
            cell.squares += (reward - 0.5) * (reward - 0.5)
        quality, cost = outcome.quality, outcome.cost_usd
        latency, success = outcome.latency_ms, outcome.success
        if quality is not None:
            cell.qualities += 1
            cell.quality += quality
        if cost is not None:
            cell.costs += 1
            cell.cost += cost
        if latency is not None:
            bucket, latencies = latency_bucket(latency), cell.latencies
            latencies[bucket] = latencies.get(bucket, 0) + 1
        if success is not None:
            cell.told += 1
            if not success:
                cell.failed += 1
        self.minutes.joined(at_ms - delay_ms)

    def _new_track(self, arm: str, at_ms: int) -> Track:
        if len(self.tracks) == MAX_ARMS:
            # An arm that nothing happens to any more: the policy has others by now.
            del self.tracks[min(self.tracks, key=lambda name: self.tracks[name].latest)]
        track = self.tracks[arm] = Track(at_ms)
        return track
