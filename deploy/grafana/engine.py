"""The dashboard "thalweg: engine"."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import FIRING, Dashboard, Panel, Row, figure, query

_NOTIFIED: Final = "thalweg_notify_alerts_total"


def _of_workers(metric: str) -> str:
    return f'{metric}{{instance=~"$worker"}}'


def _rate(metric: str) -> str:
    return f"rate({_of_workers(metric)}[$__rate_interval])"


def _by_worker(metric: str) -> list[tuple[str, str]]:
    return [(_of_workers(metric), "{{instance}}")]


def _quantile(quantile: float, metric: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) ({_rate(metric + '_bucket')}))"


def _middle_and_tail(metric: str) -> list[tuple[str, str]]:
    return [(_quantile(0.5, metric), "p50"), (_quantile(0.99, metric), "p99")]


def _notify_tail(metric: str) -> list[tuple[str, str]]:
    rate = f"sum by (receiver, le) (rate({metric}_bucket[15m]))"
    return [(f"histogram_quantile(0.95, {rate})", "{{receiver}}")]


ENGINE: Final = Dashboard(
    uid="thalweg-engine",
    title="thalweg: engine",
    description="Whether workers keep up, and what they wait for.",
    variables=[query("worker", "Worker", 'up{job="thalweg"}', "instance")],
    rows=[
        Row(
            "At a glance",
            [
                figure(
                    "Workers up",
                    "Workers that answer Prometheus.",
                    "thalweg:workers:up",
                    good_from=1,
                ),
                figure(
                    "Workers ready",
                    "Workers that have recovered and take in events.",
                    "sum(thalweg_ready)",
                    good_from=1,
                ),
                figure(
                    "Partitions owned",
                    "Of all workers together: as many as there are, but in rebalances.",
                    "thalweg:partitions:owned",
                    good_from=1,
                ),
                figure("Decisions", "Per second.", "thalweg:decisions:rate5m", "reqps"),
                figure(
                    "Oldest request waits",
                    "For how long the oldest request that is not applied has waited.",
                    'role:thalweg_input_lag_seconds:max{role="requests"}',
                    "s",
                    bad_from=5,
                ),
                figure(
                    "Dead letters",
                    "In the last hour, for whatever reason.",
                    "sum(increase(thalweg_dead_letters_total[1h]))",
                    bad_from=1,
                ),
            ],
        ),
        Row(
            "Flow",
            [
                Panel(
                    "Records applied",
                    "Per second, by input topic.",
                    [(f"sum by (role) ({_rate('thalweg_records_applied_total')})", "{{role}}")],
                    "ops",
                ),
                Panel(
                    "Answers",
                    "Per second: decisions, and rejections by their code.",
                    [
                        (f"sum({_rate('thalweg_decisions_total')})", "decisions"),
                        (f"sum by (code) ({_rate('thalweg_rejections_total')})", "{{code}}"),
                    ],
                    "ops",
                ),
                Panel(
                    "Oldest record waits",
                    "How long the oldest record that is not applied has waited, by input topic.",
                    [
                        (
                            f"max by (role) ({_of_workers('thalweg_input_lag_seconds')})",
                            "{{role}}",
                        )
                    ],
                    "s",
                ),
                Panel(
                    "Lag",
                    "Records not applied yet, by worker and input topic.",
                    [(_of_workers("thalweg_input_lag_records"), "{{instance}} {{role}}")],
                ),
                Panel(
                    "Inbox",
                    "Records that are fetched and wait for the next cycle.",
                    _by_worker("thalweg_inbox_records"),
                ),
                Panel(
                    "Inbox, bytes",
                    "Their size; when it is full, the worker stops fetching.",
                    _by_worker("thalweg_inbox_bytes"),
                    "bytes",
                ),
            ],
        ),
        Row(
            "Cycle",
            [
                Panel(
                    "Apply",
                    "Time to apply one cycle's records in memory.",
                    _middle_and_tail("thalweg_cycle_apply_seconds"),
                    "s",
                ),
                Panel(
                    "Make durable",
                    "From sending a cycle's state changes to their acks and the local writes.",
                    _middle_and_tail("thalweg_changelog_ack_seconds"),
                    "s",
                ),
                Panel(
                    "Publish",
                    "From sending durable cycles' outputs to their acks.",
                    _middle_and_tail("thalweg_publish_seconds"),
                    "s",
                ),
                Panel(
                    "Size of a cycle",
                    "Records that one cycle applied; cycles grow by themselves under load.",
                    _middle_and_tail("thalweg_cycle_records"),
                ),
                Panel(
                    "The slowest hundredth, by worker",
                    "99th percentiles of 5 minutes, side by side: one slow worker, or all?",
                    [
                        (
                            _of_workers(f"instance:thalweg_{what}_seconds:p99_5m"),
                            f"{{{{instance}}}} {what.replace('_', ' ')}",
                        )
                        for what in ("cycle_apply", "changelog_ack", "publish")
                    ],
                    "s",
                ),
                Panel(
                    "Loop",
                    "Time since each engine's loop last turned.",
                    _by_worker("thalweg_loop_age_seconds"),
                    "s",
                ),
            ],
        ),
        Row(
            "Ownership and recovery",
            [
                Panel(
                    "Partitions",
                    "By owner, and how many there are.",
                    [
                        *_by_worker("thalweg_partitions_owned"),
                        ("max(thalweg_partitions)", "there are"),
                    ],
                ),
                Panel(
                    "Unrest",
                    "In 10 minutes: partitions claimed, rebalances, and owners replaced while "
                    "frozen.",
                    [
                        (f"sum(increase({_of_workers('thalweg_claims_total')}[10m]))", "claims"),
                        (
                            f"sum(increase({_of_workers('thalweg_rebalances_total')}[10m]))",
                            "rebalances",
                        ),
                        (
                            f"sum(increase({_of_workers('thalweg_stale_owners_total')}[10m]))",
                            "stale owners",
                        ),
                    ],
                ),
                Panel(
                    "Left to recover",
                    "Changelog records that recovery has still to read.",
                    _by_worker("thalweg_recovery_records_left"),
                ),
                Panel(
                    "Recovered",
                    "Changelog records that recoveries have read in an hour, counted when each is "
                    "done.",
                    [
                        (
                            f"increase({_of_workers('thalweg_recovered_records_total')}[1h])",
                            "{{instance}}",
                        )
                    ],
                ),
                Panel(
                    "Last recovery",
                    "How long it took, claims included.",
                    _by_worker("thalweg_recovery_seconds"),
                    "s",
                ),
                Panel(
                    "Changelog",
                    "Bytes per second of keys and values.",
                    [(_rate("thalweg_changelog_bytes_total"), "{{instance}}")],
                    "Bps",
                    stacked=True,
                ),
                Panel(
                    "Changelog, records",
                    "Records per second.",
                    [(_rate("thalweg_changelog_records_total"), "{{instance}}")],
                    "ops",
                    stacked=True,
                ),
                Panel(
                    "Releases",
                    "Workers by release; two for long means an update that stopped half-way.",
                    [("count by (version) (thalweg_build_info)", "{{version}}")],
                    stacked=True,
                ),
                FIRING,
            ],
        ),
        Row(
            "Bad input",
            [
                Panel(
                    "Dead letters",
                    "Per second, by reason; the topic tells each one's message and what to do.",
                    [
                        (
                            f"sum by (reason) ({_rate('thalweg_dead_letters_total')})",
                            "{{reason}}",
                        )
                    ],
                    "ops",
                    stacked=True,
                ),
                Panel(
                    "Rewards",
                    "Per second, by what became of them.",
                    [(f"sum by (result) ({_rate('thalweg_rewards_total')})", "{{result}}")],
                    "ops",
                ),
                Panel(
                    "Other messages published",
                    "Per second: repeated and rejecting answers, alerts, dead letters.",
                    [(f"sum by (role) ({_rate('thalweg_outputs_total')})", "{{role}}")],
                    "ops",
                ),
                Panel(
                    "Time to reward",
                    "From a decision to its reward, over all routes.",
                    _middle_and_tail("thalweg_time_to_reward_seconds"),
                    "s",
                ),
                Panel(
                    "Alerts made",
                    "Per second, by what they tell of an incident.",
                    [(f"sum by (event) ({_rate('thalweg_alerts_total')})", "{{event}}")],
                    "ops",
                ),
            ],
        ),
        Row(
            "Notifications",
            [
                Panel(
                    "Alerts by what became of them",
                    "Of thalweg notify, in 15 minutes, by receiver. Dead letters are on their "
                    "topic; lost ones had left the drift topic before they were read.",
                    [
                        (
                            f"sum by (receiver, outcome) (increase({_NOTIFIED}[15m]))",
                            "{{receiver}} {{outcome}}",
                        )
                    ],
                ),
                Panel(
                    "Alerts that wait",
                    "Read, and neither accepted nor given up, by receiver.",
                    [("sum by (receiver) (thalweg_notify_pending)", "{{receiver}}")],
                ),
                Panel(
                    "Age when accepted, p95",
                    "Of 15 minutes, by receiver: one alert in twenty was older.",
                    _notify_tail("thalweg_notify_delay_seconds"),
                    "s",
                ),
                Panel(
                    "Attempts",
                    "Requests per second, by receiver and by what became of them.",
                    [
                        (
                            "sum by (receiver, result) (rate(thalweg_notify_attempts_total[15m]))",
                            "{{receiver}} {{result}}",
                        )
                    ],
                    "ops",
                ),
                Panel(
                    "An attempt takes, p95",
                    "Of 15 minutes, by receiver: one request in twenty took longer.",
                    _notify_tail("thalweg_notify_attempt_seconds"),
                    "s",
                ),
                Panel(
                    "Receivers that are down",
                    "1 while a receiver takes nothing.",
                    [("max by (receiver) (thalweg_notify_receiver_down)", "{{receiver}}")],
                    maximum=1,
                ),
            ],
        ),
        Row(
            "State and process",
            [
                Panel(
                    "State on disk",
                    "Bytes of live data, as RocksDB estimates.",
                    _by_worker("thalweg_state_bytes"),
                    "bytes",
                    stacked=True,
                ),
                Panel(
                    "Keys",
                    "Keys in the local state, as RocksDB estimates.",
                    _by_worker("thalweg_state_keys"),
                    stacked=True,
                ),
                Panel(
                    "Open decisions",
                    "Remembered, since rewards may still join them; bounded by each policy's "
                    "reward.max_open.",
                    _by_worker("thalweg_open_decisions"),
                    stacked=True,
                ),
                Panel(
                    "Routes",
                    "By worker.",
                    _by_worker("thalweg_routes"),
                    stacked=True,
                ),
                Panel(
                    "Memory",
                    "Resident memory of the process.",
                    _by_worker("process_resident_memory_bytes"),
                    "bytes",
                ),
                Panel(
                    "CPU",
                    "Cores in use. Deciding and learning use one at most.",
                    [(_rate("process_cpu_seconds_total"), "{{instance}}")],
                ),
            ],
        ),
    ],
)
