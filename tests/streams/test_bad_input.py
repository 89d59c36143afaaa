"""Whatever is sent ends as an answer, a rejection or a dead letter, and the worker goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from tests.streams.harness import serving

ROUTE = "acme/chat"


def test_every_bad_message_is_accounted_for(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with serving(brokers, topic_prefix, tmp_path / "w1") as (made, worker):
            await _send_all(made)
            letters = await made.eventually(made.topics.dead_letters, len(DEAD) + 1, 30)
            answers = await made.eventually(made.topics.decisions, 6, 30)
            assert worker.stop() == 0
            by_value = {letter["value"]: letter for letter in letters}
            for topic, key, value, reason, hint in DEAD:
                letter = by_value[value]
                assert letter["reason"] == reason, letter
                assert hint in letter["message"], letter
                assert letter["topic"] == made.topics.of_role(topic)
                assert letter["key"] == key
            assert len(letters) == len(DEAD) + 1
            big = next(letter for letter in letters if letter["reason"] == "too_large")
            assert big["size"] > 300_000
            assert len(big["value"]) == 65_536
            by_id = {answer["request_id"]: answer for answer in answers}
            assert by_id["good"]["status"] == "decided"
            assert by_id["no-route"]["code"] == "unknown_route"
            assert "llm.policies" not in by_id["no-route"]["reason"]
            assert by_id["wrong-type"]["code"] == "invalid_request"
            assert "priority" in by_id["wrong-type"]["reason"]
            assert by_id["no-arm"]["code"] == "no_eligible_arm"
            assert by_id["default"]["arm"] in {"x", "y"}
            assert by_id["after"]["status"] == "decided"

    asyncio.run(main())


def _json(**fields: object) -> str:
    return orjson.dumps(fields).decode()


# topic role, key, value, reason, what the message must name
DEAD = [
    ("requests", ROUTE, "{broken", "invalid_json", "JSON"),
    ("requests", ROUTE, _json(route=ROUTE), "invalid_message", "request_id"),
    ("requests", ROUTE, _json(route=ROUTE, request_id=7), "invalid_message", "request_id"),
    ("requests", "other", _json(route=ROUTE, request_id="k1"), "wrong_key", "key"),
    ("requests", None, _json(route=ROUTE, request_id="k2"), "wrong_key", "no key"),
    ("rewards", ROUTE, "[]", "invalid_message", "object"),
    ("rewards", ROUTE, _json(route=ROUTE, request_id="good"), "empty_outcome", "quality"),
    (
        "rewards",
        ROUTE,
        _json(route=ROUTE, request_id="good", quality=1.5),
        "invalid_message",
        "quality",
    ),
    (
        "rewards",
        ROUTE,
        _json(route=ROUTE, request_id="never", quality=0.5),
        "unknown_request",
        "request_id",
    ),
    ("policies", "p1", _json(route="p1", version=1), "invalid_policy", "arms"),
    (
        "policies",
        ROUTE,
        _json(route=ROUTE, version=1, arms=[{"id": "z", "model": "z"}]),
        "stale_policy",
        "version",
    ),
]


async def _send_all(made) -> None:
    topics = made.topics
    await made.policy(ROUTE, 1, reward={"hold": "1s"})
    await asyncio.sleep(1)
    for role, key, value, _, _ in DEAD:
        await made.send(topics.of_role(role), key, value.encode())
    await made.send(topics.requests, ROUTE, b'{"pad": "' + b"x" * 300_000 + b'"}')
    await made.request(ROUTE, "good")
    await made.request("nobody/knows", "no-route")
    await made.request(ROUTE, "wrong-type", context={"priority": "high"})
    await made.request(ROUTE, "no-arm", candidates=["unheard-of"])
    await made.request("new/route", "default", candidates=["x", "y"])
    await made.producer.flush()
    await asyncio.sleep(2)
    await made.request(ROUTE, "after")  # moves the clock past what the unknown reward waited for
    await made.producer.flush()
