"""The end of the demo: what the decisions brought, what the alerts said, how fast it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from msgspec import to_builtins

from streams.demo.alerts import Detection, Judged, detections, judged
from streams.demo.baselines import RouteResult, judge
from streams.demo.routes import DemoRoute
from streams.demo.tally import Tally
from streams.demo.workload import DemoRequest

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the tables and the JSON file say."""

    seed: int
    rate: float
    own_kafka: bool
    requests: int
    tally: Tally
    routes: Sequence[RouteResult]
    alerts: Sequence[Judged]
    detections: Sequence[Detection]

    @property
    def false_alarms(self) -> list[Judged]:
        """Alerts of type drift that the drop did not cause; warnings do not count."""
        return [
            one
            for one in self.alerts
            if one.verdict == "false alarm" and one.seen.alert.type == "drift"
        ]


def make_report(
    routes: Sequence[DemoRoute],
    requests: Sequence[DemoRequest],
    tally: Tally,
    *,
    seed: int,
    rate: float,
    own_kafka: bool,
) -> Report:
    """The report of a finished run. Requests without a decision count nowhere but as such."""
    decided = [request for request in requests if request.index in tally.chosen]
    alerts = judged(tally.alerts, tally.drop)
    return Report(
        seed=seed,
        rate=rate,
        own_kafka=own_kafka,
        requests=len(requests),
        tally=tally,
        routes=list(_results(routes, decided, tally)),
        alerts=alerts,
        detections=detections(alerts, tally.spoilt, tally.places),
    )


def _results(
    routes: Sequence[DemoRoute], decided: Sequence[DemoRequest], tally: Tally
) -> Iterable[RouteResult]:
    for route in routes:
        mine = [request for request in decided if request.route == route.name]
        if mine:
            chosen = [tally.chosen[request.index] for request in mine]
            yield judge(route, mine, chosen, tally.drop.first)


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON values; costs in USD, latencies in ms, shares and rewards in [0, 1]."""
    tally = report.tally
    return {
        "format": FORMAT,
        "seed": report.seed,
        "rate_per_s": report.rate,
        "requests": report.requests,
        "drop": asdict(tally.drop),
        "latency_is_synthetic": True,
        "decisions": {
            "sent": tally.sent,
            "decided": len(tally.chosen),
            "rejected": dict(tally.rejected),
            "unanswered": tally.unanswered,
            "repeated": tally.repeated,
            "contradicted": tally.contradicted,
            "rewarded": tally.rewarded,
            "dead_letters": dict(tally.dead_letters),
            "seconds": tally.elapsed,
            "per_second": tally.per_second,
            "latency_ms": {
                name: tally.latency_ms(fraction)
                for name, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
            },
        },
        "routes": [_route_json(result) for result in report.routes],
        "detections": [_detection_json(one) for one in report.detections],
        "alerts": [_alert_json(one) for one in report.alerts],
        "false_alarms": len(report.false_alarms),
    }


def _route_json(result: RouteResult) -> dict[str, Any]:
    return {
        "route": result.route.name,
        "policy": result.route.event(),
        "pass_mark": result.route.pass_mark,
        "requests": result.requests,
        "shares": asdict(result.shares),
        "router": asdict(result.router),
        "fixed": {arm: asdict(score) for arm, score in result.fixed.items()},
        "best_fixed": result.best,
        "best_fixed_before_drop": result.best_before,
        "best_fixed_after_drop": result.best_after,
        "dearest": result.dearest,
        "oracle": asdict(result.oracle),
        "leads": {
            arm: {**asdict(one), "verdict": one.verdict} for arm, one in result.leads.items()
        },
        "lead_over_oracle": asdict(result.oracle_lead),
        "cost_scale_usd": result.cost_scale_usd,
        "latency_scale_ms": result.latency_scale_ms,
    }


def _detection_json(one: Detection) -> dict[str, Any]:
    return {
        "route": one.place[0],
        "segment": one.place[1],
        "spoilt_answers": one.answers,
        "warning_after": one.warning.delay if one.warning else None,
        "alert_after": one.alert.delay if one.alert else None,
    }


def _alert_json(one: Judged) -> dict[str, Any]:
    return {
        "verdict": one.verdict,
        "at_s": one.seen.at_s,
        "answers_since_drop": one.seen.delay if one.seen.dropped else None,
        "alert": {
            "alert_id": one.seen.alert.alert_id,
            "type": one.seen.alert.type,
            "severity": one.seen.alert.severity,
            "route": one.seen.alert.route,
            "segment": one.seen.alert.segment,
            "arm": one.seen.alert.arm,
            "metric": one.seen.alert.metric,
            "before": to_builtins(one.seen.alert.before),
            "after": to_builtins(one.seen.alert.after),
            "action": one.seen.alert.action,
            "message": one.seen.alert.message,
        },
    }
