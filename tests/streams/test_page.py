"""The page of a real worker, in a real browser."""

from __future__ import annotations

import asyncio
import random
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from aiokafka import AIOKafkaConsumer

from streams.local_kafka.settings import free_port
from tests.streams.browser import chromium, reader
from tests.streams.harness import Bench, serving

ROUTE = "acme/chat <b>1</b>"
"""Markup in a name must stay text."""
QUALITY = {"small": 0.80, "medium": 0.90, "large": 0.60}
COST_USD = {"small": 0.0004, "medium": 0.002, "large": 0.009}
LATENCY_MS = {"small": 300, "medium": 700, "large": 1_900}


class Traffic:
    """A proxy: asks for decisions, and rewards each by what its arm is worth now."""

    def __init__(self, made: Bench, decisions: AIOKafkaConsumer) -> None:
        self._made = made
        self._decisions = decisions
        self._rng = random.Random(7)
        self._asked = 0
        self.quality = dict(QUALITY)

    async def play(self, rounds: int, each: int = 50) -> None:
        """Ask ``each`` times, reward every answer, and so on."""
        for _ in range(rounds):
            waiting = {f"q{self._asked + number}" for number in range(each)}
            self._asked += each
            for one in sorted(waiting):
                await self._send(self._made.topics.requests, one)
            while waiting:
                batches = await self._decisions.getmany(timeout_ms=30_000)
                assert batches, f"no decision for {waiting}"
                for record in (one for batch in batches.values() for one in batch):
                    answer = orjson.loads(record.value)
                    if answer["request_id"] in waiting:
                        waiting.remove(answer["request_id"])
                        await self._reward(answer)

    async def _reward(self, answer: dict[str, Any]) -> None:
        arm = answer["arm"]
        await self._send(
            self._made.topics.rewards,
            answer["request_id"],
            quality=min(1.0, max(0.0, self._rng.gauss(self.quality[arm], 0.08))),
            cost_usd=COST_USD[arm] * self._rng.lognormvariate(0, 0.3),
            latency_ms=LATENCY_MS[arm] * self._rng.lognormvariate(0, 0.3),
            success=self._rng.random() > 0.01,
        )

    async def _send(self, topic: str, request_id: str, **fields: Any) -> None:
        event = {"request_id": request_id, "route": ROUTE, **fields}
        await self._made.send(topic, ROUTE, event)


@asynccontextmanager
async def traffic_of(made: Bench) -> AsyncIterator[Traffic]:
    decisions = AIOKafkaConsumer(made.topics.decisions, bootstrap_servers=made.brokers)
    await decisions.start()
    try:
        yield Traffic(made, decisions)
    finally:
        await decisions.stop()


def test_a_reader_searches_opens_a_route_and_sees_the_drift_as_it_happens(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    port = free_port(set())

    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1", web_port=port) as (made, _):
            await made.policy(
                ROUTE,
                algorithm={"name": "epsilon_greedy", "epsilon": 0.3},
                drift={"action": "restart_arm"},
            )
            for number in range(60):
                await made.policy(f"tenant-{number:02d}/assistant")
                await made.request(f"tenant-{number:02d}/assistant", f"only-{number}")
            await made.policy("new/only-a-policy")
            async with traffic_of(made) as traffic:
                await traffic.play(rounds=16)
                await asyncio.to_thread(look, traffic, asyncio.get_running_loop())

    def look(traffic: Traffic, loop: asyncio.AbstractEventLoop) -> None:
        url = f"http://127.0.0.1:{port}"
        with chromium() as browser:
            with reader(browser, url) as page:
                page.see("text=/of 62/")
                assert page.tab.locator("tbody tr").count() == 50
                page.tab.fill("#search", "only-a-policy")
                page.see("td.name", has_text="new/only-a-policy")
                page.tab.fill("#search", "ACME")
                page.see("text=1 of 62")
                page.tab.click(f"text={ROUTE}")
                page.see("h1", has_text=ROUTE)
                page.wait_for_charts()
                assert page.tab.locator(".plot >> nth=0").get_attribute("data-marks") == "0"
                for arm in ("small", "medium", "large"):
                    page.see("td.name", has_text=arm)

                traffic.quality["medium"] = 0.3
                worse = traffic.play(rounds=16)
                asyncio.run_coroutine_threadsafe(worse, loop).result(120)

                marked = page.see('.plot[data-marks]:not([data-marks="0"])')
                assert "drift medium" in marked.get_attribute("aria-label")
                page.see("li[data-incident]", has_text="medium")
                page.see("text=arm restarted")
                page.show("worker-route-light")
            address = f"{url}/#/route/{quote(ROUTE, safe='')}"
            with reader(browser, address, color_scheme="dark") as page:
                page.wait_for_charts()
                page.show("worker-route-dark")
                page.tab.click("nav >> text=Engine")
                page.see("text=Changelog ack")
                page.show("worker-engine-dark")
            with reader(browser, address, width=390, height=844) as page:
                page.wait_for_charts()
                assert page.fits()
                page.show("worker-route-phone")

    asyncio.run(main())


def _told(port: int, address: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{address}", timeout=20) as answer:
        return orjson.loads(answer.read())


def test_workers_link_to_each_other_for_the_routes_that_they_do_not_have(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    first = free_port(set())
    ports = [first, free_port({first})]
    routes = [f"tenant-{number}" for number in range(12)]

    async def main() -> None:
        one = serving(brokers, topic_prefix, tmp_path / "w1", web_port=ports[0])
        other = serving(brokers, topic_prefix, tmp_path / "w2", web_port=ports[1])
        async with one as (made, _), other:
            for number, route in enumerate(routes):
                await made.policy(route)
                await made.request(route, f"q{number}")
            await made.answers(within=60, until=len(routes))
            told = await asyncio.to_thread(tell)
        for route, found in told.items():
            assert sorted(view["whereabouts"] for view in found) == ["elsewhere", "here"], route
            here = [view["whereabouts"] for view in found].index("here")
            assert found[1 - here]["owner"] == f"http://127.0.0.1:{ports[here]}", route
        assert len({tuple(view["whereabouts"] for view in found) for found in told.values()}) == 2

    def tell() -> dict[str, list[Any]]:
        return {route: [_told(port, f"route?route={route}") for port in ports] for route in routes}

    asyncio.run(main())
