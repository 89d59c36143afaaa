"""A route's versioned configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from schemas.fields import Duration, Route
from schemas.policy.algorithms import Algorithm, Forgetting, ThompsonGaussian
from schemas.policy.anomalies import AnomalySpec
from schemas.policy.arms import ArmSpec, ColdStart
from schemas.policy.budget import Budget
from schemas.policy.context import ContextSpec
from schemas.policy.drift import DriftSpec
from schemas.policy.guardrails import Guardrails
from schemas.policy.objective import Objective
from schemas.policy.sticky import Sticky
from schemas.policy.strict import Strict
from schemas.policy.thresholds import JoinSpec, Threshold
from schemas.policy.trial import Experiment, Rollout, Shadow


class RewardSpec(Strict, frozen=True):
    """How long a decision waits for its reward, and how much may wait."""

    window: Duration = "30m"
    """How long a decision waits; a later reward is refused."""
    hold: Duration = "60s"
    """How long a reward waits for a request that has not been read yet."""
    max_open: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000_000
    """Decisions of the route that may await a reward; the oldest is given up first."""
    max_held: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000


class Policy(Strict, frozen=True):
    """One policy event, on ``llm.policies`` (compacted), keyed by its route."""

    route: Route
    version: Annotated[int, Meta(le=2**53, extra_json_schema={"minimum": 1})]
    """From 1; the highest one holds. 0 is the policy that a route without one gets by itself."""
    arms: Annotated[list[ArmSpec], Meta(min_length=1, max_length=64)]
    algorithm: Algorithm = ThompsonGaussian()
    cold_start: ColdStart = ColdStart()
    forgetting: Forgetting | None = None
    """Default: nothing is forgotten, unless drift restarts an arm."""
    objective: Objective = Objective()
    context: ContextSpec = ContextSpec()
    guardrails: Guardrails | None = None
    budget: Budget | None = None
    sticky: Sticky | None = None
    experiment: Experiment | None = None
    rollout: Rollout | None = None
    shadow: Shadow | None = None
    reward: RewardSpec = RewardSpec()
    drift: DriftSpec = DriftSpec()
    anomalies: AnomalySpec | None = None
    thresholds: Annotated[list[Threshold], Meta(max_length=32)] = field(default_factory=list)
    join: JoinSpec | None = JoinSpec()
    """null: nobody is told that rewards have stopped coming."""
