"""Every metric of a worker: its name, its meaning, its labels.

Labels are bounded whatever the traffic. Metrics of single routes name the busiest routes only, at
most ``--metrics-routes`` of them and ``MAX_ARMS`` arms each; what happens to all other routes is
counted under ``route="other"`` with the arm "". An event is counted in one of the two when it
happens, and stays there, so that no counter ever goes back while routes come and go.

Counters begin at 0 when the worker starts. A route is served by one worker at a time, so sums over
workers are right.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

MAX_ARMS: Final = 32
"""Arms of a route that have series of their own; further ones count as the arm "other"."""
OTHER: Final = "other"
REFUSALS: Final = (
    "duplicate",
    "late",
    "contradicting",
    "unknown",
    "unknown_arm",
    "empty",
    "held_full",
)
"""What becomes of a reward that is not counted."""


class Metric(NamedTuple):
    """One metric, as Prometheus knows it; a counter's samples end in ``_total``."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Of a histogram: the upper limits, without +Inf."""

    @property
    def samples(self) -> tuple[str, ...]:
        """The names of its samples, as queries must spell them."""
        return tuple(self.name + suffix for suffix in _SUFFIXES[self.kind])


_SUFFIXES: Final = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}
_CYCLE: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SIZES: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)
CALL_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0)
"""Of calls to models, which take from tens of milliseconds to minutes."""
REWARD_SECONDS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0)
_PER_ARM: Final = ("route", "arm")
_PER_ROUTE: Final = ("route",)

# ---- the worker -----------------------------------------------------------------------------

BUILD_INFO: Final = Metric("thalweg_build_info", "gauge", "1, with the release.", ("version",))
READY: Final = Metric(
    "thalweg_ready", "gauge", "1 while the worker takes in events for its partitions, else 0."
)
LOOP_AGE: Final = Metric(
    "thalweg_loop_age_seconds", "gauge", "Time since the engine's loop last turned."
)
PARTITIONS: Final = Metric(
    "thalweg_partitions", "gauge", "Partitions of each topic, whoever has claimed them."
)
PARTITIONS_OWNED: Final = Metric(
    "thalweg_partitions_owned", "gauge", "Partitions that this worker has claimed."
)
CLAIMS: Final = Metric("thalweg_claims", "counter", "Partitions claimed since the start.")
STALE_OWNERS: Final = Metric(
    "thalweg_stale_owners",
    "counter",
    "Partitions dropped because another worker had claimed them.",
)
REBALANCES: Final = Metric(
    "thalweg_rebalances", "counter", "How often the group took this worker's partitions back."
)
RECOVERY_LEFT: Final = Metric(
    "thalweg_recovery_records_left",
    "gauge",
    "Changelog records that recovery has still to read; 0 when it is done.",
)
RECOVERED: Final = Metric(
    "thalweg_recovered_records",
    "counter",
    "Changelog records that recoveries have read, by their offsets; grows when a recovery ends.",
)
RECOVERY_SECONDS: Final = Metric(
    "thalweg_recovery_seconds", "gauge", "How long the last recovery took, claims included."
)
LAG_RECORDS: Final = Metric(
    "thalweg_input_lag_records",
    "gauge",
    "Records of an input topic (role: policies, requests, rewards), over the worker's partitions, "
    "that it has not applied yet.",
    ("role",),
)
LAG_SECONDS: Final = Metric(
    "thalweg_input_lag_seconds",
    "gauge",
    "Age of the oldest record that was fetched and not applied yet; 0 if there is none.",
    ("role",),
)
INBOX_RECORDS: Final = Metric(
    "thalweg_inbox_records", "gauge", "Fetched records that wait to be applied."
)
INBOX_BYTES: Final = Metric("thalweg_inbox_bytes", "gauge", "Their size in memory, about.")
RECORDS_APPLIED: Final = Metric(
    "thalweg_records_applied",
    "counter",
    "Input records applied, by role: policies, requests, rewards.",
    ("role",),
)
CYCLE_RECORDS: Final = Metric(
    "thalweg_cycle_records", "histogram", "Input records that one cycle applied.", (), _SIZES
)
CYCLE_SECONDS: Final = Metric(
    "thalweg_cycle_apply_seconds",
    "histogram",
    "Time to apply one cycle's records in memory.",
    (),
    _CYCLE,
)
ACK_SECONDS: Final = Metric(
    "thalweg_changelog_ack_seconds",
    "histogram",
    "Time from sending a cycle's state changes to their acks and the local writes.",
    (),
    _CYCLE,
)
PUBLISH_SECONDS: Final = Metric(
    "thalweg_publish_seconds",
    "histogram",
    "Time from sending durable cycles' outputs to their acks.",
    (),
    _CYCLE,
)
CHANGELOG_RECORDS: Final = Metric(
    "thalweg_changelog_records", "counter", "Records written to the changelog."
)
CHANGELOG_BYTES: Final = Metric(
    "thalweg_changelog_bytes", "counter", "Bytes of keys and values written to the changelog."
)
DECISIONS: Final = Metric("thalweg_decisions", "counter", "Decisions made and published.")
REJECTIONS: Final = Metric(
    "thalweg_rejections", "counter", "Requests answered by a rejection, by its code.", ("code",)
)
OUTPUTS: Final = Metric(
    "thalweg_outputs",
    "counter",
    "Other messages published, by role: decisions (repeated or rejecting), drift, dead_letters.",
    ("role",),
)
DEAD_LETTERS: Final = Metric(
    "thalweg_dead_letters", "counter", "Dead letters published, by reason.", ("reason",)
)
REWARDS: Final = Metric(
    "thalweg_rewards",
    "counter",
    "Rewards by what became of them: counted (joined to their decision), duplicate, late, "
    "contradicting, unknown (no such request), unknown_arm (names an arm that no policy has), "
    "empty (tells nothing), held_full (too many came before their requests). Parts count once, "
    "together.",
    ("result",),
)
TIME_TO_REWARD: Final = Metric(
    "thalweg_time_to_reward_seconds",
    "histogram",
    "Time from a decision to its reward.",
    (),
    REWARD_SECONDS,
)
ALERTS: Final = Metric(
    "thalweg_alerts",
    "counter",
    "Alerts made, by type, severity and event: opened, updated, resolved, notice.",
    ("type", "severity", "event"),
)
INCIDENTS: Final = Metric(
    "thalweg_incidents_open", "gauge", "Incidents that are open now.", ("type", "severity")
)
ROUTES: Final = Metric("thalweg_routes", "gauge", "Routes in the worker's partitions.")
OPEN_DECISIONS: Final = Metric(
    "thalweg_open_decisions", "gauge", "Decisions remembered, since rewards may still join them."
)
STATE_KEYS: Final = Metric(
    "thalweg_state_keys", "gauge", "Keys in the local state, as RocksDB estimates them."
)
STATE_BYTES: Final = Metric(
    "thalweg_state_bytes", "gauge", "Bytes of live data in the local state, as RocksDB estimates."
)

