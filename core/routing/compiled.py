"""A policy made ready: its algorithm, encoder, reward function and answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from core.bandits.base import Bandit
from core.bandits.registry import make_bandit
from core.context.encoder import Encoder
from core.reward import RewardFunction
from schemas.encode import DecisionEncoder
from schemas.fields import duration_ms
from schemas.policy import ArmSpec, LinUCB, Policy

_encode = msgspec.json.Encoder(order="deterministic").encode


class CompiledPolicy:
    """Everything that is derived from one version of a route's policy."""

    __slots__ = (
        "arms",
        "bandit",
        "eligible",
        "encoder",
        "encoders",
        "fingerprints",
        "hold_ms",
        "learning",
        "policy",
        "reward",
        "version",
        "window_ms",
    )

    def __init__(self, policy: Policy, version: int) -> None:
        self.policy = policy
        self.version = version
        self.encoder = Encoder(policy.context)
        self.bandit: Bandit[Any] = make_bandit(policy.algorithm, self.encoder.dim)
        self.reward = RewardFunction(policy.objective)
        self.window_ms = duration_ms(policy.reward.window)
        self.hold_ms = duration_ms(policy.reward.hold)
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

    def _learning(self) -> bytes:
        """What the statistics of every arm depend on: when it changes, all arms start afresh.

        The width of LinUCB's bound is no part of it: it reads the statistics and does not shape
        them. The objective is: rewards of two objectives cannot be averaged.
        """
        algorithm = self.policy.algorithm
        shaping: tuple[Any, ...] = (algorithm,)
        if isinstance(algorithm, LinUCB):
            shaping = (type(algorithm).__name__, algorithm.ridge)
        encoding = self.encoder.signature if self.bandit.contextual else ""
        return _encode((*shaping, encoding, self.policy.objective))

    def candidates(self, asked: Sequence[str] | None) -> Sequence[str]:
        """The arms that a request may get: enabled, and among those it named, if it named any."""
        if asked is None:
            return self.eligible
        return tuple(arm for arm in self.eligible if arm in asked)
