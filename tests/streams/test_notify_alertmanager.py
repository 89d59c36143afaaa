"""``thalweg notify --alertmanager``, as Alertmanager sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.notify.alertmanager import Alertmanager, an_alertmanager, problems
from tests.notify.alerts import OPENED, drift_topic, make_alert, publish
from tests.notify.hook import Got, fine, hooked, status
from tests.notify.process import Notify


async def until_firing(
    alertmanager: Alertmanager, condition: Callable[[dict[str, dict[str, Any]]], bool]
) -> dict[str, dict[str, Any]]:
    """What fires, by incident, once the condition holds."""
    for _ in range(600):
        found = await alertmanager.firing()
        by_incident = {one["labels"]["incident"]: one for one in found}
        if len(by_incident) == len(found) and condition(by_incident):
            return by_incident
        await asyncio.sleep(0.05)
    raise AssertionError(f"never so; firing are {[one['labels'] for one in found]}")


def test_alertmanager_knows_what_is_open_and_nothing_else(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Reminders come every 300 ms and hold for 1.2 s: whatever fires for longer was reminded of."""

    async def main() -> None:
        async with (
            drift_topic(brokers, topic_prefix) as made,
            an_alertmanager(tmp_path) as alertmanager,
        ):
            receiver = {"kind": "alertmanager", "url": alertmanager.url, "resend": "300ms"}
            page = "--page-url=https://thalweg.example/routes/{route}"
            with Notify(brokers, topic_prefix, tmp_path, [receiver], page) as notify:
                await notify.ready()
                await publish(
                    made,
                    make_alert("open"),
                    make_alert("short"),
                    make_alert("short", 2, event="resolved"),
                    make_alert("graver", type="warning", severity="warning"),
                    make_alert("graver", 2),
                    make_alert("told", event="notice", type="experiment", action="adopted"),
                )
                found = await until_firing(
                    alertmanager,
                    lambda firing: (
                        set(firing) == {"open", "graver", "told"}
                        and firing["graver"]["labels"]["severity"] == "critical"
                    ),
                )
                assert found["open"]["labels"] == {
                    "alertname": "ThalwegDrift",
                    "severity": "critical",
                    "route": "acme/chat",
                    "arm": "gpt-5",
                    "segment": "task_type=code",
                    "metric": "quality",
                    "incident": "open",
                }
                assert found["open"]["startsAt"].startswith("2026-05-04T12:00:00")
                assert found["open"]["annotations"]["summary"] == make_alert().message
                link = "https://thalweg.example/routes/acme%2Fchat"
                assert found["open"]["generatorURL"] == link
                ends = set()
                for _ in range(40):
                    firing = await until_firing(alertmanager, lambda firing: "open" in firing)
                    ends.add(firing["open"]["endsAt"])
                    await asyncio.sleep(0.05)
                assert len(ends) > 3

                notify.kill()
                await until_firing(alertmanager, lambda firing: set(firing) == {"told"})
                notify.start()
                await until_firing(
                    alertmanager, lambda firing: set(firing) == {"open", "graver", "told"}
                )
                await publish(
                    made,
                    make_alert("open", 2, event="resolved", severity="info"),
                    make_alert("graver", 3, event="resolved"),
                )
                await until_firing(alertmanager, lambda firing: set(firing) == {"told"})
                assert "not told" not in notify.text

    asyncio.run(main())


def test_many_incidents_go_in_few_requests_and_a_bad_one_harms_no_other(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    alerts = [make_alert(f"i-{number}", route=f"acme/{number % 5}") for number in range(250)]

    async def main() -> None:
        gate = asyncio.Event()

        async def picky(got: Got) -> web.Response:
            await gate.wait()
            assert problems(got.json) == []
            bad = any(one["labels"]["incident"] == "i-7" for one in got.json)
            return status(400, "bad alert") if bad else await fine(got)

        async with drift_topic(brokers, topic_prefix) as made, hooked(picky) as hook:
            receiver = {"kind": "alertmanager", "url": f"http://127.0.0.1:{hook.port}"}
            with Notify(brokers, topic_prefix, tmp_path, [receiver]) as notify:
                await notify.ready()
                await publish(made, *alerts)
                gate.set()

                def told() -> set[str]:
                    return {one["labels"]["incident"] for got in hook.accepted for one in got.json}

                await hook.until(lambda: len(told()) == 249)
                (letter,) = await made.eventually(made.topics.dead_letters, 1)
                notify.terminate()
                assert await notify.ended() == 0
            assert "answered 400: bad alert" in letter["message"]
            assert '"i-7.1"' in letter["value"]
            assert {len(got.json) for got in hook.got} > {1}
            # One by one are only those that were in a request with the bad one.
            assert len(hook.got) <= 100 + 10
            assert all(
                one["startsAt"] == "2026-05-04T12:00:00.000+00:00"
                for got in hook.got
                for one in got.json
            )
            assert OPENED == 1_777_896_000_000

    asyncio.run(main())
