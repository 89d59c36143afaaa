"""``thalweg simulate`` as people type it: tables of all forms, runs that repeat, pictures."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from core.evaluation.playing import play
from core.evaluation.yardstick import orders
from schemas.decode import decode_policy
from streams.cli import main
from streams.demo.data import recorded_prompts
from streams.evaluation.recorded import demo_cases, read_cases
from streams.offline.rows import LogError
from tests.core.routing import R, arms

DEMO = ("llama-3.1-8b", "mistral-large", "gemini-2.5-pro")
QUALITY = {"weights": {"quality": 1.0}}


def policy(algorithm: str = "thompson_beta", **changes: Any) -> dict[str, Any]:
    given = {"route": R, "version": 1, "arms": arms("a", "b"), "objective": QUALITY}
    return {**given, "algorithm": {"name": algorithm}, **changes}


def only(arm: str) -> dict[str, Any]:
    return {**policy(), "algorithm": {"name": "fixed_split", "shares": {arm: 1}}}


class Files:
    """Files of a test, and the command run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: str | dict[str, Any]) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return str(path)

    def table(self, n: int = 30) -> str:
        """A is right where b is wrong, mostly; b is dearer."""
        rng = np.random.default_rng(4)
        lines = ["task_type,metadata.size,a_quality,a_cost_usd,b_quality,b_cost_usd,note"]
        for row in range(n):
            good = int(rng.uniform() < 0.8)
            task = "code" if row % 2 else "chat"
            lines.append(f"{task},{row},{good},0.001,{1 - good},0.01,x")
        return self.write("data.csv", "\n".join(lines) + "\n")

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["simulate", *words])

    def simulate(self, *words: str) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_figures_are_those_of_the_runs(files: Files) -> None:
    given = policy()
    file, data = files.write("beta.json", given), files.table()
    found = files.simulate(file, "--data", data, "--seeds", "3", "--jobs", "1")
    cases = read_cases(Path(data), ["a", "b"], {})
    order = orders(30, 30, [1, 2, 3])
    compiled = decode_policy(json.dumps(given).encode())
    qualities, costs = [], []
    for run, seed in enumerate((1, 2, 3)):
        chosen = play(compiled, cases, order[run].tolist(), run=f"seed-{seed}").chosen
        outcomes = [
            cases.rows[row].outcomes[arm] for row, arm in zip(order[run], chosen, strict=True)
        ]
        qualities.append(np.mean([one.quality for one in outcomes]))
        costs.append(np.mean([one.cost_usd for one in outcomes]))
    beta = found["policies"]["beta"]
    assert beta["reward"]["mean"] == pytest.approx(np.mean(qualities))
    assert beta["cost_usd"]["mean"] == pytest.approx(np.mean(costs))
    best = np.mean([row.outcomes[0].quality for row in cases.rows])
    assert found["best_arm"] == "a"
    assert found["best_answer"] == 1.0
    assert beta["regret_best_arm"]["mean"] == pytest.approx(best - np.mean(qualities))
    assert beta["regret_best_answer"]["mean"] == pytest.approx(1.0 - np.mean(qualities))
    assert found["arms"][0]["reward"] == pytest.approx(best)
    assert found["arms"][0]["cost_usd"] == pytest.approx(0.001)
    assert sum(beta["shares"]) == pytest.approx(1.0)


def test_processes_and_repeats_change_nothing(files: Files) -> None:
    words = (
        files.write("one.json", policy()),
        files.write("two.json", policy("epsilon_greedy")),
        "--data", files.table(), "--seeds", "2", "--requests", "70", "--delay", "2",
    )  # fmt: skip
    alone = files.simulate(*words, "--jobs", "1")
    shared = files.simulate(*words, "--jobs", "2")
    assert alone == shared
    assert (alone["requests"], alone["rows"], alone["delay"]) == (70, 30, 2)
    moved = files.simulate(*words, "--jobs", "1", "--first-seed", "5")
    assert moved["policies"] != alone["policies"]


