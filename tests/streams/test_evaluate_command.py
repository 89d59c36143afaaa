"""``thalweg evaluate`` as people type it: logs of all forms, exact joins, warnings, real topics."""

from __future__ import annotations

import asyncio
import csv
import json
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner, Result

from core.evaluation.estimators import estimate_all
from core.evaluation.logged import Logged
from streams.cli import main
from tests.core.routing import T0, Driver, R, arms

MEANS = {"a": 0.2, "b": 0.8, "c": 0.5}
EVEN = {"name": "fixed_split"}
QUALITY = {"weights": {"quality": 1.0}}


def policy(**changes: Any) -> dict[str, Any]:
    given = {"route": R, "version": 1, "arms": arms("a", "b", "c"), "objective": QUALITY}
    return {**given, "algorithm": {"name": "thompson_beta"}, **changes}


class Files:
    """Files of a test, and the command run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str | dict[str, Any] | list[dict[str, Any]]) -> str:
        path = self.folder / name
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return str(path)

    def run(self, given: dict[str, Any], *words: str) -> Result:
        file = self.write("policy.json", given)
        return CliRunner(env={"THALWEG_BROKERS": ""}).invoke(main, ["evaluate", file, *words])

    def evaluate(self, given: dict[str, Any], *logs: str, more: tuple[str, ...] = ()) -> Any:
        options = [word for log in logs for word in ("--log", log)]
        result = self.run(given, *options, "--json", *more)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def estimates(found: Any) -> dict[str, Any]:
    return {one["estimator"]: one for one in found["estimates"]}


class Traffic:
    """A router's own events for random requests; arm b is the best, a the worst."""

    def __init__(self, n: int = 120, **changes: Any) -> None:
        self.driver = Driver()
        given = policy(**changes)
        self.driver.policy(R, **{key: given[key] for key in given if key != "route"})
        rng = np.random.default_rng(3)
        self.requests: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.rewards: list[dict[str, Any]] = []
        for index in range(n):
            request = {
                "route": R,
                "request_id": f"r-{index}",
                "timestamp": T0 + index * 60_000,
                "context": {"task_type": str(rng.choice(["code", "chat"]))},
            }
            answer = self.driver.request(**request)
            reward = {
                "route": R,
                "request_id": f"r-{index}",
                "quality": float(rng.uniform() < MEANS[answer["arm"]]),
            }
            self.driver.reward(**reward)
            self.requests.append(request)
            self.decisions.append(answer)
            self.rewards.append(reward)

    def rows(self) -> list[dict[str, Any]]:
        """One row per decision."""
        return [
            {
                "arm": answer["arm"],
                "propensity": answer["propensity"],
                "quality": reward["quality"],
                "task_type": request["context"]["task_type"],
                "timestamp": request["timestamp"],
            }
            for request, answer, reward in zip(
                self.requests, self.decisions, self.rewards, strict=True
            )
        ]


def test_events_in_any_order_and_single_rows_say_the_same(files: Files) -> None:
    traffic = Traffic(algorithm=EVEN)
    candidate = policy(
        algorithm={"name": "linucb"},
        context={"features": [{"encode": "one_hot", "field": "task_type", "values": ["code"]}]},
    )
    events = [
        files.write(name, rows)
        for name, rows in (
            ("w.jsonl", traffic.rewards[::-1]),
            ("d.jsonl", traffic.decisions),
            ("q.jsonl", traffic.requests[::-1]),
        )
    ]
    text = files.folder / "log.csv"
    with text.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(traffic.rows()[0]))
        writer.writeheader()
        writer.writerows(traffic.rows())
    by_events = files.evaluate(candidate, *events)
    by_rows = files.evaluate(candidate, files.write("rows.jsonl", traffic.rows()))
    by_csv = files.evaluate(candidate, str(text))
    assert by_events.pop("rows_read") == 3 * by_rows.pop("rows_read") == 3 * by_csv.pop("rows_read")
    assert by_events == by_rows == by_csv
    assert by_events["decisions"] == 120
    assert by_events["skipped"] == {}


