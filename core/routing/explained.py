"""What an explanation of one decision consists of."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct

LEVEL: Final = 0.95
"""Of the credible intervals."""
Source = Literal["algorithm", "forced_exploration", "search", "session", "fallback"]
Verdict = Literal["learned", "counted", "part", "late", "duplicate", "contradicting", "refused"]


class Belief(Struct, frozen=True):
    """What is thought of an arm's mean reward."""

    rewards: float
    """How many it has learned from, as far as they still count."""
    mean: float
    low: float | None
    high: float | None
    """The central credible interval of probability ``LEVEL``; None for a set of a search."""


class ArmView(Struct, frozen=True):
    """One arm of the policy, as the decision found it."""

    arm: str
    model: str
    belief: Belief
    pulls: int
    """How often forced exploration had chosen it."""
    score: float | None
    """What the algorithm compares, for this context; see ``Explanation.score``."""
    probability: float
    barred: str | None
    """Why it could not be chosen, if it could not."""
    guardrail: str | None = None
    """What the guardrails have against it; it may be chosen nevertheless, to probe it or as the
    fallback."""
    cost_usd: float | None = None
    """What the request was expected to cost with it; None without a budget."""


class SetView(Struct, frozen=True):
    """One parameter set of a search, in play."""

    arm: str
    params: dict[str, Any]
    rewards: int
    mean: float | None
    probability: float


class Share(Struct, frozen=True):
    """An arm's part of [0, 1): from ``low`` on, below ``high``."""

    arm: str
    probability: float
    low: float
    high: float


class BudgetView(Struct, frozen=True):
    """The ledger of the budget, just before the decision was charged."""

    worth_usd: float
    """What one request may cost, on average."""
    debt: float
    """What was spent beyond the budget, in requests' worth of it; negative for savings."""
    burst: float
    """The debt that one dear arm may lead to."""
    price: float
    """The reward that one USD must bring, in reward per USD."""
    requests: int
    spent_usd: float


class SessionView(Struct, frozen=True):
    """The session whose arm the request kept."""

    by: str
    value: str
    since: int
    """The state version at which its arm was drawn."""
    last_ms: int
    """When its last request before this one came; ms since the epoch."""


class VariantView(Struct, frozen=True):
    """One side of an experiment or a rollout, as this request would have met it."""

    variant: str
    share: float
    shares: dict[str, float]
    """The probabilities of its arms; empty where the share is 0, or no arm was left."""
    refused: str | None = None
    """Why no arm of it was left, if so."""


class TrialView(Struct, frozen=True):
    """The experiment or the rollout that the decision was part of."""

    kind: Literal["experiment", "rollout"]
    name: str
    unit: str
    """What met the variant: the value of ``unit``'s field, or the request id."""
    draw: float
    """Uniform over [0, 1), a hash of route, trial and unit: which variant is met."""
    variant: str
    """The one that was met."""
    variants: list[VariantView]
    mix: dict[str, float]
    """Each arm's probability over all variants: the decision's propensity is that of its arm."""


class ShadowView(Struct, frozen=True):
    """How the policy's shadow would have decided."""

    name: str
    shares: dict[str, float]
    """The probabilities of its arms; empty where it had none for the request."""
    share: float | None
    """Its probability of the arm that was decided for: over the propensity, it is the weight with
    which the shadow is scored. None where it is not, as a session kept the arm, or it had no arm.
    """
    support: float | None
    """Its probability of all arms that the decision could have been for."""


class RewardEvent(Struct, frozen=True):
    """One reward that named the request, and what became of it."""

    state_version: int
    timestamp: int
    verdict: Verdict
    outcome: dict[str, Any]
    """Of this event, or of all parts together where it was counted."""
    arm: str
    """The arm that served."""
    reward: float | None = None
    """In [0, 1], by the policy's objective; None where it gives none, or nothing was counted."""
    before: Belief | None = None
    after: Belief | None = None
    """What was thought of the arm (of a search: of the set) before and after it was counted."""
    ignored: str = ""
    """Fields of this event that are unknown, with what may have been meant."""
    refused: str = ""
    """The reason of its dead letter, where it is one."""


class Explanation(Struct, frozen=True):
    """All that one decision was made of."""

    route: str
    request_id: str
    state_version: int
    timestamp: int
    request: dict[str, Any]
    """The request as it came."""
    policy_version: int
    algorithm: dict[str, Any]
    forgetting: dict[str, Any] | None
    segment: str
    source: Source
    features: dict[str, float] | None
    """The components of the context by name; None where the algorithm looks at none."""
    score: str | None
    """What the arms' scores are."""
    arms: list[ArmView]
    sets: list[SetView]
    shares: list[Share]
    draw: float
    """Uniform over [0, 1), a hash of route, request id and policy version."""
    arm: str
    propensity: float
    params: dict[str, Any]
    guardrails: dict[str, Any] | None = None
    """What the policy sets of them, where it has any."""
    budget: BudgetView | None = None
    session: SessionView | None = None
    trial: TrialView | None = None
    shadow: ShadowView | None = None
