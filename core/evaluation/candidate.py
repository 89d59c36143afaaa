"""A policy as a router runs it, asked for its distributions instead of its decisions.

The router is the one that serves, watched at the place where a decision is drawn: so candidates,
guardrails, segments, forced exploration, warm starts, vocabularies, scales, forgetting and restarts
on drift are what they are in a worker, and nothing is computed in another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import orjson

from core.bandits.base import Floats
from core.router import Router
from core.routing.compiled import CompiledPolicy
from core.routing.deciding import Deciding
from core.routing.draw import Distribution
from core.routing.live import LiveRoute, LiveSegment
from core.routing.memory import Read
from core.routing.part import Inputs
from schemas.fields import EARLIEST_MS
from schemas.policy import Policy, Search
from schemas.request import Request
from schemas.reward import Outcome, Reward

_PACE_MS: Final = 1_000
_encode = msgspec.json.Encoder().encode


class CandidateError(ValueError):
    """A policy that cannot be evaluated without traffic; the message says why."""


class RejectedError(ValueError):
    """A request that the policy answers with a rejection; ``code`` is the wire's."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Record(NamedTuple):
    """A record as a Kafka client would give it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Candidate:
    """One policy with its state: what it would choose for a request, and what outcomes teach it.

    An outcome teaches at once, as if no other request came before it. With ``exploring`` False no
    arm is owed forced pulls: what the policy does after these. Raises CandidateError for a policy
    that searches for parameters, or that a worker would refuse.
    """

    def __init__(self, policy: Policy, *, exploring: bool = True) -> None:
        if isinstance(policy.algorithm, Search):
            raise CandidateError(
                "the policy searches for parameters, and would try parameter sets that no log has: "
                "only policies with a bandit algorithm can be evaluated without traffic"
            )
        if not exploring:
            cold_start = msgspec.structs.replace(policy.cold_start, pulls=0)
            policy = msgspec.structs.replace(policy, cold_start=cold_start)
        self.compiled = CompiledPolicy(policy, policy.version)
        """The policy made ready; its state is elsewhere."""
        if self.compiled.problems:
            raise CandidateError("; ".join(self.compiled.problems))
        self._key = policy.route.encode()
        self._stored: dict[bytes, bytes] = {}
        self._router = _AskedRouter(self._stored.get)
        self._asked = self._rewarded = 0
        self._now = EARLIEST_MS
        record = Record(0, self._now, self._key, _encode(policy))
        self._handle(Inputs(policies=[record]))

    def ask(self, request: Request, at_ms: int | None) -> Distribution:
        """The distribution that a decision on the request would be drawn from. Nothing is learned.

        ``at_ms`` is when it was asked (UTC); without a time, requests come a second apart. Raises
        RejectedError.
        """
        self._router.forced = None
        self._send(request, at_ms)
        found = self._router.found
        assert found is not None, "a request gets a decision or a rejection"
        return found

    def take(
        self, request: Request, at_ms: int | None, arm: str, served: str, outcome: Outcome
    ) -> None:
        """Take a request that was decided for ``arm``, and learn what came of it from ``served``.

        Raises RejectedError.
        """
        self._router.forced = arm
        name = self._send(request, at_ms)
        if outcome.empty:
            return
        event = Reward(
            request_id=name,
            route=self.compiled.policy.route,
            quality=outcome.quality,
            cost_usd=outcome.cost_usd,
            latency_ms=outcome.latency_ms,
            success=outcome.success,
            reward=outcome.reward,
            signals=outcome.signals,
            arm=None if served == arm else served,
        )
        record = Record(self._rewarded, self._now, self._key, _encode(event))
        self._rewarded += 1
        self._handle(Inputs(rewards=[record]))

    def _send(self, request: Request, at_ms: int | None) -> str:
        """Put a request to the router; returns the id that it has there."""
        name = str(self._asked)
        # The router's clock only goes forward; the features read the request's own time.
        self._now = max(self._now, self._now + _PACE_MS if at_ms is None else at_ms)
        named = msgspec.structs.replace(
            request, request_id=name, route=self.compiled.policy.route, timestamp=at_ms
        )
        record = Record(self._asked, self._now, self._key, _encode(named))
        self._asked += 1
        self._router.found = None
        for rejected in self._handle(Inputs(requests=[record])):
            answer = orjson.loads(rejected)
            raise RejectedError(answer["code"], answer["reason"])
        return name

    def _handle(self, inputs: Inputs) -> list[bytes]:
        """Let the router take all of it; returns the rejections."""
        rejections = []
        while True:
            part = self._router.handle(inputs, self._router.version)
            for key, value in part.puts.items():
                if value is None:
                    self._stored.pop(key, None)
                else:
                    self._stored[key] = value
            rejections += [out.value for out in part.outbox if out.role == "decisions"]
            if not inputs.left and not self._router.overdue:
                return rejections


class _AskedRouter(Router):
    """A router that draws nothing: it tells distributions, and takes decisions made elsewhere."""

    def __init__(self, read: Read) -> None:
        super().__init__(read)
        self.found: Distribution | None = None
        """Of the last request."""
        self.forced: str | None = None
        """The arm that the next request gets; None: no decision is made."""
        self._deciding = _AskedDeciding(
            self, self.state, self._remembered, self._held, self._learning, self.watching
        )


class _AskedDeciding(Deciding):
    def __init__(self, asker: _AskedRouter, *parts: Any) -> None:
        super().__init__(*parts)
        self._asker = asker

    def _decide(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        distribution: Distribution,
        one: Any,
    ) -> str:
        asker = self._asker
        asker.found = distribution
        if asker.forced is None:
            return ""  # no arm's name: nothing was chosen, so no forced pull is paid
        certain = Distribution([asker.forced], [1.0])
        return super()._decide(route, compiled, segment, certain, one)


def spread(distribution: Distribution, columns: dict[str, int]) -> Floats:
    """A distribution as one over ``columns``, which name each arm's place."""
    row = np.zeros(len(columns))
    arms: Sequence[str] = distribution.arms
    for arm, probability in zip(arms, distribution.probabilities, strict=True):
        row[columns[arm]] = probability
    return row
