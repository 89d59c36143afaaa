"""What a worker tells machines about itself, without a worker."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Counter

from streams.monitor.view import Phase, WorkerView
from streams.web.endpoints import add_endpoints
from tests.streams.test_monitor_metrics import STATUS


def _ask(status: WorkerView, path: str) -> tuple[int, Any, str]:
    async def main() -> tuple[int, Any, str]:
        registry = CollectorRegistry()
        Counter("things", "Things.", registry=registry).inc(3)
        application = web.Application()
        add_endpoints(application, registry, lambda: status)
        async with TestClient(TestServer(application)) as client:
            response = await client.get(path)
            kind = response.headers["Content-Type"]
            body = await (response.text() if path == "/metrics" else response.json())
            return response.status, body, kind

    return asyncio.run(main())


@pytest.mark.parametrize(
    "phase", ["starting", "recovering", "claiming", "rebalancing", "stopping", "failed"]
)
def test_a_worker_is_not_ready_before_it_takes_in_events(phase: Phase) -> None:
    status = msgspec.structs.replace(STATUS, phase=phase, reason="because", recovery_left=42)
    code, body, _ = _ask(status, "/ready")
    assert code == 503
    assert body["ok"] is False
    assert (body["phase"], body["reason"], body["recovery_records_left"]) == (phase, "because", 42)


def test_a_ready_worker_says_what_it_owns() -> None:
    code, body, _ = _ask(STATUS, "/ready")
    assert code == 200
    assert body["ok"] is True
    assert body["partitions"] == [0, 3]


@pytest.mark.parametrize("phase", ["starting", "recovering", "claiming", "ready", "rebalancing"])
def test_a_worker_that_gets_on_is_healthy_whatever_it_does(phase: Phase) -> None:
    assert _ask(msgspec.structs.replace(STATUS, phase=phase), "/health")[0] == 200


def test_a_worker_whose_loop_stands_still_is_not_healthy() -> None:
    status = msgspec.structs.replace(STATUS, phase="failed", reason="it stands still")
    code, body, kind = _ask(status, "/health")
    assert (code, body["reason"]) == (503, "it stands still")
    assert kind.startswith("application/json")


def test_metrics_say_which_format_they_have() -> None:
    code, body, kind = _ask(STATUS, "/metrics")
    assert code == 200
    assert kind.startswith("text/plain; version=")
    assert "things_total 3.0" in body
