"""Every algorithm, chosen by a policy on the policy topic, in a real worker that is killed."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple, get_args

import orjson
import pytest

from schemas.policy import Algorithm, Forgetting
from schemas.state import RouteRecord
from tests.streams.harness import Bench, Worker, audit_state, bench

ROUND = 12
ROUNDS = 6
FEATURES = [
    {"encode": "vocabulary", "field": "task_type", "size": 2},
    {"encode": "log", "field": "input_tokens"},
]
SEARCH = {
    "name": "search",
    "space": {"temperature": {"low": 0.0, "high": 2.0}},
    "evaluations": 8,
    "rewards_per_evaluation": 3,
    "parallel": 2,
}
"""What a search cannot do without; every other algorithm has defaults for all."""


def _name(kind: type) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]


def _policies() -> dict[str, dict[str, Any]]:
    """By route, what its policy says beside the arms: every algorithm, every way to forget."""
    found: dict[str, dict[str, Any]] = {}
    for kind in get_args(Algorithm):
        name = _name(kind)
        changes: dict[str, Any] = {"algorithm": SEARCH if name == "search" else {"name": name}}
        if name == "search":
            changes["arms"] = [{"id": "base", "model": "models/base", "params": {"top_p": 1.0}}]
        else:
            changes |= {"context": {"features": FEATURES}, "cold_start": {"pulls": 2}}
        found[name] = changes
        if name in ("thompson_gaussian", "hybrid_linucb"):
            for forgetting in get_args(Forgetting):
                found[f"{name} {_name(forgetting)}"] = changes | {
                    "forgetting": {"name": _name(forgetting)}
                }
    return found


POLICIES = _policies()


class Outcome(NamedTuple):
    """What the topics hold after the last round."""

    answers: dict[str, dict[str, list[dict[str, Any]]]]
    """By route and request id, the distinct answers."""
    counters: dict[str, RouteRecord]
    letters: list[dict[str, Any]]


async def _round(made: Bench, number: int, chance: random.Random) -> None:
    """Requests of every route, and rewards for those of the round before."""
    for route in POLICIES:
        for one in range(ROUND):
            context = {
                "task_type": chance.choice(("code", "chat", "mail")),
                "input_tokens": chance.randrange(5_000),
            }
            await made.request(route, f"{number}-{one}", context=context)
            if number:
                quality = round(chance.random(), 3)
                await made.reward(route, f"{number - 1}-{one}", quality=quality)
    await made.producer.flush()


async def _drive(made: Bench, worker: Worker) -> Outcome:
    chance = random.Random(5)
    await worker.ready()
    for route, changes in POLICIES.items():
        await made.policy(route, **changes)
    for number in range(ROUNDS):
        await _round(made, number, chance)
        if number in (1, 3):
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            worker.kill()
            worker.start()
        if number % 2 == 0:
            await asyncio.sleep(0.5)
    total = len(POLICIES) * ROUND * ROUNDS
    joined = len(POLICIES) * ROUND * (ROUNDS - 1)
    for _ in range(120):
        answers = await _answers(made)
        counters = await audit_state(made)
        if (
            sum(map(len, answers.values())) >= total
            and sum(record.joined for record in counters.values()) >= joined
        ):
            break
        await asyncio.sleep(0.5)
    return Outcome(answers, counters, await made.messages(made.topics.dead_letters))


async def _answers(made: Bench) -> dict[str, dict[str, list[dict[str, Any]]]]:
    distinct: defaultdict[tuple[str, str], set[bytes]] = defaultdict(set)
    for records in (await made.read(made.topics.decisions)).values():
        for record in records:
            answer = orjson.loads(record.value)
            distinct[answer["route"], answer["request_id"]].add(record.value)
    found: defaultdict[str, dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for (route, request_id), values in distinct.items():
        found[route][request_id] = [orjson.loads(value) for value in values]
    return found


@pytest.fixture(scope="module")
def outcome(brokers: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One worker serves all routes, is killed twice, and what it wrote is audited."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    data_dir: Path = tmp_path_factory.mktemp("algorithms") / "worker"

    async def main() -> Outcome:
        async with bench(brokers, prefix) as made:
            worker = Worker(brokers, prefix, data_dir)
            worker.start()
            try:
                return await _drive(made, worker)
            finally:
                worker.ensure_dead()

    return asyncio.run(main())


@pytest.mark.parametrize("route", POLICIES)
def test_every_algorithm_through_a_worker_that_is_killed(outcome: Outcome, route: str) -> None:
    answers = outcome.answers[route]
    assert len(answers) == ROUND * ROUNDS
    assert {len(found) for found in answers.values()} == {1}
    decided = [found[0] for found in answers.values()]
    assert {answer["status"] for answer in decided} == {"decided"}
    assert all(0.0 < answer["propensity"] <= 1.0 for answer in decided)
    record = outcome.counters[route]
    assert (record.decided, record.joined) == (ROUND * ROUNDS, ROUND * (ROUNDS - 1))
    assert record.unlearned == 0
    assert not [letter for letter in outcome.letters if letter["key"] == route]
    arms = Counter(answer["arm"] for answer in decided)
    if route == "search":
        assert len(arms) > 2
        assert {"temperature", "top_p"} == set(decided[0]["params"])
    else:
        assert set(arms) == {"small", "medium", "large"}


def test_no_route_is_left_out(outcome: Outcome) -> None:
    """The audit of the whole state, which the fixture has made, saw every route."""
    assert set(outcome.counters) == set(POLICIES)
