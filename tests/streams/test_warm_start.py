"""``thalweg warm-start``: what a log teaches is what the router would have learned."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from core.bandits.registry import make_bandit
from core.routing.compiled import CompiledPolicy
from core.routing.part import Inputs
from schemas.decode import decode_policy
from schemas.policy import ThompsonBeta
from schemas.state import arm_key, decode_arm
from streams.cli import main
from tests.core.routing import T0, Driver, R

BETA = {"name": "thompson_beta"}
TASKS = {"features": [{"encode": "one_hot", "field": "task_type", "values": ["code", "chat"]}]}

TIMED = {"features": [{"encode": "cyclical", "field": "hour"}, *TASKS["features"]]}


def policy(**changes: Any) -> dict[str, Any]:
    arms = [{"id": name, "model": f"models/{name}"} for name in ("a", "b", "c")]
    return {"route": R, "version": 1, "arms": arms, "algorithm": BETA, **changes}


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

    def run(self, given: dict[str, Any], *logs: str, options: tuple[str, ...] = ()) -> Result:
        file = self.write("policy.json", given)
        return CliRunner().invoke(main, ["warm-start", file, *logs, *options])

    def learn(self, given: dict[str, Any], *logs: str) -> CompiledPolicy:
        """The policy that the command makes, as a worker takes it."""
        result = self.run(given, *logs)
        assert result.exit_code == 0, result.output
        made = decode_policy(result.stdout.encode())
        compiled = CompiledPolicy(made, 1)
        assert compiled.problems == []
        return compiled


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def evidence(compiled: CompiledPolicy) -> dict[str, bytes | None]:
    return {
        arm.id: None if arm.warm_start is None else arm.warm_start.evidence
        for arm in compiled.policy.arms
    }


def beta_evidence(rewards: list[float]) -> bytes:
    bandit = make_bandit(ThompsonBeta(), 0)
    state = bandit.new(None)
    for reward in rewards:
        bandit.learn(state, np.zeros(0), reward)
    return bandit.encode(state)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"algorithm": {"name": "thompson_gaussian"}, "objective": {"preset": "balanced"}},
        {"algorithm": {"name": "linucb"}, "context": TIMED},
        {"algorithm": {"name": "hybrid_linucb"}, "context": TASKS},
        {
            "algorithm": {"name": "linear_thompson"},
            "context": TASKS,
            "forgetting": {"name": "discount", "factor": 0.9},
        },
        {"forgetting": {"name": "sliding_window", "rewards": 16}},
        {"cold_start": {"prior": {"mean": 0.9, "weight": 5}}},
    ],
    ids=["beta", "gaussian", "linucb", "hybrid", "discounted", "window", "prior"],
)
def test_the_routers_own_events_teach_what_the_router_learned(
    changes: dict[str, Any], files: Files
) -> None:
    """Bit for bit, with parts, fallbacks and repeats among the rewards."""
    given = policy(**changes)
    driver = Driver()
    driver.policy(R, **{name: value for name, value in given.items() if name != "route"})
    rng = np.random.default_rng(6)
    requests, decisions, rewards = [], [], []
    for index in range(40):
        name = f"r-{index}"
        request = {
            "route": R,
            "request_id": name,
            "timestamp": T0 + index * 3_600_000,
            "context": {"task_type": str(rng.choice(["code", "chat", "maths"]))},
        }
        answer = driver.request(**request)
        requests.append(request)
        decisions.append(answer)
        reward: dict[str, Any] = {
            "route": R,
            "request_id": name,
            "quality": round(float(rng.uniform()), 3),
        }
        if index % 5 == 0:
            rewards.append({**reward, "final": False, "cost_usd": 0.01, "quality": 0.1})
            driver.reward(**rewards[-1])
        if index % 7 == 0:
            reward["arm"] = "c"
        if index % 3 == 0:
            reward |= {"cost_usd": round(float(rng.uniform(0.0, 0.02)), 5), "latency_ms": 100}
        rewards.append(reward)
        driver.reward(**reward)
        if index % 11 == 0:
            rewards.append(reward)
            driver.reward(**reward)
    logs = [
        files.write(name, rows)
        for name, rows in (("w.jsonl", rewards), ("d.jsonl", decisions), ("q.jsonl", requests))
    ]
    taught = evidence(files.learn(given, *logs))
    for arm in ("a", "b", "c"):
        assert taught[arm] == decode_arm(driver.items[arm_key(R, "", arm)]).state


def test_csv_and_json_lines_say_the_same(files: Files) -> None:
    rows = [
        {"arm": "a", "quality": "0.5", "task_type": "code", "metadata.size": "7"},
        {"arm": "b", "success": "false", "context.task_type": "chat", "metadata.size": ""},
        {"arm": "b", "signals.rating": "4", "task_type": "chat", "metadata.size": "2.5"},
        {"arm": "a", "reward": "1", "task_type": "", "metadata.size": "big"},
    ]
    columns = sorted({name for row in rows for name in row})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    features = [
        *TASKS["features"],
        {"encode": "linear", "field": "metadata.size", "low": 0, "high": 10},
    ]
    given = policy(algorithm={"name": "linucb"}, context={"features": features})
    lines: list[dict[str, Any]] = [
        {"arm": "a", "quality": 0.5, "context": {"task_type": "code", "metadata": {"size": 7}}},
        {"arm": "b", "success": False, "task_type": "chat", "quality": None},
        {"arm": "b", "signals": {"rating": 4}, "task_type": "chat", "metadata": {"size": 2.5}},
        {"arm": "a", "reward": 1, "metadata.size": "big"},
    ]
    by_csv = files.learn(given, files.write("log.csv", "\ufeff" + text.getvalue()))
    by_json = files.learn(given, files.write("log.jsonl", lines))
    assert evidence(by_csv) == evidence(by_json)
    assert set(map(type, evidence(by_csv).values())) == {bytes, type(None)}
    bandit = by_csv.bandit
    state = bandit.new(None)
    for x, reward in (([1, 1, 0, 0, 0.7], 0.5), ([1, 0, 0, 0, 0], 1.0)):
        bandit.learn(state, np.array(x, dtype=np.float32).astype(float), reward)
    assert evidence(by_csv)["a"] == bandit.encode(state)


def test_a_log_counts_as_much_as_its_weight(files: Files) -> None:
    log = files.write("log.jsonl", [{"arm": "a", "reward": 0.75}] * 400)
    compiled = files.learn(policy(), log)
    state = compiled.first_state("a", None)
    assert compiled.bandit.count(state) == pytest.approx(200.0)
    assert compiled.bandit.mean(state) == pytest.approx(151 / 202)
    assert evidence(compiled) == {"a": beta_evidence([0.75] * 400), "b": None, "c": None}


def test_rewards_are_those_of_the_objective(files: Files) -> None:
    """The scales are what the calls up to each one have shown, as in a worker."""
    rows = [
        {"arm": "a", "quality": 1.0, "cost_usd": 0.02},
        {"arm": "b", "quality": 1.0, "cost_usd": 0.01},
        {"arm": "b", "success": False, "cost_usd": 0.03},
        {"arm": "a", "quality": 0.5, "cost_usd": 0.02},
    ]
    weights = {"weights": {"quality": 3, "cost": 1}}
    compiled = files.learn(policy(objective=weights), files.write("log.jsonl", rows))
    # The dearest mean is 0.02 throughout: of a, then also of b.
    assert evidence(compiled)["a"] == beta_evidence([0.75, 0.375])
    assert evidence(compiled)["b"] == beta_evidence([(3 + 0.5) / 4, 0.0])


def test_every_skipped_row_has_a_reason(files: Files) -> None:
    log = files.write(
        "log.jsonl",
        "\n".join(
            [
                '{"arm": "a", "quality": 0.5, "colour": "red"}',
                "not json",
                "[1]",
                '{"arm": "a", "quality": 1.5}',
                '{"arm": "huge", "quality": 0.5}',
                '{"quality": 0.5}',
                '{"arm": "a"}',
                '{"arm": "a", "quality": 0.5, "route": "other"}',
                '{"arm": "a", "quality": 0.5, "request_id": "r-1"}',
                '{"arm": "b", "quality": 0.5, "request_id": "r-1"}',
                '{"request_id": "r-2", "context": {}}',
                '{"arm": "a", "task_type": "x", "context": {"task_type": "y"}, "quality": 1}',
                '{"arm": "a", "quality": 0.5, "timestamp": 1750000000}',
                '{"arm": "a", "latency_ms": 5}',
                "",
            ]
        ),
    )
    given = policy(objective={"weights": {"quality": 1}})
    result = files.run(given, log)
    assert result.exit_code == 0
    report = result.stderr
    for reason, count in {
        "unreadable": 3,
        "invalid value": 2,
        "unknown arm": 1,
        "no arm": 1,
        "no outcome": 2,
        "other route": 1,
        "repeated": 1,
        "no reward": 1,
    }.items():
        assert f"  {reason}: {count}, e.g. {log}:" in report, report
    assert "14 rows read, 12 of them skipped" in report
    assert "ignored: colour" in report
    assert "a            2   0.500  0.094 to 0.906" in report  # Beta(2, 2)
    assert "begins as without a log" in report


def test_contextual_algorithms_need_contexts_and_maybe_times(files: Files) -> None:
    rows = [
        {"arm": "a", "quality": 0.5},
        {"arm": "a", "quality": 0.5, "task_type": "code"},
        {"arm": "a", "quality": 0.5, "task_type": "code", "timestamp": "2025-06-15T15:00:00Z"},
        {"arm": "a", "quality": 0.5, "context": {}, "timestamp": T0},
    ]
    log = files.write("log.jsonl", rows)
    timed = files.run(policy(algorithm={"name": "linucb"}, context=TIMED), log)
    assert "no context: 1" in timed.stderr
    assert "no timestamp: 1" in timed.stderr
    assert "4 rows read, 2 of them skipped" in timed.stderr
    timeless = files.run(policy(algorithm={"name": "linucb"}, context=TASKS), log)
    assert "4 rows read, 1 of them skipped" in timeless.stderr


def test_an_embedding_of_another_length_is_skipped(files: Files) -> None:
    embedding = {"features": [{"encode": "embedding", "dim": 2}]}
    given = policy(algorithm={"name": "linucb"}, context=embedding)
    text = 'arm,quality,embedding\na,1,"[3, 4]"\na,1,"[1, 2, 3]"\na,1,nothing\n'
    result = files.run(given, files.write("log.csv", text))
    assert "invalid value: 2" in result.stderr
    assert "3 rows read, 2 of them skipped" in result.stderr


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {
                "arms": [{"id": "a", "model": "m"}],
                "algorithm": {"name": "search", "space": {"temperature": {"low": 0, "high": 1}}},
            },
            "searches for parameters",
        ),
        ({"version": 0}, "version"),
        (
            {
                "algorithm": {"name": "linucb"},
                "context": {
                    "features": [
                        {"encode": "hashed", "field": field, "buckets": 120}
                        for field in ("task_type", "region")
                    ]
                },
            },
            "use fewer features",
        ),
    ],
    ids=["search", "invalid", "too large"],
)
def test_policies_that_no_log_can_teach(changes: dict[str, Any], named: str, files: Files) -> None:
    rows = [{"arm": arm, "quality": 1, "task_type": "x"} for arm in ("a", "b", "c")]
    result = files.run(policy(**changes), files.write("log.jsonl", rows))
    assert result.exit_code == 1
    assert named in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_vocabulary_is_written_out_with_the_logs_values(files: Files) -> None:
    """The evidence is what a router learns under the policy that was written."""
    features = [
        {"encode": "vocabulary", "field": "task_type", "size": 2},
        {"encode": "vocabulary", "field": "region"},
        {
            "encode": "interaction",
            "left": {"encode": "log", "field": "input_tokens"},
            "right": {"encode": "vocabulary", "field": "task_type", "size": 2},
        },
    ]
    given = policy(algorithm={"name": "linucb"}, context={"features": features})
    rows = [
        {"arm": "abc"[n % 3], "quality": n / 30, "task_type": "xyz"[n % 3], "input_tokens": n}
        for n in range(30)
    ]
    result = files.run(given, files.write("log.jsonl", rows))
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    one_hot = {"encode": "one_hot", "field": "task_type", "values": ["x", "y"]}
    assert [feature["encode"] for feature in written["context"]["features"]] == [
        "one_hot",
        "interaction",
    ]
    assert written["context"]["features"][0] == one_hot
    assert written["context"]["features"][1]["right"] == one_hot
    again = files.run(written, files.write("log.jsonl", rows))
    assert json.loads(again.stdout) == written
    driver = Driver()
    driver.handle(Inputs(policies=[driver.record(0, written)]))
    assert driver.request(R, "q", context={"task_type": "x"})["status"] == "decided"
    assert driver.letters() == []


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("log.csv", "arm,arm\na,b\n", "a name of its own"),
        ("log.csv", 'arm,quality\n"a,1\n', "not CSV"),
        ("log.jsonl", "", "no row taught"),
        ("log.csv", "", "no row taught"),
    ],
)
def test_logs_that_cannot_be_used(name: str, text: str, named: str, files: Files) -> None:
    result = files.run(policy(), files.write(name, text))
    assert result.exit_code == 1
    assert named in result.stderr
    assert "Traceback" not in result.stderr


def test_latin_1_is_named_as_such(files: Files, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("arm,quality\né,1\n".encode("latin-1"))
    result = files.run(policy(), str(tmp_path / "log.csv"))
    assert result.exit_code == 1
    assert "not UTF-8" in result.stderr


def test_the_policy_stays_as_it_is_but_for_the_warm_starts(files: Files, tmp_path: Path) -> None:
    given = policy()
    given["arms"][0]["warm_start"] = {"weight": 5, "like": "b"}
    given["arms"][2]["warm_start"] = {"weight": 5, "like": "b"}
    log = files.write("log.jsonl", [{"arm": "a", "reward": 1}])
    output = tmp_path / "out.yaml"
    result = files.run(given, log, options=("--weight", "50", "-o", str(output)))
    assert result.exit_code == 0
    made = yaml.safe_load(output.read_text("utf-8"))
    start = made["arms"][0].pop("warm_start")
    assert (start["weight"], set(start)) == (50.0, {"weight", "evidence"})
    given["arms"][0].pop("warm_start")
    assert made == given
    assert result.stdout == ""
