"""A route's versioned configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from schemas.fields import ArmId, Duration, Label, NonNegative, Positive, Route, Unit, Usd

ContextField = Literal[
    "input_tokens",
    "output_length_category",
    "priority",
    "task_type",
    "user_id",
    "region",
    "language",
    "hour",
    "weekday",
]
Preset = Literal["quality", "quality_focused", "balanced", "cost_focused", "latency_focused"]
DriftMetric = Literal["quality", "cost", "latency", "reward"]
Confidence = Annotated[float, Meta(gt=0.0, lt=1.0)]


class _Strict(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A misspelt key in a policy must not be ignored: it could be a guardrail."""


class Price(_Strict, frozen=True):
    """What a call costs, in USD: per million tokens, per request, or both."""

    input_per_mtok: Usd = 0.0
    output_per_mtok: Usd = 0.0
    per_request: Usd = 0.0


class Prior(_Strict, frozen=True):
    """What is believed of an arm before its first reward: a mean, worth ``weight`` rewards."""

    mean: Unit = 0.5
    weight: Positive = 2.0


class ArmSpec(_Strict, frozen=True):
    """One candidate: a model with its parameters, price and prior."""

    id: ArmId
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    """What the proxy calls it, e.g. openai/gpt-5; handed on as it is."""
    params: dict[str, Any] = {}
    """Handed on as they are; at most 16 KiB of JSON."""
    price: Price | None = None
    prior: Prior | None = None
    enabled: bool = True
    """false: never chosen, but its statistics are kept."""


class ThompsonBeta(_Strict, frozen=True, tag_field="name", tag="thompson_beta"):
    """Thompson sampling for yes/no rewards: a Beta posterior per arm."""


class ThompsonGaussian(_Strict, frozen=True, tag_field="name", tag="thompson_gaussian"):
    """Thompson sampling for graded rewards: mean and variance unknown, per arm."""

    prior_std: Annotated[float, Meta(gt=0.0, le=10.0)] = 0.25
    """The standard deviation of a single reward, as believed before the first."""


class LinUCB(_Strict, frozen=True, tag_field="name", tag="linucb"):
    """LinUCB with disjoint models (Li, Chu, Langford and Schapire 2010, algorithm 1)."""

    alpha: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0
    """Width of the confidence bound."""
    ridge: Annotated[float, Meta(gt=0.0, le=1e6)] = 1.0
    """A starts as ridge times the identity."""


Algorithm = ThompsonBeta | ThompsonGaussian | LinUCB


class Weights(_Strict, frozen=True):
    """What matters how much; the three are divided by their sum."""

    quality: NonNegative = 0.0
    cost: NonNegative = 0.0
    latency: NonNegative = 0.0


class Objective(_Strict, frozen=True):
    """How an outcome becomes one reward in [0, 1]: a preset, or weights of one's own."""

    preset: Preset = "quality"
    weights: Weights | None = None
    """Instead of the preset's."""
    cost_scale_usd: Positive | None = None
    """The cost at which the cost term is 0. Default: the dearest candidate's."""
    latency_scale_ms: Positive | None = None
    """The latency at which the latency term is 0. Default: the slowest candidate's mean."""


class LogFeature(_Strict, frozen=True, tag_field="encode", tag="log"):
    """log(1 + value) / log(1 + high), for counts and sizes; 1 at and above ``high``."""

    field: Literal["input_tokens", "priority"]
    high: Positive = 131_072.0


class ScaledFeature(_Strict, frozen=True, tag_field="encode", tag="linear"):
    """(value - low) / (high - low), clipped to [0, 1]."""

    field: Literal["input_tokens", "priority"]
    low: float = 0.0
    high: float = 10.0


class OneHotFeature(_Strict, frozen=True, tag_field="encode", tag="one_hot"):
    """One component per declared value and one for all others."""

    field: Label
    """A context field or ``metadata.<key>``."""
    values: Annotated[list[Label], Meta(min_length=1, max_length=64)]


class HashedFeature(_Strict, frozen=True, tag_field="encode", tag="hashed"):
    """Signed feature hashing (Weinberger et al. 2009), for fields with many values."""

    field: Label
    """A context field or ``metadata.<key>``."""
    buckets: Annotated[int, Meta(ge=2, le=128)] = 16


class CyclicalFeature(_Strict, frozen=True, tag_field="encode", tag="cyclical"):
    """Cosine and sine of the hour of the day or the day of the week, in UTC."""

    field: Literal["hour", "weekday"]


Feature = LogFeature | ScaledFeature | OneHotFeature | HashedFeature | CyclicalFeature


class ContextSpec(_Strict, frozen=True):
    """Which state a request meets (``segment_by``), and how it becomes a feature vector."""

    segment_by: Annotated[list[Label], Meta(max_length=4)] = []
    """Context fields or ``metadata.<key>``; requests that differ in one share no state."""
    features: Annotated[list[Feature], Meta(max_length=64)] | None = None
    """Default: input_tokens (log), output_length_category (one_hot of short, medium, long),
    priority (linear), task_type (hashed into 16), hour and weekday: 27 components."""
    max_segments: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    """Segments beyond that many share the state of one that is called ``*``."""


class RewardSpec(_Strict, frozen=True):
    """How long a decision waits for its reward, and how much may wait."""

    window: Duration = "30m"
    """How long a decision waits; a later reward is refused."""
    hold: Duration = "60s"
    """How long a reward waits for a request that has not been read yet."""
    max_open: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000_000
    """Decisions of the route that may await a reward; the oldest is given up first."""
    max_held: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000


class DriftSpec(_Strict, frozen=True):
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


class Policy(_Strict, frozen=True):
    """One policy event, on ``llm.policies`` (compacted), keyed by its route."""

    route: Route
    version: Annotated[int, Meta(le=2**53, extra_json_schema={"minimum": 1})]
    """From 1; the highest one holds. 0 is the policy that a route without one gets by itself."""
    arms: Annotated[list[ArmSpec], Meta(min_length=1, max_length=64)]
    algorithm: Algorithm = ThompsonGaussian()
    objective: Objective = Objective()
    context: ContextSpec = ContextSpec()
    reward: RewardSpec = RewardSpec()
    drift: DriftSpec = DriftSpec()
