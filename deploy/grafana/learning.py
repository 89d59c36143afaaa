"""The dashboard "thalweg: learning"."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import FIRING, SOURCE, Dashboard, Panel, Row, figure, query

_INCIDENTS: Final = {
    "name": "Incidents opened",
    "datasource": SOURCE,
    "enable": True,
    "iconColor": "orange",
    "expr": 'sum by (type, severity) (increase(thalweg_alerts_total{event="opened"}[2m])) > 0',
    "step": "1m",
    "titleFormat": "{{severity}} incident: {{type}}",
    "textFormat": "on some route; the drift topic tells which",
}


_COST: Final = "thalweg_route_cost_usd_sum"


def _of_arms(metric: str) -> str:
    return f'{metric}{{route="$route", arm=~"$arm"}}'


def _latency(quantile: float) -> str:
    buckets = _of_arms("route_arm_le:thalweg_route_latency_seconds_bucket:rate15m")
    return f"histogram_quantile({quantile}, sum by (arm, le) ({buckets}))"


def _reward_time(quantile: float) -> str:
    buckets = 'thalweg_route_time_to_reward_seconds_bucket{route="$route"}'
    return f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[15m])))"


LEARNING: Final = Dashboard(
    uid="thalweg-learning",
    title="thalweg: learning",
    description="What is decided, what it brings, and what it costs: all routes, and one of them.",
    variables=[
        query("route", "Route", "thalweg_route_decisions_total", "route", several=False),
        query("arm", "Arm", 'thalweg_route_decisions_total{route="$route"}', "arm"),
    ],
    annotations=[_INCIDENTS],
    rows=[
        Row(
            "All routes",
            [
                figure(
                    "Decisions",
                    "Decisions per second, of all workers.",
                    "thalweg:decisions:rate5m",
                    "reqps",
                ),
                figure(
                    "Explored",
                    "Share of the decisions of 15 minutes where another arm was likelier.",
                    "sum(rate(thalweg_route_explorations_total[15m]))"
                    " / sum(rate(thalweg_route_decisions_total[15m]))",
                    "percentunit",
                ),
                figure(
                    "Decisions with a reward",
                    "Rewards that joined in an hour, per decision. Near 0, nothing is learned.",
                    "thalweg:join:ratio1h",
                    "percentunit",
                ),
                figure(
                    "Spent",
                    "USD per hour, where rewards tell what calls cost.",
                    "3600 * sum(route:thalweg_route_cost_usd:rate15m)",
                    "currencyUSD",
                ),
                figure(
                    "Critical incidents",
                    "Incidents of severity critical that are open.",
                    'sum(thalweg_incidents_open{severity="critical"})',
                    bad_from=1,
                ),
                figure("Routes", "Routes that workers have state of.", "sum(thalweg_routes)"),
                Panel(
                    "Decisions by route",
                    "Per second; the ten busiest. Routes without series of their own are 'other'.",
                    [
                        (
                            "topk(10, route:thalweg_route_decisions:rate5m)",
                            "{{route}}",
                        )
                    ],
                    "reqps",
                ),
                Panel(
                    "Mean reward by route",
                    "Of 15 minutes, from 0 to 1. Rewards of routes with different objectives do "
                    "not compare; each one's changes tell.",
                    [("topk(10, route:thalweg_route_reward:mean15m)", "{{route}}")],
                    "percentunit",
                    maximum=1,
                ),
                Panel(
                    "Explored by route",
                    "Share of decisions where another arm was likelier; the ten most.",
                    [("topk(10, route:thalweg_route_exploration:ratio15m)", "{{route}}")],
                    "percentunit",
                ),
                Panel(
                    "Rewards by what became of them",
                    "Per second: counted ones are learned from; the others are not, for the reason "
                    "named.",
                    [("result:thalweg_rewards:rate15m", "{{result}}")],
                    "ops",
                ),
                Panel(
                    "Open incidents",
                    "Drift, anomalies, thresholds and the rest, by type and severity.",
                    [("sum by (type, severity) (thalweg_incidents_open)", "{{severity}} {{type}}")],
                    stacked=True,
                ),
                FIRING,
            ],
        ),
        Row(
            "Route $route",
            [
                Panel(
                    "Where the requests go",
                    "Share of each arm among the decisions of 15 minutes.",
                    [
                        (
                            f"max by (arm) ({_of_arms('thalweg_route_arm_share_ratio')})",
                            "{{arm}}",
                        )
                    ],
                    "percentunit",
                    stacked=True,
                    maximum=1,
                    width=12,
                ),
                Panel(
                    "Mean reward",
                    "Of each arm's rewards of 15 minutes, from 0 to 1.",
                    [(f"max by (arm) ({_of_arms('thalweg_route_reward_mean')})", "{{arm}}")],
                    "percentunit",
                    zero=False,
                    maximum=1,
                    width=12,
                ),
                Panel(
                    "Spread of the rewards",
                    "Standard deviation of each arm's rewards of 15 minutes: how many it takes to "
                    "tell arms apart.",
                    [
                        (
                            f"sqrt(max by (arm) ({_of_arms('thalweg_route_reward_variance')}))",
                            "{{arm}}",
                        )
                    ],
                ),
                Panel(
                    "Exploring, converged",
                    "Explored: decisions where another arm was likelier. Converged: share of the "
                    "most chosen arm.",
                    [
                        (
                            'max(thalweg_route_exploration_ratio{route="$route"})',
                            "explored",
                        ),
                        (
                            'max(thalweg_route_convergence_ratio{route="$route"})',
                            "converged",
                        ),
                    ],
                    "percentunit",
                    maximum=1,
                ),
                Panel(
                    "Regret",
                    "Estimated, per reward: the best arm's mean less the mean of all. With "
                    "segments it is pooled, and may stay above 0 for good reason.",
                    [('max(thalweg_route_regret_mean{route="$route"})', "per reward")],
                ),
                Panel(
                    "Cost of a call",
                    "Mean USD of 15 minutes, by arm.",
                    [(_of_arms("route_arm:thalweg_route_cost_usd:mean15m"), "{{arm}}")],
                    "currencyUSD",
                ),
                Panel(
                    "Spent by arm",
                    "USD per hour.",
                    [
                        (
                            f"3600 * sum by (arm) (rate({_of_arms(_COST)}[15m]))",
                            "{{arm}}",
                        )
                    ],
                    "currencyUSD",
                    stacked=True,
                ),
                Panel(
                    "Budget",
                    "USD that were spent beyond the budget and are to be repaid; below 0 what is "
                    "saved. Nothing where the policy has none.",
                    [
                        (
                            'max(thalweg_route_budget_debt_usd{route="$route"})',
                            "beyond the budget",
                        )
                    ],
                    "currencyUSD",
                    zero=False,
                ),
                Panel(
                    "Failed calls",
                    "Share of the calls whose reward said success: false, by arm.",
                    [(_of_arms("route_arm:thalweg_route_errors:ratio15m"), "{{arm}}")],
                    "percentunit",
                ),
                Panel(
                    "Latency, half of the calls",
                    "Of 15 minutes, by arm: half of the calls took less.",
                    [(_latency(0.5), "{{arm}}")],
                    "s",
                ),
                Panel(
                    "Latency, p95",
                    "Of 15 minutes, by arm: one call in twenty took longer.",
                    [(_latency(0.95), "{{arm}}")],
                    "s",
                ),
                Panel(
                    "Latency, p99",
                    "Of 15 minutes, by arm: one call in a hundred took longer.",
                    [(_latency(0.99), "{{arm}}")],
                    "s",
                ),
                Panel(
                    "Decided and rewarded",
                    "Per second: decisions, and rewards that joined theirs.",
                    [
                        ('route:thalweg_route_decisions:rate5m{route="$route"}', "decided"),
                        (
                            'sum(rate(thalweg_route_rewards_total{route="$route"}[5m]))',
                            "rewarded",
                        ),
                    ],
                    "reqps",
                ),
                Panel(
                    "Decisions with a reward",
                    "Share of the decisions made between 20 and 10 minutes ago.",
                    [('max(thalweg_route_join_ratio{route="$route"})', "joined")],
                    "percentunit",
                    maximum=1,
                ),
                Panel(
                    "Time to reward",
                    "From a decision to its reward, of 15 minutes.",
                    [(_reward_time(0.5), "p50"), (_reward_time(0.95), "p95")],
                    "s",
                ),
            ],
        ),
    ],
)
