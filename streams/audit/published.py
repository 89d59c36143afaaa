"""What stands on one partition of the decision topic, as an index by state version."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from schemas.decision import Answer, Decision
from schemas.encode import decode_answer

NO_POLICY: Final = -1
_FIRST_RECORDS: Final = 50


class Seen(NamedTuple):
    """One distinct message of a state version."""

    digest: bytes
    """Of key and value."""
    asked: bytes
    """Which request it answers; see ``asked``."""
    route: str
    timestamp: int
    offset: int
    """Where it stands first."""


class Unreadable(NamedTuple):
    """A record that is no answer."""

    offset: int
    reason: str


def digest(key: bytes | None, value: bytes | None) -> bytes:
    """What tells two messages apart."""
    key = key or b""
    return blake2b(b"%d\0%b%b" % (len(key), key, value or b""), digest_size=12).digest()


def asked(route: str, request_id: str) -> bytes:
    """What tells two requests apart."""
    return blake2b(f"{route}\0{request_id}".encode(), digest_size=8).digest()


class Published:
    """The answers on one partition of the decision topic. Redelivered ones count once."""

    def __init__(self) -> None:
        self._one: dict[int, Seen] = {}
        self._more: dict[int, list[Seen]] = {}
        self._versions: list[int] | None = None
        self._bounds: dict[str, dict[int, tuple[int, int]]] = {}
        self._names: dict[str, str] = {}
        self._first: list[int] = []
        self.unreadable: list[Unreadable] = []
        self.messages = 0
        self.repeated = 0
        """Messages that repeat another one byte for byte."""

    @classmethod
    async def read(cls, records: AsyncIterable[Any]) -> Published:
        """The index of all records."""
        made = cls()
        async for record in records:
            made.add(record)
        return made

    def add(self, record: Any) -> None:
        """Take in one record."""
        self.messages += 1
        try:
            answer = decode_answer(record.value or b"")
        except ValueError as error:
            self.unreadable.append(Unreadable(record.offset, str(error)))
            return
        version = answer.state_version
        if len(self._first) < _FIRST_RECORDS:
            self._first.append(version)
        seen = Seen(
            digest(record.key, record.value),
            asked(answer.route, answer.request_id),
            self._names.setdefault(answer.route, answer.route),
            answer.timestamp,
            record.offset,
        )
        known = self.at(version)
        if any(one.digest == seen.digest for one in known):
            self.repeated += 1
        elif known:
            self._more.setdefault(version, []).append(seen)
        else:
            self._one[version] = seen
            self._versions = None
            self._note_policy(answer)

    def _note_policy(self, answer: Answer) -> None:
        if isinstance(answer, Decision):
            policy = answer.policy_version
        elif answer.code == "unknown_route":
            policy = NO_POLICY
        else:
            return
        bounds = self._bounds.setdefault(answer.route, {})
        low, high = bounds.get(policy, (answer.state_version, answer.state_version))
        bounds[policy] = min(low, answer.state_version), max(high, answer.state_version)

    def __len__(self) -> int:
        return len(self._one)

    def at(self, version: int) -> Sequence[Seen]:
        """The distinct messages of a state version, in the topic's order."""
        one = self._one.get(version)
        return () if one is None else (one, *self._more.get(version, ()))

    def after(self, version: int) -> Iterator[int]:
        """All state versions above that one, ascending."""
        if self._versions is None:
            self._versions = sorted(self._one)
        for index in range(bisect_right(self._versions, version), len(self._versions)):
            yield self._versions[index]

    def surely_kept(self, first_offset: int) -> int:
        """The state version from which on every answer must still be on the topic.

        Answers come in the order of their versions, but for those that are repeated. So where the
        oldest records were deleted, all that are newer than the first ones kept must be there.
        """
        return 0 if first_offset == 0 else max(self._first, default=1 << 62)

    def policy_bounds(self, route: str, policy_version: int) -> tuple[int, int | None]:
        """Where a policy of a route was applied: above the first version, and below the second.

        The first is the last answer of the route that was made without it, 0 if there is none; the
        second the first answer made with it or a newer one.
        """
        bounds = self._bounds.get(route, {})
        low = max((last for policy, (_, last) in bounds.items() if policy < policy_version),
                  default=0)  # fmt: skip
        high = min((first for policy, (first, _) in bounds.items() if policy >= policy_version),
                   default=None)  # fmt: skip
        return low, high


def answer_of(message: bytes | None) -> Answer | None:
    """The answer that a message holds, or None."""
    try:
        return decode_answer(message or b"")
    except ValueError:
        return None
