"""What a worker serves to machines: metrics, and whether it lives and is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from streams.monitor.view import WorkerView

OK: Final = 200
UNAVAILABLE: Final = 503


def add_endpoints(
    application: web.Application, registry: CollectorRegistry, status: Callable[[], WorkerView]
) -> None:
    """Serve ``/metrics``, ``/health`` and ``/ready``."""

    async def metrics(_: web.Request) -> web.Response:
        """Everything in the registry, as Prometheus reads it."""
        parts = []
        for family in registry.collect():
            parts.append(generate_latest(_One(family)))
            # Decisions are made in this loop too: let them.
            await asyncio.sleep(0)
        return web.Response(body=b"".join(parts), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_: web.Request) -> web.Response:
        """200 while the worker gets on with whatever it does, else 503: then restart it."""
        found = status()
        return _json(healthy(found), found)

    async def ready(_: web.Request) -> web.Response:
        """200 while it takes in events for its partitions; 503 before, and in rebalances."""
        found = status()
        return _json(found.phase == "ready", found)

    application.router.add_get("/metrics", metrics)
    application.router.add_get("/health", health)
    application.router.add_get("/ready", ready)


class _One(CollectorRegistry):
    """A registry of one family, for the encoder of registries."""

    def __init__(self, family: Metric) -> None:
        super().__init__()
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


def healthy(status: WorkerView) -> bool:
    """Whether the worker gets on with whatever it does."""
    return status.phase != "failed"


def _json(fine: bool, status: WorkerView) -> web.Response:  # noqa: FBT001
    body: dict[str, Any] = {
        "ok": fine,
        "phase": status.phase,
        "reason": status.reason,
        "partitions": status.partitions,
        "recovery_records_left": status.recovery_left,
        "recovered_records": status.recovered,
        "loop_age_s": round(status.loop_age_s, 3),
        "version": status.version,
    }
    return web.Response(
        body=orjson.dumps(body),
        status=OK if fine else UNAVAILABLE,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
