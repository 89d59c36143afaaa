"""What a worker serves over HTTP to machines."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from tests.streams.harness import Worker, serving

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 where nothing listens yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b"{}"


def _scrape(port: int) -> Samples:
    text = _get(port, "/metrics")[1].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def _until(port: int, path: str, fits: Callable[[int, Any], bool]) -> tuple[int, Any]:
    """The first answer that fits; an assertion fails after a minute without one."""
    deadline = time.monotonic() + 60
    while True:
        status, body = await asyncio.to_thread(_get, port, path)
        answer = orjson.loads(body)
        if fits(status, answer):
            return status, answer
        assert time.monotonic() < deadline, (status, answer)
        await asyncio.sleep(0.05)


async def _until_scraped(port: int, fits: Callable[[Samples], bool]) -> Samples:
    deadline = time.monotonic() + 60
    while True:
        found = await asyncio.to_thread(_scrape, port)
        if fits(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


def test_metrics_count_what_happened(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    async def main() -> None:
        port = _free_port()
        async with serving(brokers, topic_prefix, tmp_path / "w1", web_port=port) as (made, _):
            await made.policy("r", 1)
            await made.policy("r", 1, arms=[{"id": "other", "model": "m"}])
            await asyncio.sleep(1)
            for number in range(5):
                await made.request("r", f"q{number}")
            await made.send(made.topics.requests, "r", b"{broken")
            await made.request("nobody", "q")
            await made.producer.flush()
            assert len(await made.answers(within=30, until=6)) == 6
            for number in range(4):
                await made.reward(
                    "r", f"q{number}", quality=0.5, cost_usd=0.25, latency_ms=300, success=True
                )
            await made.reward("r", "q0", quality=0.9)
            await made.producer.flush()
            await made.eventually(made.topics.dead_letters, 3)
            found = await _until_scraped(
                port, lambda one: _value(one, "thalweg_dead_letters_total",
                                         reason="contradicting_reward") == 1
                if ("thalweg_dead_letters_total",
                    frozenset({("reason", "contradicting_reward")})) in one else False
            )  # fmt: skip
        assert _value(found, "thalweg_ready") == 1
        assert _value(found, "thalweg_partitions_owned") == 4
        assert _value(found, "thalweg_claims_total") == 4
        assert _value(found, "thalweg_rebalances_total") == 0
        assert _value(found, "thalweg_decisions_total") == 5
        assert _value(found, "thalweg_records_applied_total", role="requests") == 7
        assert _value(found, "thalweg_records_applied_total", role="rewards") == 5
        assert _value(found, "thalweg_records_applied_total", role="policies") == 2
        for reason in ("invalid_json", "stale_policy", "contradicting_reward"):
            assert _value(found, "thalweg_dead_letters_total", reason=reason) == 1
        assert _value(found, "thalweg_outputs_total", role="dead_letters") == 3
        assert _value(found, "thalweg_rejections_total", code="unknown_route") == 1
        assert _value(found, "thalweg_rewards_total", result="counted") == 4
        assert _value(found, "thalweg_rewards_total", result="contradicting") == 1
        assert _value(found, "thalweg_rewards_total", result="late") == 0
        assert _value(found, "thalweg_changelog_records_total") > 5
        assert _value(found, "thalweg_cycle_records_sum") == 14
        assert _value(found, "thalweg_publish_seconds_count") > 0
        assert _value(found, "thalweg_open_decisions") == 5
        assert _value(found, "thalweg_state_keys") > 5
        for role in ("policies", "requests", "rewards"):
            assert _value(found, "thalweg_input_lag_records", role=role) == 0
            assert _value(found, "thalweg_input_lag_seconds", role=role) == 0
        assert _value(found, "thalweg_routes") == 1
        assert _value(found, "thalweg_route_rewards_total", route="r") == 4
        arms = [
            (_value(found, "thalweg_route_decisions_total", route="r", arm=arm),
             _value(found, "thalweg_route_cost_usd_sum", route="r", arm=arm))
            for arm in ("small", "medium", "large")
            if ("thalweg_route_decisions_total", frozenset({("route", "r"), ("arm", arm)})) in found
        ]  # fmt: skip
        assert sum(decided for decided, _ in arms) == 5
        assert sum(cost for _, cost in arms) == 1.0
        assert _value(found, "process_resident_memory_bytes") > 0

    asyncio.run(main())


def test_a_worker_is_healthy_from_its_start_and_ready_once_the_group_has_let_it_in(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """While a member of the group is paused, the group waits for it, and the newcomer with it."""

    async def main() -> None:
        old_port, new_port = _free_port(), _free_port()
        async with serving(brokers, topic_prefix, tmp_path / "w1", web_port=old_port) as (_, old):
            new = Worker(brokers, topic_prefix, tmp_path / "w2", web_port=new_port)
            old.pause()
            new.start()
            try:
                _, body = await _until(new_port, "/ready", lambda status, _: status == 503)
                assert body["phase"] == "starting"
                assert "consumer group" in body["reason"]
                assert (await asyncio.to_thread(_get, new_port, "/health"))[0] == 200
                old.resume()
                _, body = await _until(new_port, "/ready", lambda status, _: status == 200)
                assert body["phase"] == "ready"
                both = set(body["partitions"])
                _, body = await _until(
                    old_port, "/ready",
                    lambda status, body: status == 200 and len(body["partitions"]) < 4,
                )  # fmt: skip
                assert both | set(body["partitions"]) == set(range(4))
                found = await asyncio.to_thread(_scrape, old_port)
                assert _value(found, "thalweg_rebalances_total") >= 1
            finally:
                new.ensure_dead()

    asyncio.run(main())


def test_a_worker_tells_what_it_has_recovered(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await made.policy("r", 1)
            await asyncio.sleep(1)
            for number in range(50):
                await made.request("r", f"q{number}")
            await made.producer.flush()
            assert len(await made.answers(within=30, until=50)) == 50
            worker.kill()
            port = _free_port()
            again = Worker(brokers, topic_prefix, tmp_path / "w2", web_port=port)
            again.start()
            try:
                await again.ready()
                _, body = await _until(port, "/ready", lambda status, _: status == 200)
                found = await asyncio.to_thread(_scrape, port)
                _, routes = body, _value(found, "thalweg_routes")
            finally:
                again.ensure_dead()
            assert body["recovered_records"] > 50
            assert body["recovery_records_left"] == 0
            assert _value(found, "thalweg_recovered_records_total") == body["recovered_records"]
            assert _value(found, "thalweg_recovery_seconds") > 0
            assert _value(found, "thalweg_open_decisions") == 50
            assert routes == 1
            assert f"recovered {body['recovered_records']} changelog records in" in again.tail()

    asyncio.run(main())


def test_a_worker_that_no_partition_is_left_for_is_ready_to_take_over(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        ports = _free_port(), _free_port()
        workers = [
            Worker(brokers, topic_prefix, tmp_path / f"w{port}", "--partitions=1", web_port=port)
            for port in ports
        ]
        try:
            workers[0].start()
            await workers[0].ready()
            workers[1].start()
            await _until(ports[1], "/ready", lambda status, _: status == 200)
            owned = []
            for port in ports:
                _, body = await _until(port, "/ready", lambda status, _: status == 200)
                owned.append(body["partitions"])
            assert sorted(owned) == [[], [0]]
        finally:
            for worker in workers:
                worker.ensure_dead()

    asyncio.run(main())
