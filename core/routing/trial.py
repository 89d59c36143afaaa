"""An experiment or a rollout of a route: which variant a request meets, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

from core.context.fields import Number, number
from core.experiments.decision import Decision
from core.experiments.experiment import Experiment
from core.experiments.policy import CANDIDATE, CONTROL, experiment_spec, rollout_spec
from core.experiments.rollout import Move, Rollout
from core.experiments.spec import Spec
from core.routing.compiled import CompiledPolicy, altered
from core.routing.draw import uniform
from core.routing.written import Written
from core.search import DIRECT, Solver
from schemas.alert import Level, Metric, Severity
from schemas.policy import BanditAlgorithm, Policy
from schemas.state import ArmRecord, DecisionRecord, decode_arm, encode_state

_encode = msgspec.json.Encoder(order="deterministic").encode
VARIANT_MARK: Final = "@"
"""Begins the part of a segment's name that says whose statistics it holds."""
_VERDICTS: Final[Mapping[str, Severity]] = {
    "winner": "info",
    "no_difference": "info",
    "guardrail": "critical",
    "ratio_mismatch": "warning",
}


class News(NamedTuple):
    """Something that a trial has found, to be told once."""

    variant: str
    """Whom it is about: the winner, who was stopped, or the candidate; else the control."""
    severity: Severity
    verdict: str
    message: str


class Trial:
    """The trial of one policy, made ready: its variants as policies of their own."""

    __slots__ = (
        "_fingerprint",
        "_marks",
        "_paused",
        "_policy",
        "_shared",
        "contextual",
        "covariate",
        "name",
        "unit",
        "variants",
    )

    def __init__(self, compiled: CompiledPolicy) -> None:
        """Raises ValueError for rules that contradict each other."""
        self._policy = policy = compiled.policy
        trial = policy.experiment or policy.rollout
        assert trial is not None, "the policy has a trial"
        self.name = trial.name
        self.unit = trial.unit
        self.covariate: Number | None = None
        """What an experiment adjusts outcomes by, as read from a request."""
        if policy.experiment is not None and policy.experiment.covariate is not None:
            self.covariate = number(policy.experiment.covariate)
        self._paused = trial.paused
        sides: list[tuple[str, list[str] | None, BanditAlgorithm | None]]
        if policy.experiment is not None:
            sides = [(one.id, one.arms, one.algorithm) for one in policy.experiment.variants]
        else:
            assert policy.rollout is not None, "it is one or the other"
            sides = [
                (CONTROL, None, None),
                (CANDIDATE, policy.rollout.arms, policy.rollout.algorithm),
            ]
        self._shared = [arms is None and algorithm is None for _, arms, algorithm in sides]
        self._marks = [
            f"{VARIANT_MARK}{escaped(self.name)}={escaped(name)}" for name, _, _ in sides
        ]
        self.variants: Sequence[tuple[str, CompiledPolicy]] = [
            (
                name,
                compiled
                if same
                else CompiledPolicy(altered(policy, arms, algorithm), policy.version),
            )
            for same, (name, arms, algorithm) in zip(self._shared, sides, strict=True)
        ]
        self.contextual = any(one.bandit.contextual for _, one in self.variants)
        rules = msgspec.structs.replace(trial, paused=False)
        self._fingerprint = blake2b(_encode(rules), digest_size=8).digest()
        self.state(0)

    def segment(self, base: str, variant: int) -> str:
        """Where a variant keeps its statistics for a segment of the route."""
        if self._shared[variant]:
            return base
        return f"{base}|{self._marks[variant]}" if base else self._marks[variant]

    def index(self, name: str) -> int | None:
        """The variant of that name, if there is one."""
        names = [own for own, _ in self.variants]
        return names.index(name) if name in names else None

    def state(self, now_ms: int) -> Experiment | Rollout:
        """The trial before its first request."""
        if self._policy.experiment is not None:
            return Experiment(experiment_spec(self._policy.experiment))
        assert self._policy.rollout is not None, "it is one or the other"
        return Rollout(rollout_spec(self._policy.rollout), now_ms)

    def restored(self, stored: bytes | None, now_ms: int) -> Experiment | Rollout:
        """The trial as stored, or a new one where that is of other rules."""
        record = None if stored is None else decode_arm(stored)
        if record is None or record.fingerprint != self._fingerprint:
            return self.state(now_ms)
        if self._policy.experiment is not None:
            return Experiment.decode(record.state, experiment_spec(self._policy.experiment))
        assert self._policy.rollout is not None, "it is one or the other"
        return Rollout.decode(record.state, rollout_spec(self._policy.rollout))

    def stored(self, state: Experiment | Rollout) -> bytes:
        """The bytes to store."""
        return encode_state(ArmRecord(self._fingerprint, state.encode()))

    @property
    def paused(self) -> bool:
        """Whether all requests go to the control, and nothing is counted."""
        return self._paused

    @property
    def adopts(self) -> bool:
        """Whether an experiment's winner gets all requests."""
        return self._policy.experiment is not None and self._policy.experiment.adopt

    @property
    def metric(self) -> Metric:
        """Which decides: an experiment's, or the first of a rollout's margins."""
        if self._policy.experiment is not None:
            return self._policy.experiment.metric
        assert self._policy.rollout is not None, "it is one or the other"
        return min(self._policy.rollout.margins)

    @property
    def fingerprint(self) -> bytes:
        """Of the rules: what was counted under others does not count."""
        return self._fingerprint


