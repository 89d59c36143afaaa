"""A candidate policy on a log of decisions: what it would have earned, and what that rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.bandits.base import Floats
from core.context.encoder import ContextError, Encoder
from core.context.vocabulary import Vocabularies
from core.evaluation.candidate import Candidate, RejectedError, spread
from core.evaluation.estimators import Contributions, estimate_all
from core.evaluation.logged import Logged
from core.evaluation.reward_model import cross_fitted
from core.evaluation.sequential import Progress, acceptance_of, progressive
from core.evaluation.support import Support, support_of
from core.reward import RewardFunction, RouteScales
from schemas.features import TIME_FIELDS, reads_time
from schemas.policy import ContextSpec, FixedSplit, Policy
from schemas.request import Request
from streams.evaluation.decision_log import LoggedDecision
from streams.offline.outcomes import Skipped


class EvaluationError(Exception):
    """A log that says nothing of a policy; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a candidate is evaluated."""

    learning: bool = True
    """Whether it learns from the log as it would from traffic, or stays as it begins."""
    acceptance_quantile: float = 0.05
    cap: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a log tells of a candidate."""

    arms: Sequence[str]
    """Those of the policy in its order, then others of the log: the columns of ``logged``."""
    logged: Logged
    progress: Progress
    acceptance: float
    learned: bool
    estimates: dict[str, Contributions]
    always: dict[str, Contributions]
    """Doubly robust, for each arm that the log has chosen: had it served every request."""
    support: Support

    @property
    def replayed(self) -> Floats:
        """The rewards of the accepted rows, in their order."""
        return np.asarray(self.logged.rewards[self.progress.accepted])


def evaluate(
    policy: Policy,
    decisions: Sequence[LoggedDecision],
    skipped: Skipped,
    options: Options,
    tick: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Evaluate the policy on the decisions, in their order; those it cannot use are ``skipped``.

    Rewards are those of the policy's objective, with the cost and latency scales that all outcomes
    of the log give. Raises CandidateError for a policy, EvaluationError for a log that will not do.
    """
    learning = options.learning and not isinstance(policy.algorithm, FixedSplit)
    candidate = Candidate(policy, exploring=learning)
    usable = _rewarded(policy, _known(candidate, decisions, skipped), skipped)
    names = dict.fromkeys([arm.id for arm in policy.arms])
    names.update(dict.fromkeys(one.decision.arm for one in usable))
    columns = {arm: at for at, arm in enumerate(names)}
    if usable:
        chosen = np.array([columns[one.decision.arm] for one in usable])
        propensities = np.array([one.decision.propensity for one in usable])
        acceptance = acceptance_of(propensities, options.acceptance_quantile)
        learner = _OnLog(candidate, usable, columns, skipped, learning=learning)
        progress = progressive(
            learner, chosen, propensities, acceptance, seed=options.seed, tick=tick
        )
    if not usable or len(progress.rows) < 2:
        count = len(progress.rows) if usable else 0
        raise EvaluationError(
            f"an estimate needs at least 2 decisions with an outcome, and {count or 'none'} of the "
            "log's can be used"
        )
    rows = progress.rows
    chosen, propensities = chosen[rows], propensities[rows]
    rewards = np.array([usable[row].reward for row in rows])
    logged = Logged(chosen, propensities, rewards, progress.candidate)
    contexts = _contexts(policy.context, [usable[row].decision for row in rows])
    model = cross_fitted(contexts, chosen, rewards, len(columns))
    always = {
        arm: estimate_all(logged.always(at), model, options.cap)["dr"]
        for arm, at in columns.items()
        if np.any(chosen == at)
    }
    return Evaluation(
        arms=list(columns),
        logged=logged,
        progress=progress,
        acceptance=acceptance,
        learned=learning,
        estimates=estimate_all(logged, model, options.cap),
        always=always,
        support=support_of(logged),
    )


@dataclass(frozen=True, slots=True)
class _Usable:
    """A decision that says what the candidate needs, and its reward."""

    decision: LoggedDecision
    reward: float


class _OnLog:
    """The candidate on the rows of the log."""

    def __init__(
        self,
        candidate: Candidate,
        rows: Sequence[_Usable],
        columns: dict[str, int],
        skipped: Skipped,
        *,
        learning: bool,
    ) -> None:
        self._candidate = candidate
        self._rows = rows
        self._columns = columns
        self._skipped = skipped
        self._learning = learning

    def probabilities(self, row: int) -> Floats | None:
        one = self._rows[row].decision
        try:
            return spread(self._candidate.ask(one.request, one.at_ms), self._columns)
        except RejectedError as error:
            reason = error.code.replace("_", " ")
            self._skipped.add(reason, one.where, f"the candidate rejects the request: {error}")
            return None

    def learn(self, row: int) -> None:
        if self._learning:
            one = self._rows[row].decision
            self._candidate.take(one.request, one.at_ms, one.arm, one.served, one.outcome)


def _known(
    candidate: Candidate, decisions: Sequence[LoggedDecision], skipped: Skipped
) -> list[LoggedDecision]:
    """The decisions of whose requests the log has what the candidate reads."""
    spec = candidate.compiled.policy.context
    contextual = candidate.compiled.bandit.contextual
    needs_context = contextual or bool(spec.segment_by)
    needs_time = (contextual and reads_time(spec)) or any(
        name in TIME_FIELDS for name in spec.segment_by
    )
    found = []
    for one in decisions:
        if needs_context and not one.has_context:
            problem = "the policy looks at contexts, and the log has none of the request"
            skipped.add("no context", one.where, problem)
        elif needs_time and one.at_ms is None:
            problem = "the policy reads the hour or the weekday (the default features do)"
            skipped.add("no timestamp", one.where, problem)
        else:
            found.append(one)
    return found


def _rewarded(
    policy: Policy, decisions: Sequence[LoggedDecision], skipped: Skipped
) -> list[_Usable]:
    scales = RouteScales()
    for one in decisions:
        scales.observe(one.served, one.outcome)
    cost_scale = scales.cost_scale(policy.arms, policy.objective)
    latency_scale = scales.latency_scale(policy.arms, policy.objective)
    function = RewardFunction(policy.objective)
    found = []
    for one in decisions:
        reward = function(one.outcome, cost_scale, latency_scale)
        if reward is None:
            problem = "the objective needs what was not measured"
            skipped.add("no reward", one.where, problem)
        else:
            found.append(_Usable(one, reward))
    return found


def _contexts(spec: ContextSpec, decisions: Sequence[LoggedDecision]) -> Floats:
    """What the reward model sees: the policy's features, even where its algorithm ignores them.

    A context that is missing, or has no such features, is encoded as empty.
    """
    encoder, vocabularies = Encoder(spec), Vocabularies()
    nothing = Request(request_id="-", route="-")

    def encoded(decision: LoggedDecision) -> bytes:
        at_ms = decision.at_ms or 0
        try:
            return encoder.encode(decision.request, at_ms, vocabularies)
        except ContextError:
            return encoder.encode(nothing, at_ms, vocabularies)

    return encoder.matrix([encoded(decision) for decision in decisions])
