"""A policy made ready: its algorithm, encoder, reward function and answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from core.bandits.base import Bandit
from core.bandits.registry import make_bandit
from core.budget import Pace
from core.context.encoder import Encoder
from core.context.fields import Category, category
from core.reward import RewardFunction
from core.routing.watching.plan import WatchPlan
from core.search import DIRECT, Searcher, Solver, proposal_number
from schemas.encode import DecisionEncoder, with_variant
from schemas.fields import duration_ms
from schemas.policy import ArmSpec, BanditAlgorithm, FixedSplit, Policy, Search
from schemas.state import DecisionRecord

_encode = msgspec.json.Encoder(order="deterministic").encode


class CompiledPolicy:
    """Everything that is derived from one version of a route's policy."""

    __slots__ = (
        "_evidence",
        "arms",
        "bandit",
        "eligible",
        "encoder",
        "encoders",
        "fingerprints",
        "hold_ms",
        "learning",
        "pace",
        "policy",
        "problems",
        "reward",
        "search",
        "session_ms",
        "session_of",
        "shadow",
        "shadow_rules",
        "version",
        "watch",
        "window_ms",
    )

    def __init__(self, policy: Policy, version: int, solver: Solver = DIRECT) -> None:
        self.policy = policy
        self.version = version
        self.encoder = Encoder(policy.context)
        self.search: Searcher | None = None
        algorithm: BanditAlgorithm = FixedSplit()  # what a search's one arm learns by, as a whole
        if isinstance(policy.algorithm, Search):
            self.search = Searcher(policy.algorithm, solver)
        else:
            algorithm = policy.algorithm
        self.bandit: Bandit[Any] = make_bandit(algorithm, self.encoder.dim, policy.forgetting)
        self.reward = RewardFunction(policy.objective)
        self.session_of: Category | None = None
        """Which session a request is of, where arms stay for sessions."""
        self.session_ms = 0
        if policy.sticky is not None:
            self.session_of = category(policy.sticky.by)
            self.session_ms = duration_ms(policy.sticky.ttl)
        budget = policy.budget
        self.pace: Pace | None = None
        if budget is not None:
            usd, period_ms = budget.usd_per_request, 0
            if budget.usd_per_period is not None and budget.period is not None:
                usd, period_ms = budget.usd_per_period, int(duration_ms(budget.period))
            assert usd is not None, "a validated budget has one of both"
            self.pace = Pace(usd, burst=budget.burst, carry=budget.carry, period_ms=period_ms)
        self.window_ms = duration_ms(policy.reward.window)
        self.hold_ms = duration_ms(policy.reward.hold)
        self.watch = WatchPlan(policy)
        self.arms: dict[str, ArmSpec] = {arm.id: arm for arm in policy.arms}
        self.eligible: Sequence[str] = tuple(arm.id for arm in policy.arms if arm.enabled)
        self.encoders = {
            arm.id: DecisionEncoder(policy.route, arm.id, arm.model, arm.params, version)
            for arm in policy.arms
        }
        self.learning = self._learning()
        self.fingerprints = {
            arm.id: blake2b(
                _encode((arm.model, arm.params)) + self.learning, digest_size=8
            ).digest()
            for arm in policy.arms
        }
        self.shadow: CompiledPolicy | None = None
        """What the policy's shadow decides by."""
        self.shadow_rules = b""
        """Of the shadow and what rewards mean: what was scored under others does not count."""
        if policy.shadow is not None:
            own = altered(policy, policy.shadow.arms, policy.shadow.algorithm)
            # Nobody can force what is not routed: its arms learn from what others choose.
            start = msgspec.structs.replace(own.cold_start, pulls=0)
            self.shadow = CompiledPolicy(msgspec.structs.replace(own, cold_start=start), version)
            rules = _encode((policy.shadow, own.algorithm)) + self.shadow.learning
            self.shadow_rules = blake2b(rules, digest_size=8).digest()
        self.problems: list[str] = []
        """What is wrong with the policy that only its algorithm can tell."""
        self._evidence: dict[str, Any] = {}
        for arm in policy.arms:
            if arm.warm_start is not None and arm.warm_start.evidence is not None:
                self._take_evidence(arm.id, arm.warm_start.evidence)

    def _take_evidence(self, arm: str, evidence: bytes) -> None:
        try:
            self._evidence[arm] = self.bandit.decode(evidence, arm)
        except ValueError as error:
            self.problems.append(
                f"the evidence of arm {arm!r} was not made for this algorithm, context and "
                f"forgetting ({error}): make it again with `thalweg warm-start`"
            )

    def _learning(self) -> bytes:
        """What the statistics of every arm depend on: when it changes, all arms start afresh.

        Parameters that only read the statistics, such as the width of a bound, are no part of it.
        The objective is: rewards of two objectives cannot be averaged.
        """
        statistics: Any = self.bandit.statistics
        if self.search is not None:
            statistics = self.policy.algorithm
        encoding = self.encoder.signature if self.bandit.contextual else ""
        return _encode((statistics, encoding, self.policy.objective))

    def answer(self, request_id: str, record: DecisionRecord) -> bytes:
        """The decision as it is published."""
        encode = self.encoders.get(record.arm)
        if encode is None:
            base = self.policy.arms[0]
            params = {**base.params, **orjson.loads(record.params)}
            encode = DecisionEncoder(
                self.policy.route, record.arm, base.model, params, self.version
            )
        payload = encode(request_id, record.propensity, record.version, record.timestamp)
        return with_variant(payload, record.variant) if record.variant else payload

    def owner(self, variant: str) -> CompiledPolicy | None:
        """The policy by which a variant learns; None if it is no more. "" is the policy itself."""
        return None if variant else self

    def declared(self, arm: str) -> str:
        """The arm of the policy that an arm id means: of a search's proposals, its only one."""
        if self.search is None:
            return arm
        base = self.policy.arms[0].id
        return arm if proposal_number(base, arm) is None else base

    def prior_state(self, arm: str) -> Any:
        """The state of an arm of which nothing is known but its prior."""
        return self.bandit.new(self.arms[arm].prior or self.policy.cold_start.prior, arm)

    def donor(self, arm: str) -> str | None:
        """The arm that this one begins like, if the policy names one."""
        start = self.arms[arm].warm_start
        return None if start is None else start.like

    def first_state(self, arm: str, donor: Any) -> Any:
        """The state of an arm before its first reward; ``donor``: of the arm it begins like."""
        taught = self._evidence.get(arm) if donor is None else donor
        own = self.prior_state(arm)
        start = self.arms[arm].warm_start
        if taught is None or start is None:
            return own
        count = self.bandit.count(taught)
        if count > start.weight:
            taught = self.bandit.faded(taught, start.weight / count)
        return self.bandit.merged([own, taught])

    def candidates(self, asked: Sequence[str] | None) -> Sequence[str]:
        """The arms that a request may get: enabled, and among those it named, if it named any."""
        if asked is None:
            return self.eligible
        return tuple(arm for arm in self.eligible if arm in asked)


def altered(
    policy: Policy, arms: Sequence[str] | None, algorithm: BanditAlgorithm | None
) -> Policy:
    """A policy with fewer arms, by another algorithm, or both: a variant or a shadow of it.

    The guardrails' fallback stays, to serve where no other arm may.
    """
    kept = policy.arms
    if arms is not None:
        fallback = None if policy.guardrails is None else policy.guardrails.fallback
        kept = [
            arm if arm.id in arms else msgspec.structs.replace(arm, enabled=False)
            for arm in policy.arms
            if arm.id in arms or arm.id == fallback
        ]
    return msgspec.structs.replace(
        policy,
        arms=kept,
        algorithm=policy.algorithm if algorithm is None else algorithm,
        experiment=None,
        rollout=None,
        shadow=None,
    )