# ---- routes and their arms ------------------------------------------------------------------

ROUTE_DECISIONS: Final = Metric(
    "thalweg_route_decisions", "counter", "Decisions for an arm.", _PER_ARM
)
ROUTE_EXPLORATIONS: Final = Metric(
    "thalweg_route_explorations",
    "counter",
    "Decisions for an arm while another one was likelier.",
    _PER_ARM,
)
ROUTE_REWARD: Final = Metric(
    "thalweg_route_reward",
    "summary",
    "Rewards, from 0 to 1, of the arm that served: their number and sum.",
    _PER_ARM,
)
ROUTE_COST: Final = Metric(
    "thalweg_route_cost_usd",
    "summary",
    "What calls cost, in USD, where a reward told it: their number and sum.",
    _PER_ARM,
)
ROUTE_LATENCY: Final = Metric(
    "thalweg_route_latency_seconds",
    "histogram",
    "How long calls took, where a reward told it.",
    _PER_ARM,
    CALL_SECONDS,
)
ROUTE_CALLS: Final = Metric(
    "thalweg_route_calls",
    "counter",
    "Calls whose reward told whether they succeeded: success is true or false.",
    ("route", "arm", "success"),
)
ROUTE_TIME_TO_REWARD: Final = Metric(
    "thalweg_route_time_to_reward_seconds",
    "histogram",
    "Time from a decision to its reward.",
    _PER_ROUTE,
    REWARD_SECONDS,
)
ROUTE_JOINED: Final = Metric(
    "thalweg_route_rewards",
    "counter",
    "Decisions that got their reward.",
    _PER_ROUTE,
)

# ---- budgets, as they are now; of routes with a name whose policy has one -----------------------

ROUTE_BUDGET_DEBT: Final = Metric(
    "thalweg_route_budget_debt_usd",
    "gauge",
    "What was spent beyond the budget and is to be repaid, in USD; negative for savings.",
    _PER_ROUTE,
)
ROUTE_BUDGET_HELD: Final = Metric(
    "thalweg_route_budget_held",
    "gauge",
    "1 while the budget is held; 0 while what must be chosen costs more, whatever its price.",
    _PER_ROUTE,
)

# ---- gauges over the last 15 minutes, by record time; of routes with a name only --------------

ROUTE_REWARD_MEAN: Final = Metric(
    "thalweg_route_reward_mean", "gauge", "Mean reward over the last 15 minutes.", _PER_ARM
)
ROUTE_REWARD_VARIANCE: Final = Metric(
    "thalweg_route_reward_variance",
    "gauge",
    "Sample variance of the rewards of the last 15 minutes.",
    _PER_ARM,
)
ROUTE_ARM_SHARE: Final = Metric(
    "thalweg_route_arm_share_ratio",
    "gauge",
    "Share of the route's decisions of the last 15 minutes.",
    _PER_ARM,
)
ROUTE_EXPLORATION: Final = Metric(
    "thalweg_route_exploration_ratio",
    "gauge",
    "Share of the decisions of the last 15 minutes where another arm was likelier.",
    _PER_ROUTE,
)
ROUTE_CONVERGENCE: Final = Metric(
    "thalweg_route_convergence_ratio",
    "gauge",
    "Share of the most chosen arm among the decisions of the last 15 minutes.",
    _PER_ROUTE,
)
ROUTE_REGRET: Final = Metric(
    "thalweg_route_regret_mean",
    "gauge",
    "Estimated regret per reward over the last 15 minutes: the best arm's mean reward less the "
    "mean of all. Arms with fewer than 10 rewards are not taken for the best; segments are pooled.",
    _PER_ROUTE,
)
ROUTE_JOIN: Final = Metric(
    "thalweg_route_join_ratio",
    "gauge",
    "Share of the decisions made between 20 and 10 minutes ago that have got their reward.",
    _PER_ROUTE,
)

ALL: Final = tuple(found for found in list(globals().values()) if isinstance(found, Metric))
"""Every metric above; ``process_*`` come from prometheus-client."""