class TrialPolicy(CompiledPolicy):
    """A policy with an experiment or a rollout, whose variants are policies of their own."""

    __slots__ = ("trial",)

    def __init__(self, policy: Policy, version: int, solver: Solver = DIRECT) -> None:
        """Raises ValueError for rules that contradict each other."""
        super().__init__(policy, version, solver)
        self.trial = Trial(self)

    def owner(self, variant: str) -> CompiledPolicy | None:
        """See CompiledPolicy."""
        index = self.trial.index(variant)
        return super().owner(variant) if index is None else self.trial.variants[index][1]


def trial_of(compiled: CompiledPolicy) -> Trial | None:
    """The experiment or the rollout of a policy, if it has one."""
    return compiled.trial if isinstance(compiled, TrialPolicy) else None


class LiveTrial(Written):
    """A trial with its state."""

    __slots__ = ("_state", "_trial", "dirty", "key", "size")

    def __init__(self, key: bytes, trial: Trial, stored: bytes | None, now_ms: int) -> None:
        self.key = key
        self.dirty = False
        self.size = len(key) + len(stored or b"") + 256
        self._trial = trial
        self._state = trial.restored(stored, now_ms)

    def shares(self) -> Sequence[float]:
        """With which each variant gets a request now; they sum to 1."""
        count = len(self._trial.variants)
        if self._trial.paused:
            return _all_to(0, count)
        if isinstance(self._state, Rollout):
            return [1.0 - self._state.share, self._state.share]
        if self._state.over:
            decision = self._state.decision()
            if decision.verdict == "winner" and self._trial.adopts and decision.variant is not None:
                return _all_to(decision.variant, count)
            if decision.verdict in ("guardrail", "ratio_mismatch"):
                return _all_to(0, count)
        return self._state.spec.shares

    def pick(self, route: str, unit: str) -> int:
        """The variant that ``unit`` meets: a user, a session or a request.

        Where only a rollout's share has changed, those who met the candidate still do.
        """
        u = uniform(f"{route}\0{self._trial.name}", unit, 0)
        ends = list(accumulate(reversed(self.shares())))
        for index, end in enumerate(ends):
            if u < end:
                return len(ends) - 1 - index
        return 0

    @property
    def metric(self) -> Metric:
        """Which decides: an experiment's, or the first of a rollout's margins."""
        return self._trial.metric

    @property
    def method(self) -> str:
        """How it is judged."""
        return "rollout" if isinstance(self._state, Rollout) else self._state.spec.method

    def levels(self, variant: str) -> tuple[Level, Level]:
        """The metric of the control, and of a variant, over all outcomes."""
        index = self._trial.index(variant) or 0
        found = self._state.levels(self._trial.metric)
        return Level(*found[0]), Level(*found[index])

    @property
    def step(self) -> int:
        """At which step a rollout is; an experiment has but one."""
        return self._state.step if isinstance(self._state, Rollout) else 0

    def assigned(self, variant: int, unit: float, now_ms: int) -> News | None:
        """Count a request that met a variant; ``unit`` is the hash of its unit in [0, 1)."""
        if self._trial.paused:
            return None
        if isinstance(self._state, Rollout):
            return _moved(self._state.assign(now_ms, unit, candidate=variant == 1))
        return _decided(self._state.assign(variant, unit), self._state.spec)

    def observed(
        self, variant: int, decision: DecisionRecord, values: Mapping[str, float], now_ms: int
    ) -> News | None:
        """Count an outcome of a request that met a variant."""
        if self._trial.paused:
            return None
        bucket = decision.cluster
        if isinstance(self._state, Rollout):
            if decision.step > self._state.step:
                return None
            candidate = variant == 1
            move = self._state.observe(
                now_ms, decision.step, values, bucket=bucket, candidate=candidate
            )
            return _moved(move)
        covariates: Mapping[str, float] = {}
        if decision.covariate is not None:
            covariates = dict.fromkeys(values, decision.covariate)
        news = self._state.observe(variant, values, covariates, bucket)
        return _decided(news, self._state.spec)

    def encode(self) -> bytes:
        """The bytes to store."""
        return self._trial.stored(self._state)


def _all_to(variant: int, count: int) -> Sequence[float]:
    return [1.0 if index == variant else 0.0 for index in range(count)]


def base_segment(name: str) -> str:
    """The segment of the route of which ``name`` is that segment, or a variant's part."""
    base, _, last = name.rpartition("|")
    return base if last.startswith(VARIANT_MARK) else name


def escaped(text: str) -> str:
    """A name without the marks that segments' names are made with."""
    return text.replace("%", "%25").replace("|", "%7C").replace("=", "%3D")


def _decided(decision: Decision | None, spec: Spec) -> News | None:
    if decision is None or decision.verdict == "running":
        return None
    variant = spec.variants[decision.variant or 0]
    severity = _VERDICTS[decision.verdict]
    return News(variant, severity, decision.verdict, decision.sentence)


def _moved(move: Move | None) -> News | None:
    if move is None or move.action == "hold":
        return None
    severity: Severity = "critical" if move.action == "roll_back" else "info"
    return News(CANDIDATE, severity, move.action, move.reason)
