"""The order of inputs between two stamps, where compaction has taken away the stamps between.

What is known: the order within each topic; and each answer's state version, which is the place of
its request among all inputs. Rewards and policies fill the places between. A policy came after the
last answer of its route that was made without it, and before the first one made with it. Where
that leaves a choice, the records' timestamps decide, and the choice is counted: requests that got
no answer of their own (repeated ones, dead letters), and policies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

from schemas.decode import InvalidMessage, decode_policy, decode_request
from schemas.state import Stamp
from streams.audit.published import Published, asked
from streams.audit.topics import PartitionLogs

POLICY: Final = 0
REQUEST: Final = 1
REWARD: Final = 2


class OrderError(Exception):
    """The published answers contradict the topics; the message says where."""


class Placed(NamedTuple):
    """One input in its place."""

    kind: int
    record: Any


class Reconstruction:
    """Takes the inputs between two stamps in an order that the answers allow."""

    def __init__(
        self, logs: PartitionLogs, published: Published, before: Stamp, after: Stamp
    ) -> None:
        self._policies, self._requests, self._rewards = logs.inputs
        self._published = published
        self._before = before
        self._after = after
        self.choices = 0
        """Inputs whose place the answers do not tell."""

    async def inputs(self) -> AsyncIterator[Placed]:
        """All inputs above ``before`` up to ``after``, in order. Raises OrderError.

        The count of the records must be the difference of the stamps' versions.
        """
        version = self._before.version
        for answered in self._published.after(version):
            if answered > self._after.version:
                break
            waiting = await self._waiting(answered, free=answered - 1 - version)
            if waiting is None:
                continue  # no request of that name can have that place
            async for one in self._fill(version, answered, waiting):
                yield one
            yield Placed(REQUEST, await self._requests.pop())
            version = answered
        waiting = 0
        while await self._requests.peek(self._after.requests, waiting) is not None:
            waiting += 1
        async for one in self._fill(version, self._after.version + 1, waiting):
            yield one

    async def _waiting(self, version: int, free: int) -> int | None:
        """How many requests come before the one that was answered at ``version``."""
        names = {seen.asked for seen in self._published.at(version)}
        for index in range(free + 1):
            record = await self._requests.peek(self._after.requests, index)
            if record is None:
                return None
            if _asked(record) in names:
                return index
        return None

    async def _fill(self, version: int, answered: int, waiting: int) -> AsyncIterator[Placed]:
        """What lies between two answers: ``waiting`` requests, and policies and rewards."""
        others = answered - 1 - version - waiting
        if others < 0:
            raise OrderError(f"too many requests for the places before state version {answered}")
        policies, movable = await self._due_policies(version, answered, waiting, others)
        rewards = others - policies
        queues = [
            [await self._policies.pop() for _ in range(policies)],
            [await self._requests.pop() for _ in range(waiting)],
            [],
        ]
        for _ in range(rewards):
            if await self._rewards.peek(self._after.rewards, 0) is None:
                raise OrderError(f"too few rewards for the places before state version {answered}")
            queues[REWARD].append(await self._rewards.pop())
        present = [kind for kind in (POLICY, REQUEST, REWARD) if queues[kind]]
        if len(present) > 1:
            # Every merge of the topics fits: count those whose place is open.
            self.choices += policies + waiting
        else:
            self.choices += movable
        for kind, record in _merged(queues):
            yield Placed(kind, record)

    async def _due_policies(
        self, version: int, answered: int, waiting: int, most: int
    ) -> tuple[int, int]:
        """How many policies were applied between the answers at these versions, and of how many
        that is not certain.
        """
        next_request = await self._requests.peek(self._after.requests, waiting)
        rewards = 0
        while rewards < most and (
            await self._rewards.peek(self._after.rewards, rewards) is not None
        ):
            rewards += 1
        count = movable = 0
        while count < most:
            record = await self._policies.peek(self._after.policies, count)
            if record is None:
                break
            low, high = self._bounds(record)
            if low >= answered:
                break
            needed = count + rewards < most  # there are no rewards for the places
            forced = high is not None and high <= answered
            early = next_request is None or record.timestamp <= next_request.timestamp
            if not (forced or needed or early):
                break
            if (high is None or high > answered or low < version) and not needed:
                movable += 1
            count += 1
        return count, movable

    def _bounds(self, record: Any) -> tuple[int, int | None]:
        try:
            policy = decode_policy(record.value or b"")
        except InvalidMessage:
            return 0, None  # a withdrawal, or refused
        return self._published.policy_bounds(policy.route, policy.version)


def _asked(record: Any) -> bytes | None:
    """Which request a record is; None where it can have no answer."""
    route: str | None
    request_id: str | None
    try:
        request = decode_request(record.value or b"")
        route, request_id = request.route, request.request_id
    except InvalidMessage as error:
        route, request_id = error.route, error.request_id
    if route is None or request_id is None or record.key != route.encode():
        return None
    return asked(route, request_id)


def _merged(queues: list[list[Any]]) -> list[tuple[int, Any]]:
    """The records of all kinds by their timestamps, each kind in its own order."""
    found: list[tuple[int, Any]] = []
    at = [0, 0, 0]
    while True:
        heads = [
            (queue[at[kind]].timestamp, kind)
            for kind, queue in enumerate(queues)
            if at[kind] < len(queue)
        ]
        if not heads:
            return found
        _, kind = min(heads)
        found.append((kind, queues[kind][at[kind]]))
        at[kind] += 1