def test_the_estimates_are_those_of_the_formulas(files: Files) -> None:
    """For fixed shares, everything can be computed by hand."""
    traffic = Traffic(algorithm={"name": "epsilon_greedy", "epsilon": 0.6})
    shares = {"a": 0.25, "b": 0.75}
    log = files.write("log.jsonl", traffic.rows())
    found = files.evaluate(policy(algorithm={**EVEN, "shares": shares}), log)
    n = len(traffic.rows())
    logged = Logged(
        np.array(["abc".index(row["arm"]) for row in traffic.rows()]),
        np.array([row["propensity"] for row in traffic.rows()]),
        np.array([row["quality"] for row in traffic.rows()]),
        np.tile([0.25, 0.75, 0.0], (n, 1)),
    )
    expected = estimate_all(logged, np.zeros((n, 3)))
    told = estimates(found)
    for name in ("ips", "clipped", "snips"):
        interval = expected[name].interval(0.95)
        assert told[name]["value"] == pytest.approx(expected[name].value, abs=1e-12)
        assert told[name]["low"] == pytest.approx(interval.low, abs=1e-12)
        against = expected[name].value - logged.rewards.mean()
        assert told[name]["against_log"][0] == pytest.approx(against, abs=1e-12)
    assert told.keys() == {
        "replay", "ips", "clipped", "snips", "dm", "dr", "sndr", "switch_dr", "anytime",
    }  # fmt: skip
    assert found["candidate"] == "fixed"
    assert found["log"]["value"] == pytest.approx(logged.rewards.mean())
    assert [arm["candidate_share"] for arm in found["arms"]] == pytest.approx([0.25, 0.75, 0.0])
    assert found["arms"][2]["largest_weight"] == 0.0


def test_a_policy_that_learns_is_evaluated_as_it_learns(files: Files) -> None:
    traffic = Traffic(1_500, algorithm=EVEN)
    log = files.write("log.jsonl", traffic.rows())
    learning = files.evaluate(policy(), log)
    fixed = files.evaluate(policy(), log, more=("--fixed",))
    assert (learning["candidate"], fixed["candidate"]) == ("learning", "fixed")
    # As it begins it is even, as the log was: 0.5. Learning, it moves to 0.8.
    assert estimates(fixed)["snips"]["value"] == pytest.approx(0.5, abs=0.03)
    assert fixed["arms"][1]["candidate_share"] == pytest.approx(1 / 3)
    dr = estimates(learning)["dr"]
    assert dr["low"] < 0.78 < dr["high"]
    assert estimates(learning)["replay"]["value"] == pytest.approx(dr["value"], abs=0.05)
    assert learning["arms"][1]["candidate_share"] > 0.85
    assert learning["acceptance"] == pytest.approx(1 / 3)
    assert 400 < learning["accepted"] < 600
    always = learning["arms"][1]["always"]
    assert always["low"] < 0.8 < always["high"]


def test_rewards_teach_the_arm_that_served_and_count_for_the_one_decided(files: Files) -> None:
    """Every decision for b fell back to c and succeeded: b is worth 1, and c learns that."""
    events = []
    for index in range(400):
        arm = "ab"[index % 2]
        name = f"r-{index}"
        events += [
            {"route": R, "request_id": name, "status": "decided", "arm": arm, "propensity": 0.5},
            {"route": R, "request_id": name, "quality": float(arm == "b")}
            | ({"arm": "c"} if arm == "b" else {}),
        ]
    found = files.evaluate(policy(), files.write("log.jsonl", events))
    assert [arm["mean_reward"] for arm in found["arms"]] == [0.0, 1.0, None]
    assert found["arms"][2]["candidate_share"] > 0.5
    assert found["arms"][1]["always"]["value"] == pytest.approx(1.0, abs=0.01)


def test_parts_of_an_outcome_merge(files: Files) -> None:
    given = policy(objective={"weights": {"quality": 1, "cost": 1}, "cost_scale_usd": 0.1})
    events: list[dict[str, Any]] = []
    for index in range(4):
        name = f"r-{index}"
        events += [
            {"request_id": name, "cost_usd": 0.05, "quality": 0.1, "final": False},
            {"request_id": name, "arm": "a", "propensity": 0.5},
            {"request_id": name, "quality": 1.0},
            {"request_id": name, "quality": 0.0},
        ]
    found = files.evaluate(given, files.write("log.jsonl", events))
    assert found["log"]["value"] == pytest.approx(0.75)
    assert found["skipped"] == {"repeated": 4}


