"""A route's versioned configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from schemas.fields import Duration, Route
from schemas.policy.algorithms import Algorithm, Forgetting, ThompsonGaussian
from schemas.policy.arms import ArmSpec, ColdStart
from schemas.policy.budget import Budget
from schemas.policy.context import ContextSpec
from schemas.policy.guardrails import Guardrails
from schemas.policy.objective import Objective
from schemas.policy.sticky import Sticky
from schemas.policy.strict import Strict
from schemas.policy.trial import Experiment, Rollout

DriftMetric = Literal["quality", "cost", "latency", "reward"]
Confidence = Annotated[float, Meta(gt=0.0, lt=1.0)]


class RewardSpec(Strict, frozen=True):
    """How long a decision waits for its reward, and how much may wait."""

    window: Duration = "30m"
    """How long a decision waits; a later reward is refused."""
    hold: Duration = "60s"
    """How long a reward waits for a request that has not been read yet."""
    max_open: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000_000
    """Decisions of the route that may await a reward; the oldest is given up first."""
    max_held: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000


class DriftSpec(Strict, frozen=True):
    """ADWIN per arm and metric (Bifet and Gavaldà 2007)."""

    on: Annotated[list[DriftMetric], Meta(max_length=4)] = field(
        default_factory=lambda: ["quality", "cost", "latency"]
    )
    delta: Confidence = 0.002
    """The confidence of a drift: lower means fewer false alarms and later true ones."""
    warning_delta: Confidence = 0.02
    """The confidence of a warning; greater than delta."""
    action: Literal["alert", "restart_arm"] = "alert"
    """restart_arm: the drifted arm forgets what it learned, the others keep it."""


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
    reward: RewardSpec = RewardSpec()
    drift: DriftSpec = DriftSpec()
