"""A worker as the source of its page."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web
from aiokafka.partitioner import murmur2
from prometheus_client import CollectorRegistry
from yarl import URL

from core.routing.summarised import RouteSummary
from schemas.state import policy_key
from streams import metrics
from streams.engine.outlook import summary
from streams.monitor.view import AlertList, RouteHistory, RouteList, Sort, WorkerView
from streams.web.api import Cycles, Peer, Reason
from streams.web.rate import Rate
from streams.web.serving import add_page

if TYPE_CHECKING:
    from streams.app.worker import WorkerApp

EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound
SHOWN_EVIDENCE: Final = 40
Samples = dict[str, dict[tuple[str, ...], float]]


def add_page_of(app: WorkerApp, application: web.Application) -> None:
    """Serve the page of a worker in its web server."""
    add_page(application, WorkerSource(app))


class WorkerSource:
    """See ``Source``. Must be asked in the worker's event loop."""

    def __init__(self, app: WorkerApp) -> None:
        self._app = app
        self._hostname = socket.gethostname()
        self._decisions = Rate()

    def status(self) -> WorkerView:
        """See ``Source``."""
        return self._app.status()

    def routes(self, search: str, sort: Sort, offset: int, limit: int) -> RouteList:
        """See ``Source``."""
        return self._app.engine.monitor.routes(search, sort, offset, limit)

    def history(self, route: str, span_ms: int) -> RouteHistory | None:
        """See ``Source``."""
        return self._app.engine.monitor.history(route, int(time.time() * 1000), span_ms)

    def summary(self, route: str) -> RouteSummary | None:
        """See ``Source``."""
        return summary(self._app.engine, route)

    def policy(self, route: str) -> dict[str, Any] | None:
        """See ``Source``. Without evidence in full, which may be long and tells people nothing."""
        found = self.summary(route)
        if found is None or found.policy_version < 0:
            return None
        key = policy_key(route, found.policy_version)
        for partition in self._app.engine.partitions:
            stored = self._app.state_table.local(partition).get(key)
            if stored is not None:
                return _readable(orjson.loads(stored))
        return None

    def alerts(self, limit: int, route: str | None) -> AlertList:
        """See ``Source``."""
        return self._app.engine.monitor.alerts(limit, route)

    def per_second(self) -> float | None:
        """See ``Source``."""
        found = self._samples(metrics.DECISIONS)
        return self._decisions.rate(_total(found, metrics.DECISIONS.samples[0]), time.monotonic())

    def cycles(self) -> Cycles:
        """See ``Source``."""
        found = self._samples(
            metrics.CYCLE_RECORDS,
            metrics.CYCLE_SECONDS,
            metrics.ACK_SECONDS,
            metrics.PUBLISH_SECONDS,
            metrics.CHANGELOG_RECORDS,
            metrics.CHANGELOG_BYTES,
            metrics.REBALANCES,
            metrics.STALE_OWNERS,
            metrics.RECOVERY_SECONDS,
        )
        recovery = _total(found, metrics.RECOVERY_SECONDS.name)
        return Cycles(
            cycles=int(_total(found, f"{metrics.CYCLE_SECONDS.name}_count")),
            records=int(_total(found, f"{metrics.CYCLE_RECORDS.name}_sum")),
            apply_ms=_mean(found, metrics.CYCLE_SECONDS.name, 1000.0),
            records_per_cycle=_mean(found, metrics.CYCLE_RECORDS.name, 1.0),
            ack_ms=_mean(found, metrics.ACK_SECONDS.name, 1000.0),
            publish_ms=_mean(found, metrics.PUBLISH_SECONDS.name, 1000.0),
            changelog_records=int(_total(found, metrics.CHANGELOG_RECORDS.samples[0])),
            changelog_bytes=int(_total(found, metrics.CHANGELOG_BYTES.samples[0])),
            rebalances=int(_total(found, metrics.REBALANCES.samples[0])),
            stale=int(_total(found, metrics.STALE_OWNERS.samples[0])),
            recovery_ms=round(recovery * 1000, 1) if recovery else None,
        )

    def rejections(self) -> list[Reason]:
        """See ``Source``."""
        return self._reasons(metrics.REJECTIONS)

    def dead_letters(self) -> list[Reason]:
        """See ``Source``."""
        return self._reasons(metrics.DEAD_LETTERS)

    def _reasons(self, metric: metrics.Metric) -> list[Reason]:
        found = self._samples(metric).get(metric.samples[0], {})
        reasons = [Reason(labels[0], int(value)) for labels, value in found.items()]
        return sorted(reasons, key=lambda one: (-one.count, one.reason))

    def _samples(self, *wanted: metrics.Metric) -> Samples:
        """By sample name, the values by labels: of these metrics alone, since all are many."""
        registry: CollectorRegistry = self._app.telemetry.registry
        names = [name for metric in wanted for name in metric.samples]
        found: Samples = {}
        for family in registry.restricted_registry(names).collect():
            for sample in family.samples:
                labels = tuple(sample.labels.values())
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    @property
    def partitions(self) -> int:
        """See ``Source``."""
        return int(self._app.conf.topic_partitions)

    @property
    def brokers(self) -> str:
        """See ``Source``."""
        return self._app.thalweg.brokers

    def partition_of(self, route: str) -> int:
        """Where Java's and aiokafka's producers send a route's events."""
        return int(murmur2(route.encode()) & 0x7FFFFFFF) % self.partitions

    def peers(self) -> list[Peer]:
        """The other workers, from what Faust's assignor tells every member of the group."""
        changelog = self._app.thalweg.changelog
        own = str(self._app.conf.canonical_url)
        return [
            Peer(self._reachable(url), sorted(topics[changelog]))
            for url, topics in sorted(self._app.router.tables_metadata().items())
            if url != own and topics.get(changelog)
        ]

    def _reachable(self, url: str) -> str:
        """The address of a page. Workers of this machine are likely bound to the same address."""
        host = self._app.thalweg.host
        found = URL(url)
        if found.host == self._hostname.lower() and host not in EVERYWHERE:
            found = found.with_host(host)
        return str(found).rstrip("/")


def _total(samples: Samples, name: str) -> float:
    return samples.get(name, {}).get((), 0.0)


def _mean(samples: Samples, name: str, scale: float) -> float | None:
    count = _total(samples, f"{name}_count")
    return round(_total(samples, f"{name}_sum") / count * scale, 2) if count else None


def _readable(policy: dict[str, Any]) -> dict[str, Any]:
    for arm in policy["arms"]:
        start = arm.get("warm_start") or {}
        evidence = start.get("evidence", "")
        if len(evidence) > SHOWN_EVIDENCE:
            start["evidence"] = f"{evidence[:SHOWN_EVIDENCE]}… ({len(evidence):,} characters)"
    return policy
