"""A parameter search as a live object: the sets in play, and what they have earned."""

from __future__ import annotations

from typing import Any

import orjson

from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution
from core.routing.written import Written
from core.search import Searcher, SearchState, proposal_arm, proposal_number
from schemas.state import ArmRecord, decode_arm, encode_state


class LiveSearch(Written):
    """The state of a search with the searcher that reads and writes it."""

    __slots__ = ("_arm", "_fingerprint", "_found", "_searcher", "_state", "dirty", "key", "size")

    def __init__(self, key: bytes, compiled: CompiledPolicy, stored: bytes | None) -> None:
        assert compiled.search is not None, "the policy is one of a search"
        self.key = key
        self.dirty = False
        self._arm = compiled.policy.arms[0].id
        self._fingerprint = compiled.fingerprints[self._arm]
        self._searcher: Searcher = compiled.search
        self._found: Distribution | None = None
        record = None if stored is None else decode_arm(stored)
        self._state: SearchState
        if record is None or record.fingerprint != self._fingerprint:
            self._state = self._searcher.new()
            stored = b""
        else:
            self._state = self._searcher.decode(record.state)
        self.size = len(key) + len(stored or b"") + 256

    def distribution(self) -> Distribution:
        """Over the arm ids of the sets in play; of the best one alone once the search has ended."""
        if self._found is None:
            numbers, shares = zip(*self._searcher.candidates(self._state), strict=True)
            names = [proposal_arm(self._arm, number) for number in numbers]
            self._found = Distribution(names, shares)
        return self._found

    def params(self, arm_id: str) -> bytes:
        """The proposed parameters of one set, as JSON."""
        number = proposal_number(self._arm, arm_id)
        assert number is not None, "the search proposed it"
        return orjson.dumps(self._searcher.params(self._state, number))

    def learn(self, arm_id: str, reward: float) -> bool:
        """Count a reward of a set; False if this search has none of that number."""
        self._found = None
        number = proposal_number(self._arm, arm_id)
        return number is not None and self._searcher.learn(self._state, number, reward)

    @property
    def finished(self) -> bool:
        """Whether the search has ended, so that one set serves."""
        return self._searcher.finished(self._state)

    def report(self) -> Any:
        """How far the search is."""
        return self._searcher.report(self._state)

    def encode(self) -> bytes:
        """The bytes to store."""
        return encode_state(ArmRecord(self._fingerprint, self._searcher.encode(self._state)))