def test_every_row_that_is_not_used_has_a_reason(files: Files) -> None:
    good = {"arm": "a", "propensity": 0.5, "quality": 1.0, "context": {}, "timestamp": T0}
    rows: list[Any] = [
        good, good,
        {**good, "route": "other"},
        {**good, "propensity": 1.5},
        {**good, "propensity": 0.0},
        {"arm": "a", "quality": 1.0},
        {"propensity": 0.5, "quality": 1.0},
        {"arm": "a", "propensity": 0.5},
        {"request_id": "r", "status": "rejected", "code": "no_eligible_arm", "reason": "none"},
        {**good, "candidates": ["x"]},
        {"arm": "a", "propensity": 0.5, "quality": 1.0},
        {"arm": "a", "propensity": 0.5, "quality": 1.0, "context": {}},
        {**good, "quality": None, "latency_ms": 5},
        {**good, "colour": "red"},
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rows) + "[1]\n"
    given = policy(algorithm={"name": "linucb"})
    result = files.run(given, "--log", files.write("log.jsonl", lines))
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    for reason, count in {
        "other route": 1,
        "invalid value": 1,
        "no propensity": 2,
        "no arm": 1,
        "no outcome": 1,
        "rejected": 1,
        "no eligible arm": 1,
        "no context": 1,
        "no timestamp": 1,
        "no reward": 1,
        "unreadable": 1,
    }.items():
        assert f" {reason}: {count}, e.g. " in text, result.stdout
    assert "15 rows read, 12 not used" in result.stdout
    assert "ignored: colour" in result.stdout
    assert "of 3 logged decisions" in result.stdout


def test_missing_and_thin_support_are_told(files: Files) -> None:
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(500):
        rare = rng.uniform() < 0.01
        rows.append(
            {"arm": "b" if rare else "a", "propensity": 0.01 if rare else 0.99, "quality": 0.5}
        )
    log = files.write("log.jsonl", rows)
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    result = files.run(policy(algorithm={**EVEN, "shares": shares}), "--log", log)
    text = " ".join(result.stdout.split())
    assert "no support: the candidate gives 20.00% of its choices to arm 'c'" in text
    assert "thin support: the candidate gives 30.00% of its choices to arm 'b'" in text
    half = files.evaluate(policy(algorithm={**EVEN, "shares": {"a": 0.5, "c": 0.5}}), log)
    assert any("the mean weight is 0.5" in text for text in half["warnings"])
    even = files.evaluate(policy(algorithm={**EVEN, "shares": {"a": 0.99, "b": 0.01}}), log)
    assert [text for text in even["warnings"] if "no support" in text] == []


def test_a_short_history_and_clipped_rows_are_told(files: Files) -> None:
    traffic = Traffic(400, algorithm={"name": "epsilon_greedy", "epsilon": 0.1})
    log = files.write("log.jsonl", traffic.rows())
    clipped = files.evaluate(policy(), log, more=("--accept-quantile", "0.5"))
    assert clipped["clipped"] > 4
    assert any("accepted more than once" in text for text in clipped["warnings"])
    exact = files.evaluate(policy(), log, more=("--accept-quantile", "0"))
    assert exact["clipped"] == 0
    assert exact["accepted"] < 100
    assert any("learned from" in text for text in exact["warnings"])
    assert files.evaluate(policy(), log, more=("--accept-quantile", "0")) == exact
    other = files.evaluate(policy(), log, more=("--accept-quantile", "0", "--seed", "1"))
    assert other["accepted"] != exact["accepted"] or other["estimates"] != exact["estimates"]


def test_the_table_tells_estimates_arms_and_weights(files: Files) -> None:
    log = files.write("log.jsonl", Traffic(200, algorithm=EVEN).rows())
    result = files.run(policy(), "--log", log, "--interval", "bootstrap", "--level", "0.9")
    assert result.exit_code == 0, result.output
    assert f"{R} version 1, thompson_beta, as it learns along the log" in result.stdout
    assert "90 %" in result.stdout
    assert "intervals by the bootstrap" in result.stdout
    assert "effective sample size" in result.stdout
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    for name in ("the log itself", "replay", "snips", "switch_dr", "anytime", "a ", "b ", "c "):
        assert any(line.startswith(name) for line in result.stdout.splitlines()), name