def test_policies_are_compared_run_by_run(files: Files) -> None:
    """A policy that always chooses one arm has the same luck as any other."""
    always = {arm: files.write(f"{arm}.json", only(arm)) for arm in ("a", "b")}
    found = files.simulate(
        *always.values(), "--data", files.table(), "--requests", "12", "--jobs", "1"
    )
    first, second = found["policies"]["a"], found["policies"]["b"]
    between = found["differences"]["b"]["a"]
    expected = second["reward"]["mean"] - first["reward"]["mean"]
    assert between["reward"]["mean"] == pytest.approx(expected)
    assert between["cost_usd"]["mean"] == pytest.approx(0.009)
    width = between["cost_usd"]["interval"]["high"] - between["cost_usd"]["interval"]["low"]
    assert width == pytest.approx(0.0, abs=1e-12)
    assert first["regret_best_arm"]["mean"] == 0.0


def test_all_rewards_are_by_the_first_policys_objective(files: Files) -> None:
    cost = policy("fixed_split", objective={"weights": {"cost": 1.0}})
    one = files.write("cost.json", cost)
    other = files.write("quality.json", policy("fixed_split"))
    words = ("--data", files.table(), "--seeds", "1", "--jobs", "1")
    found = files.simulate(one, other, *words)
    assert found["yardstick"] == "cost"
    assert found["cost_scale_usd"] == pytest.approx(0.01)
    assert [arm["reward"] for arm in found["arms"]] == pytest.approx([0.9, 0.0])
    assert found["policies"]["cost"]["reward"]["interval"] is None
    assert files.simulate(other, one, *words)["yardstick"] == "quality"


def test_the_demos_answers_are_the_default(files: Files) -> None:
    given = policy(arms=arms(*DEMO))
    found = files.simulate(files.write("p.json", given), "--seeds", "1", "--requests", "50")
    assert found["rows"] == 3_609
    assert found["best_arm"] == "gemini-2.5-pro"
    assert found["arms"][1]["reward"] == pytest.approx(0.924, abs=0.001)
    cases = demo_cases()
    prompt = recorded_prompts()[7]
    assert cases.rows[7].outcomes[2].cost_usd == prompt.answers[DEMO[2]].cost_usd
    assert cases.rows[7].context.input_tokens == prompt.input_tokens


def test_columns_of_other_names_are_mapped(files: Files) -> None:
    text = (
        "kind,chars,when,score of x,score of y,x_reward,x_latency_ms,y_success,x_cost_usd\n"
        "code,40,2026-01-01T00:00:00Z,0.5,1,0.1,20,true,\n"
        ",,,0.25,0,0.2,,false,0.5\n"
    )
    mapping = {
        "task_type": "kind",
        "input_chars": "chars",
        "timestamp": "when",
        "quality": "score of {arm}",
        "metadata.when": "when",
    }
    cases = read_cases(Path(files.write("d.csv", text)), ["x", "z", "y"], mapping)
    assert cases.arms == ["x", "y"]
    first, second = cases.rows
    assert first.context.task_type == "code"
    assert first.context.input_chars == 40
    assert first.at_ms == 1_767_225_600_000
    assert first.context.metadata == {"when": "2026-01-01T00:00:00Z"}
    assert [one.quality for one in first.outcomes] == [0.5, 1.0]
    assert (first.outcomes[0].reward, first.outcomes[0].latency_ms) == (0.1, 20.0)
    assert (first.outcomes[1].success, first.outcomes[1].reward) == (True, None)
    assert second.context.task_type is None
    assert second.outcomes[0].cost_usd == 0.5


@pytest.mark.parametrize(
    ("text", "mapping", "problem"),
    [
        ("task_type\ncode\n", {}, "no column has an outcome of an arm: expected e.g. a_quality"),
        ("a_quality,a_quality\n1,1\n", {}, "a name of its own"),
        ("a_quality\n", {}, "there is no row"),
        ("a_quality\n1,2\n", {}, "data.csv:2: 2 cells, the header has 1"),
        ("a_quality\n1.5\n", {}, "data.csv:2: arm 'a': quality"),
        ("a_quality,b_quality\n1,\n", {}, "nothing tells what arm 'b' brought"),
        ("a_quality,input_tokens\n1,many\n", {}, "input_tokens"),
        ("a_quality\n1\n", {"quality": "score"}, "write {arm} where the arm's id stands"),
        ("a_quality\n1\n", {"colour": "x"}, "'colour' is none of quality"),
        ("a_quality\n1\n", {"task_type": "kind"}, "there is no column 'kind'"),
        ("a_quality,b_cost_usd\n1,1\n", {"quality": "{arm}_quality"}, "but no 'b_quality'"),
    ],
)
def test_a_table_that_is_none_says_why(
    text: str, mapping: dict[str, str], problem: str, files: Files
) -> None:
    path = Path(files.write("data.csv", text))
    with pytest.raises(LogError) as error:
        read_cases(path, ["a", "b"], mapping)
    assert problem in str(error.value)


