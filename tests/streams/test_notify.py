"""``thalweg notify`` as a process, with a real Kafka and receivers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import re
import socket
import urllib.request
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from aiokafka.structs import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from schemas.alert import Alert
from schemas.encode import decode_dead_letter, encode_alert
from streams.notify.bridge import committed_of
from streams.notify.window import Window
from tests.notify.alerts import drift_topic, make_alert, publish
from tests.notify.hook import Got, Hook, fine, hooked, status
from tests.notify.process import Notify
from tests.streams.harness import Bench

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())


def storm(incidents: int, alerts: int, routes: int = 7) -> list[Alert]:
    """Incidents on several routes, their alerts interleaved; each but a few ends resolved."""
    chance = random.Random(11)
    left = {f"i-{number}": alerts for number in range(incidents)}
    made = []
    while left:
        incident = chance.choice(list(left))
        number = alerts - left[incident] + 1
        left[incident] -= 1
        if not left[incident]:
            del left[incident]
        event = "opened" if number == 1 else "resolved" if number == alerts else "updated"
        route = f"acme/{int(incident[2:]) % routes}"
        made.append(make_alert(incident, number, route=route, event=event))
    return made


def by_incident(ids: list[str]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for one in ids:
        incident, _, number = one.rpartition(".")
        found[incident].append(int(number))
    return dict(found)


def webhook(hook: Hook, name: str = "hook", **more: Any) -> dict[str, Any]:
    return {"kind": "webhook", "name": name, "url": hook.url, **more}


async def letters(made: Bench, count: int) -> list[Any]:
    await made.eventually(made.topics.dead_letters, count)
    return [
        decode_dead_letter(record.value)
        for records in (await made.read(made.topics.dead_letters)).values()
        for record in records
    ]


async def done(made: Bench, group: str, partitions: int = 4) -> dict[int, Window]:
    """What the group has committed, as the windows that a restart would begin with."""
    tps = [TopicPartition(made.topics.drift, number) for number in range(partitions)]
    found = await committed_of(made.brokers, group, tps)
    return {tp.partition: Window(*found[tp]) for tp in tps}


async def count_done(made: Bench, group: str) -> int:
    """How many alerts a restart would not deliver again."""
    windows = await done(made, group)
    return sum(
        not windows[number].begin(record.offset)
        for number, records in (await made.read(made.topics.drift)).items()
        for record in records
    )


async def all_done(made: Bench, group: str) -> None:
    """Wait until the group has committed everything on the topic."""
    ends = {
        number: len(records) for number, records in (await made.read(made.topics.drift)).items()
    }
    for _ in range(600):
        found = await done(made, group)
        if all(found[number].committed == end for number, end in ends.items()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not committed: {ends}")


def test_alerts_come_as_they_are_signed_and_in_the_order_of_their_incidents(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    alerts = storm(incidents=12, alerts=5)

    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked() as hook:
            receiver = webhook(hook, secret_env="HOOK_SECRET", token_env="HOOK_TOKEN")
            with Notify(
                brokers, topic_prefix, tmp_path, [receiver], HOOK_SECRET=SECRET, HOOK_TOKEN="t0k"
            ) as notify:
                await notify.ready()
                await publish(made, *alerts)
                await hook.until(lambda: len(hook.accepted) == len(alerts))
                await all_done(made, f"{notify.group}.hook")
                notify.terminate()
                assert await notify.ended() == 0
        assert sorted(one.body for one in hook.accepted) == sorted(map(encode_alert, alerts))
        assert set(map(tuple, by_incident(hook.accepted_ids).values())) == {(1, 2, 3, 4, 5)}
        for got in hook.accepted:
            # The rules of Standard Webhooks, written out.
            named = {name.lower(): value for name, value in got.headers.items()}
            signed = f"{named['webhook-id']}.{named['webhook-timestamp']}.".encode() + got.body
            mac = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
            assert named["webhook-signature"] == f"v1,{mac}"
            assert named["webhook-id"] == named["idempotency-key"] == got.json["alert_id"]
            assert named["content-type"] == "application/json"
            assert named["authorization"] == "Bearer t0k"

    run(main)


def test_a_receiver_that_fails_and_hangs_and_recovers_gets_everything_once_and_in_order(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    alerts = storm(incidents=15, alerts=4)
    chance = random.Random(5)

    async def moody(got: Got) -> web.Response:
        mood = chance.random()
        if mood < 0.25:
            return status(500, "moody")
        if mood < 0.35:
            return status(503, "moody")
        if mood < 0.4:
            await asyncio.sleep(30)  # longer than its timeout; nobody waits for the answer
        return await fine(got)

    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked(moody) as hook:
            receiver = webhook(hook, timeout="300ms")
            with Notify(brokers, topic_prefix, tmp_path, [receiver]) as notify:
                await notify.ready()
                await publish(made, *alerts)
                await hook.until(lambda: len(hook.accepted) >= len(alerts))
                await all_done(made, f"{notify.group}.hook")
            assert len(hook.got) > len(alerts)
            assert set(map(tuple, by_incident(hook.accepted_ids).values())) == {(1, 2, 3, 4)}
            assert not await made.messages(made.topics.dead_letters)

    run(main)


def test_what_a_receiver_refuses_is_a_dead_letter_and_the_incident_goes_on(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    alerts = storm(incidents=4, alerts=3, routes=2)

    async def strict(got: Got) -> web.Response:
        refused = got.json["alert_id"] == "i-1.2"
        return status(400, f"no {got.path} here") if refused else await fine(got)

    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked(strict) as hook:
            with Notify(brokers, topic_prefix, tmp_path, [webhook(hook)]) as notify:
                await notify.ready()
                await publish(made, *alerts)
                await made.send(made.topics.drift, "acme/1", b"{broken")
                await made.producer.flush()
                await hook.until(lambda: len(hook.accepted) == len(alerts) - 1)
                found = {one.value: one for one in await letters(made, 2)}
                await all_done(made, f"{notify.group}.hook")
            assert by_incident(hook.accepted_ids)["i-1"] == [1, 3]
            assert [one.json["alert_id"] for one in hook.got].count("i-1.2") == 1
            (refused,) = [one for one in alerts if one.alert_id == "i-1.2"]
            letter = found[encode_alert(refused).decode()]
            assert letter.reason == found["{broken"].reason == "undeliverable_alert"
            assert (letter.topic, letter.key) == (made.topics.drift, refused.route)
            assert "receiver hook (webhook at 127.0.0.1) was not told" in letter.message
            assert "answered 400: no *** here" in letter.message
            assert "this is no alert" in found["{broken"].message
            assert "s3cr3t" not in notify.text + letter.message

    run(main)


def test_attempts_are_bounded_where_that_is_asked_for(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async def failing(got: Got) -> web.Response:
            return status(500) if got.json["alert_id"] == "a.1" else await fine(got)

        async with drift_topic(brokers, topic_prefix) as made, hooked(failing) as hook:
            receiver = webhook(hook, max_attempts=3)
            with Notify(brokers, topic_prefix, tmp_path, [receiver]) as notify:
                await notify.ready()
                await publish(made, make_alert("a", 1), make_alert("a", 2), make_alert("b", 1))
                await hook.until(lambda: len(hook.accepted) == 2)
                (letter,) = await letters(made, 1)
            tried = [one.json["alert_id"] for one in hook.got]
            assert tried.count("a.1") == 3
            assert tried.index("b.1") < len(tried) - 1 - tried[::-1].index("a.1")
            assert tried[-1] == "a.2"
            assert "after 3 attempts: answered 500" in letter.message

    run(main)


def test_what_waited_too_long_is_a_dead_letter_and_a_receiver_that_comes_back_gets_the_rest(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Nothing listens at first: there is nobody even to refuse."""

    async def main() -> None:
        async with hooked() as gone:
            port = gone.port
        async with drift_topic(brokers, topic_prefix) as made:
            receiver = webhook(gone, give_up_after="700ms")
            with Notify(
                brokers, topic_prefix, tmp_path, [receiver], f"--metrics-port={free_port()}"
            ) as notify:
                await notify.ready()
                await publish(made, make_alert("a", 1), make_alert("a", 2), make_alert("b", 1))
                found = await letters(made, 3)
                async with hooked(port=port) as hook:
                    await publish(made, make_alert("a", 3), make_alert("b", 2))
                    await hook.until(lambda: len(hook.accepted) == 2)
                await all_done(made, f"{notify.group}.hook")
                await notify.says("hook: accepts alerts again")
                (address,) = re.findall("metrics at (http.*)", notify.text)
                metrics = await asyncio.to_thread(scraped, address)
            assert sorted(orjson.loads(one.value)["alert_id"] for one in found) == [
                "a.1", "a.2", "b.1",
            ]  # fmt: skip
            untried = [one for one in found if "after 0 attempts: it is down: " in one.message]
            assert [orjson.loads(one.value)["alert_id"] for one in untried] == ["a.2"]
            assert all("no connection (Connect" in one.message for one in found)
            assert sorted(hook.accepted_ids) == ["a.3", "b.2"]
            assert metrics["thalweg_notify_alerts_total", "dead_letter"] == 3
            assert metrics["thalweg_notify_alerts_total", "delivered"] == 2
            assert metrics["thalweg_notify_attempts_total", "accepted"] == 2
            assert metrics["thalweg_notify_attempts_total", "transient"] >= 2
            assert metrics["thalweg_notify_receiver_down", ""] == 0

    run(main)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def scraped(address: str) -> dict[tuple[str, str], float]:
    """By name and outcome or result."""
    with urllib.request.urlopen(address, timeout=10) as response:
        text = response.read().decode()
    return {
        (sample.name, sample.labels.get("outcome") or sample.labels.get("result") or ""): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_receiver_that_asks_to_be_left_alone_is(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """With retries after 20 ms, ten incidents would knock a hundred times in that second."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first: list[float] = []

        async def limited(got: Got) -> web.Response:
            first.append(loop.time())
            if loop.time() < first[0] + 0.9:
                return status(429, "slow down", Retry_After="1")
            return await fine(got)

        async with drift_topic(brokers, topic_prefix) as made, hooked(limited) as hook:
            with Notify(brokers, topic_prefix, tmp_path, [webhook(hook)]) as notify:
                await notify.ready()
                await publish(made, *(make_alert(f"i-{number}") for number in range(10)))
                await hook.until(lambda: len(hook.accepted) == 10)
            refused = sum(one.status == 429 for one in hook.got)
            # Those that were under way together when the first was refused.
            assert 1 <= refused <= 4

    run(main)


def test_a_dead_receiver_holds_up_no_other(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    alerts = storm(incidents=10, alerts=3)

    async def dead(_: Got) -> web.Response:
        await asyncio.sleep(3_600)
        raise AssertionError

    async def main() -> None:
        async with (
            drift_topic(brokers, topic_prefix) as made,
            hooked(dead) as broken,
            hooked() as good,
            hooked() as chat,
        ):
            receivers = [
                webhook(broken, "broken", timeout="200ms"),
                webhook(good, "good"),
                {"kind": "slack", "url": "env:CHAT_URL", "min_severity": "critical"},
            ]
            with Notify(brokers, topic_prefix, tmp_path, receivers, CHAT_URL=chat.url) as notify:
                await notify.ready(receivers=3)
                await publish(made, *alerts, make_alert("mild", severity="warning"))
                await good.until(lambda: len(good.accepted) == len(alerts) + 1)
                await chat.until(lambda: len(chat.accepted) == len(alerts))
                await all_done(made, f"{notify.group}.good")
                await all_done(made, f"{notify.group}.slack")
                notify.terminate()
                assert await notify.ended() == 0
                assert "s3cr3t" not in notify.text
                assert notify.text.count("broken (127.0.0.1) is down: no answer within 0.2 s") == 1
            untold = await done(made, f"{notify.group}.broken")
            assert sum(window.committed for window in untold.values()) == 0
            assert broken.got
            assert not broken.accepted

    run(main)


def test_kill_minus_nine_loses_nothing_and_repeats_only_what_was_not_committed(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    alerts = storm(incidents=40, alerts=6)

    async def main() -> None:
        stuck = True
        gate = asyncio.Event()

        async def slow(got: Got) -> web.Response:
            if stuck and got.json["incident_id"] == "i-3":
                return status(500)
            if len(hook.accepted) >= 100:
                await gate.wait()
            return await fine(got)

        async with drift_topic(brokers, topic_prefix) as made, hooked(slow) as hook:
            with Notify(brokers, topic_prefix, tmp_path, [webhook(hook)]) as notify:
                group = f"{notify.group}.hook"
                await notify.ready()
                await publish(made, *alerts)
                await hook.until(lambda: len(hook.accepted) >= 100)
                for _ in range(600):
                    if await count_done(made, group) >= 100:
                        break
                    await asyncio.sleep(0.05)
                gate.set()
                await hook.until(lambda: len(hook.accepted) >= 130)
                notify.kill()
                await hook.until(lambda: all(one.status is not None for one in hook.got))
                first_life = hook.accepted_ids
                committed = await done(made, group)
                stuck = False
                hook.got.clear()
                notify.start()
                await hook.until(
                    lambda: {*first_life, *hook.accepted_ids} == {one.alert_id for one in alerts}
                )
                await all_done(made, group)
                second_life = hook.accepted_ids
            for life in (first_life, second_life):
                assert len(life) == len(set(life))
                for numbers in by_incident(life).values():
                    assert numbers == list(range(numbers[0], numbers[-1] + 1))
            assert "i-3" not in by_incident(first_life)
            again = set(first_life) & set(second_life)
            places = {
                orjson.loads(record.value)["alert_id"]: (partition, record.offset)
                for partition, records in (await made.read(made.topics.drift)).items()
                for record in records
            }
            for alert_id in again:
                partition, offset = places[alert_id]
                assert committed[partition].begin(offset), f"{alert_id} was committed as done"
            # The stuck incident kept its partition's offset low, and yet the rest is not repeated.
            assert len(again) <= len(first_life) - 100

    run(main)


def test_sigterm_lets_what_is_under_way_come_to_its_end(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def held(got: Got) -> web.Response:
            await release.wait()
            return await fine(got)

        async with drift_topic(brokers, topic_prefix) as made, hooked(held) as hook:
            with Notify(brokers, topic_prefix, tmp_path, [webhook(hook)]) as notify:
                await notify.ready()
                await publish(made, make_alert("a", 1), make_alert("a", 2))
                await hook.until(lambda: len(hook.got) == 1)
                notify.terminate()
                await notify.says("stopping")
                release.set()
                assert await notify.ended() == 0
                assert hook.accepted_ids == ["a.1"]
                assert "Traceback" not in notify.text
                notify.start()
                await hook.until(lambda: len(hook.got) == 2)
                await all_done(made, f"{notify.group}.hook")
            assert hook.accepted_ids == ["a.1", "a.2"]

    run(main)


def test_a_new_receiver_begins_now_and_misses_nothing_from_then_on(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked() as hook:
            await publish(made, make_alert("old", 1), make_alert("mild", 1, severity="info"))
            receiver = webhook(hook, min_severity="warning")
            with Notify(brokers, topic_prefix, tmp_path, [receiver]) as notify:
                await notify.ready()
                notify.kill()
                # Before anything was ever delivered.
                await publish(
                    made,
                    make_alert("while-away", 1),
                    make_alert("old", 2, event="resolved", severity="info"),
                    make_alert("mild", 2, event="resolved", severity="info"),
                )
                notify.start()
                await hook.until(lambda: len(hook.accepted) == 2)
                await all_done(made, f"{notify.group}.hook")
            # The end of what was told, or would have been, is told whatever its severity.
            assert sorted(hook.accepted_ids) == ["old.2", "while-away.1"]
            more = [webhook(hook, "other")]
            hook.got.clear()
            with Notify(
                brokers, topic_prefix, tmp_path, more, "--from=beginning", "--route=acme/c*",
                name="second",
            ) as notify:  # fmt: skip
                await hook.until(lambda: len(hook.accepted) == 5)
                await all_done(made, f"{notify.group}.other")
            assert by_incident(hook.accepted_ids) == {
                "old": [1, 2], "mild": [1, 2], "while-away": [1]
            }  # fmt: skip

    run(main)


def test_two_processes_share_the_work_and_one_takes_over(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    alerts = storm(incidents=20, alerts=4, routes=20)
    half = len(alerts) // 2

    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked() as hook:
            receivers = [webhook(hook)]
            one = Notify(brokers, topic_prefix, tmp_path, receivers, name="one")
            two = Notify(brokers, topic_prefix, tmp_path, receivers, name="two")
            with one:
                await one.ready()
                with two:
                    await two.ready()
                    await publish(made, *alerts[:half])
                    await hook.until(lambda: len(hook.accepted) >= half)
                    one.kill()
                    await publish(made, *alerts[half:])
                    wanted = {alert.alert_id for alert in alerts}
                    await hook.until(lambda: set(hook.accepted_ids) == wanted)
                    await all_done(made, f"{two.group}.hook")
            firsts = list(dict.fromkeys(hook.accepted_ids))
            assert set(map(tuple, by_incident(firsts).values())) == {(1, 2, 3, 4)}

    run(main)


def test_repetitions_on_the_topic_are_told_once(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    """A worker that is killed publishes some alerts again, with the same ids."""
    alerts = storm(incidents=3, alerts=3)

    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked() as hook:
            with Notify(brokers, topic_prefix, tmp_path, [webhook(hook)]) as notify:
                await notify.ready()
                await publish(made, *alerts, *alerts)
                await all_done(made, f"{notify.group}.hook")
            assert set(map(tuple, by_incident(hook.accepted_ids).values())) == {(1, 2, 3)}

    run(main)


def test_a_redirect_is_not_followed(brokers: str, topic_prefix: str, tmp_path: Path) -> None:
    async def moved(_: Got) -> web.Response:
        return status(302, Location="/elsewhere")

    async def main() -> None:
        async with drift_topic(brokers, topic_prefix) as made, hooked(moved) as hook:
            receiver = {"kind": "slack", "url": hook.url}
            with Notify(brokers, topic_prefix, tmp_path, [receiver]) as notify:
                await notify.ready()
                await publish(made, make_alert())
                (letter,) = await letters(made, 1)
            assert [one.path for one in hook.got] == ["/hook/s3cr3t-path"]
            assert "a redirect: give the URL it leads to" in letter.message

    run(main)