def test_mistakes_are_told_in_one_line(files: Files) -> None:
    log = files.write("log.jsonl", Traffic(5, algorithm=EVEN).rows())
    search = {"name": "search", "space": {"temperature": {"low": 0, "high": 1}}}
    other = files.write("other.jsonl", [{"route": "x"}])
    cases = [
        (policy(arms=arms("a"), algorithm=search), ["--log", log], "searches for parameters"),
        (policy(), [], "give either --log, once or more, or --from-topics"),
        (policy(), ["--log", log, "--from-topics"], "give either --log"),
        (
            policy(route="other"),
            ["--log", other],
            "other route: 1",
        ),
        (policy(version="x"), ["--log", log], "version: Expected `int`"),
        (
            policy(),
            ["--log", files.write("empty.jsonl", "")],
            "and none of the log's can be used: it has nothing of route 'acme/chat'",
        ),
    ]
    for given, words, problem in cases:
        result = files.run(given, *words)
        assert result.exit_code != 0
        assert problem in result.output
        assert "Traceback" not in result.output
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    result = files.run(policy(), "--from-topics", "--brokers", address)
    assert result.exit_code == 1
    assert f"no Kafka answers at {address}" in result.output


def test_parquet_without_its_library_says_what_to_install(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    log = files.write("log.parquet", "PAR1")
    result = files.run(policy(), "--log", log)
    assert result.exit_code == 1
    assert "pip install pyarrow" in result.output


class ParquetStandIn:
    """What of pyarrow the command uses; the real library is no dependency."""

    class ArrowException(Exception):  # noqa: N818 - as it is called there
        pass

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def ParquetFile(self, path: Path) -> ParquetStandIn:  # noqa: N802 - as above
        if path.read_bytes() != b"PAR1":
            raise self.ArrowException("no magic bytes")
        return self

    def iter_batches(self) -> Iterator[Any]:
        for start in range(0, len(self._rows), 50):
            batch = self._rows[start : start + 50]
            yield SimpleNamespace(to_pylist=lambda batch=batch: batch)


def test_parquet_says_what_json_lines_say(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty cells are there as None, and times as datetimes."""
    rows = Traffic(120, algorithm=EVEN).rows()
    typed = [
        {
            **row,
            "timestamp": datetime.fromtimestamp(row["timestamp"] / 1_000, UTC),
            "cost_usd": None,
        }
        for row in rows
    ]
    library = ParquetStandIn(typed)
    monkeypatch.setitem(sys.modules, "pyarrow", library)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", library)
    given = policy(algorithm={"name": "linucb"})
    by_parquet = files.evaluate(given, files.write("log.parquet", "PAR1"))
    assert by_parquet == files.evaluate(given, files.write("log.jsonl", rows))
    result = files.run(given, "--log", files.write("bad.parquet", "PAR"))
    assert result.exit_code == 1
    assert "not a Parquet file that can be read (no magic bytes)" in result.output


async def produce(brokers: str, prefix: str, traffic: Traffic) -> None:
    """Put the traffic's events on topics, with another route's and broken ones between them."""
    topics = {
        f"{prefix}requests": traffic.requests,
        f"{prefix}decisions": traffic.decisions,
        f"{prefix}rewards": traffic.rewards,
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1) for name in topics])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    for name, events in topics.items():
        for event in events:
            await producer.send(name, json.dumps(event).encode(), key=R.encode())
            await producer.send(name, b'{"route": "x"}', key=b"x")
        await producer.send(name, b"not json", key=R.encode())
    await producer.flush()
    await producer.stop()


async def drop(brokers: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    await admin.delete_topics([f"{prefix}{name}" for name in ("requests", "decisions", "rewards")])
    await admin.close()


def test_the_topics_say_what_their_events_say_in_files(
    brokers: str, topic_prefix: str, files: Files
) -> None:
    traffic = Traffic(60, algorithm=EVEN)
    asyncio.run(produce(brokers, topic_prefix, traffic))
    try:
        words = ("--from-topics", "--brokers", brokers, "--topic-prefix", topic_prefix, "--json")
        result = files.run(policy(), *words)
    finally:
        asyncio.run(drop(brokers, topic_prefix))
    assert result.exit_code == 0, result.output
    by_topics = json.loads(result.stdout)
    by_files = files.evaluate(
        policy(),
        *(
            files.write(f"{name}.jsonl", rows)
            for name, rows in (
                ("requests", traffic.requests),
                ("decisions", traffic.decisions),
                ("rewards", traffic.rewards),
            )
        ),
    )
    assert by_topics.pop("rows_read") == by_files.pop("rows_read") + 3
    assert by_topics.pop("skipped") == {"unreadable": 3}
    assert by_files.pop("skipped") == {}
    assert by_topics == by_files