def test_the_tables_fit_and_tell_everything(files: Files) -> None:
    result = files.run(
        files.write("beta.json", policy()), files.write("greedy.json", policy("epsilon_greedy")),
        "--data", files.table(), "--seeds", "3", "--jobs", "1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in result.stdout
    assert lines[0].startswith("3 runs of 30 requests each, of 30 recorded in")
    for start in ("beta ", "greedy ", "always a ", "always b ", "greedy - beta "):
        assert any(line.startswith(start) for line in lines), start
    assert "rewards by the objective of beta, cost scale 0.01 USD" in result.stdout


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_plot_is_written(suffix: str, files: Files) -> None:
    path = files.folder / f"out.{suffix}"
    words = (
        files.write("beta.json", policy()), files.write("greedy.json", policy("epsilon_greedy")),
        "--data", files.table(), "--seeds", "2", "--jobs", "1", "--plot", str(path),
    )  # fmt: skip
    result = files.run(*words)
    assert result.exit_code == 0, result.output
    content = path.read_bytes()
    if suffix != "svg":
        assert content.startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[suffix])
        return
    texts = {element.text for element in ET.fromstring(content).iter() if element.text}
    assert {"beta", "greedy", "regret against always a", "USD per request"} <= texts
    files.run(*words)
    assert path.read_bytes() == content


def test_a_run_becomes_a_log_that_evaluate_reads(files: Files) -> None:
    """The log's own mean is what the run earned."""
    even, log = files.write("even.json", policy("fixed_split")), str(files.folder / "log.jsonl")
    words = ("--data", files.table(), "--seeds", "1", "--first-seed", "3", "--jobs", "1")
    found = files.simulate(even, *words, "--write-log", log)
    rows = [json.loads(line) for line in Path(log).read_text().splitlines()]
    assert len(rows) == 30
    assert {row["arm"] for row in rows} == {"a", "b"}
    assert {row["propensity"] for row in rows} == {0.5}
    assert {row["context"]["task_type"] for row in rows} == {"code", "chat"}
    words = ("evaluate", files.write("beta.json", policy()), "--log", log, "--json")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["log"]["value"] == pytest.approx(found["policies"]["even"]["reward"]["mean"])
    assert told["skipped"] == {}
    there = str(files.folder / "no" / "log.jsonl")
    bad = files.run(even, "--data", files.table(), "--seeds", "1", "--write-log", there)
    assert bad.exit_code == 1
    assert "cannot be written" in bad.output


def test_without_matplotlib_it_says_what_to_install(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    words = (files.write("p.json", policy()), "--data", files.table(), "--seeds", "1")
    result = files.run(*words, "--plot", str(files.folder / "out.svg"))
    assert result.exit_code == 1
    assert "pip install 'thalweg[plot]'" in result.output
    assert files.run(*words, "--jobs", "1").exit_code == 0


def test_mistakes_are_told_in_one_line(files: Files) -> None:
    good, data = files.write("good.json", policy()), files.table()
    space = {"t": {"low": 0, "high": 1}}
    search = {**policy(arms=arms("a")), "algorithm": {"name": "search", "space": space}}
    latency = policy(objective={"weights": {"latency": 1.0}})
    cases = [
        ([good, files.write("search.json", search)], "search.json: the policy searches for"),
        ([files.write("more.json", policy(arms=arms("a", "z")))], "no outcomes of the arms z"),
        ([files.write("slow.json", latency)], "needs what was not recorded"),
        ([good, good], "given twice"),
        ([good, "--plot", str(files.folder / "out.bmp")], "a plot's name ends in .svg"),
        ([good, "--plot", str(files.folder / "no" / "out.svg")], "there is no folder"),
        ([good, "--map", "task_type"], "expected FIELD=COLUMN"),
        ([good, "--map", "region=note", "--map", "region=note"], "is given twice"),
    ]
    for words, problem in cases:
        result = files.run(*words, "--data", data, "--seeds", "1", "--jobs", "1")
        assert result.exit_code != 0, words
        assert problem in " ".join(result.output.split()), result.output
        assert "Traceback" not in result.output
    assert "--map names columns of --data" in files.run(good, "--map", "region=note").output
