"""The demo: its arithmetic against numbers worked out by hand, and one small run."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from core.drift.adwin import Adwin
from schemas.alert import Alert, Level
from streams.demo.alerts import FEW, SeenAlert, detections, judged
from streams.demo.baselines import judge, lead
from streams.demo.data import ARMS, TASK_TYPES, Answer, Prompt, recorded_prompts
from streams.demo.routes import ROUTES, DemoRoute
from streams.demo.workload import DemoRequest, Drop, Played, workload

LLAMA, MISTRAL, GEMINI = ARMS
HALF_AND_HALF = DemoRoute(
    "test/half", "", {"objective": {"weights": {"quality": 1.0, "cost": 1.0}}}
)
PASS_OR_FAIL = DemoRoute(
    "test/pass", "", {"objective": {"weights": {"quality": 1.0}}}, pass_mark=0.8
)
QUALITIES = [(0.4, 1.0, 0.9), (0.8, 0.6, 1.0), (0.6, 0.5, 0.9), (0.2, 0.6, 1.0)]
COSTS = (1.0, 2.0, 4.0)
CHOSEN = [MISTRAL, LLAMA, GEMINI, MISTRAL]
NOBODY = Prompt("", "math", 1, {})


def four_requests() -> list[DemoRequest]:
    requests = []
    for index, qualities in enumerate(QUALITIES):
        answers = zip(qualities, COSTS, strict=True)
        played = [Played(quality, cost, 100.0) for quality, cost in answers]
        requests.append(
            DemoRequest(index, str(index), "test", NOBODY, dict(zip(ARMS, played, strict=True)))
        )
    return requests


def test_baselines_by_hand() -> None:
    # The dearest observed mean cost is gemini's 4 USD, so 1 - cost/4 is .75, .5 and 0; rewards:
    #   llama .575 .775 .675 .475, mistral .75 .55 .5 .55, gemini .45 .5 .45 .5
    result = judge(HALF_AND_HALF, four_requests(), CHOSEN, drop_at=2)
    assert result.cost_scale_usd == 4.0
    assert result.router.reward == pytest.approx((0.75 + 0.775 + 0.45 + 0.55) / 4)
    assert result.router.quality == pytest.approx((1.0 + 0.8 + 0.9 + 0.6) / 4)
    assert result.router.cost_usd == pytest.approx((2 + 1 + 4 + 2) / 4)
    assert result.router.latency_ms == 100.0
    rewards = {arm: score.reward for arm, score in result.fixed.items()}
    assert rewards == pytest.approx({LLAMA: 0.625, MISTRAL: 0.5875, GEMINI: 0.475})
    assert (result.best, result.best_before, result.best_after) == (LLAMA, LLAMA, LLAMA)
    assert result.dearest == GEMINI
    assert result.oracle.reward == pytest.approx((0.75 + 0.775 + 0.675 + 0.55) / 4)
    assert result.oracle.quality == pytest.approx((1.0 + 0.8 + 0.6 + 0.6) / 4)
    assert result.shares.before == {LLAMA: 0.5, MISTRAL: 0.5, GEMINI: 0.0}
    assert result.shares.after == {LLAMA: 0.0, MISTRAL: 0.5, GEMINI: 0.5}
    # Against llama: .175, 0, -.225, .075; squared deviations .08671875, standard error .0850092.
    against_best = result.leads[LLAMA]
    assert against_best.mean == pytest.approx(0.00625)
    assert against_best.margin == pytest.approx(1.96 * 0.0850092, rel=1e-5)
    assert against_best.verdict == "level"
    assert result.oracle_lead.mean == pytest.approx(0.63125 - 0.6875)


def test_pass_or_fail_by_hand() -> None:
    result = judge(PASS_OR_FAIL, four_requests(), CHOSEN, drop_at=2)
    rewards = {arm: score.reward for arm, score in result.fixed.items()}
    assert rewards == {LLAMA: 0.25, MISTRAL: 0.25, GEMINI: 1.0}
    assert result.router.reward == 0.75
    assert result.oracle.reward == 1.0
    # Of answers that all pass, the best: 1.0 of mistral, then 1.0 of gemini (not llama's 0.8), ...
    assert result.oracle.quality == pytest.approx((1.0 + 1.0 + 0.9 + 1.0) / 4)
    assert result.oracle.cost_usd == pytest.approx((2 + 4 + 4 + 4) / 4)


def test_verdicts_of_a_lead() -> None:
    assert lead([0.9, 0.8, 0.7], [0.5, 0.4, 0.3]).verdict == "ahead"
    assert lead([0.5, 0.4, 0.3], [0.9, 0.8, 0.7]).verdict == "behind"
    assert lead([0.5, 0.5], [0.5, 0.5]).verdict == "level"
    assert lead([0.9], [0.1]).verdict == "level", "one pair tells nothing"


def test_workload() -> None:
    prompts = [
        Prompt(str(number), "math", 1, {arm: Answer(0.5, 0.1) for arm in ARMS})
        for number in range(5)
    ]
    drop = Drop(MISTRAL, 0.6, first=10)
    requests = workload(prompts, ["a", "b"], 20, seed=3, drop=drop)
    assert requests == workload(prompts, ["a", "b"], 20, seed=3, drop=drop)
    assert requests != workload(prompts, ["a", "b"], 20, seed=4, drop=drop)
    assert [request.route for request in requests] == ["a", "b"] * 10
    assert len({request.request_id for request in requests}) == 20
    for route in "ab":
        seen = Counter(request.prompt.id for request in requests if request.route == route)
        assert set(seen.values()) == {2}, "every prompt once before any again"
    for request in requests:
        assert request.played[MISTRAL].quality == (0.5 if request.index < 10 else 0.3)
        assert request.played[LLAMA].quality == 0.5
        assert all(played.latency_ms > 0.0 for played in request.played.values())


def test_recorded_prompts() -> None:
    prompts = recorded_prompts()
    assert len(prompts) == len({prompt.id for prompt in prompts}) == 3_609
    assert {prompt.task_type for prompt in prompts} == set(TASK_TYPES.values())
    means = {arm: sum(p.answers[arm].quality for p in prompts) / len(prompts) for arm in ARMS}
    assert means == pytest.approx({LLAMA: 0.791, MISTRAL: 0.924, GEMINI: 0.934}, abs=5e-4)


def test_policies_are_valid_and_restart() -> None:
    for route in ROUTES:
        assert route.policy().drift.action == "restart_arm"


def seen_alert(
    *, arm: str = MISTRAL, metric: Any = "quality", kind: Any = "drift", after: float = 0.6,
    dropped: bool = True, delay: int = 30, segment: str = "",
) -> SeenAlert:  # fmt: skip
    alert = Alert(
        alert_id="1", route="r", arm=arm, type=kind, severity="critical", metric=metric,
        before=Level(0.9, 100), after=Level(after, 30), detector="adwin", action="alert",
        message="", segment=segment, state_version=1, timestamp=1, incident_id="i",
        event="opened", detections=1, opened=1,
    )  # fmt: skip
    return SeenAlert(alert, 1.0, delay, dropped)


def test_alerts_are_judged() -> None:
    drop = Drop(MISTRAL, 0.6, 10)
    alerts = [
        seen_alert(dropped=False, delay=0),
        seen_alert(kind="warning", delay=20),
        seen_alert(delay=33),
        seen_alert(delay=65),
        seen_alert(segment="task_type=math", delay=40),
        seen_alert(arm=LLAMA),
        seen_alert(metric="latency"),
        seen_alert(after=0.95),
    ]
    found = judged(alerts, drop)
    assert [one.verdict for one in found] == [
        "false alarm",
        "drop suspected",
        "drop found",
        "same drop again",
        "drop found",
        "false alarm",
        "false alarm",
        "false alarm",
    ]
    whole, segment, silent = detections(
        found, {("r", ""): 70}, [("r", ""), ("r", "task_type=math"), ("s", "")]
    )
    assert whole.answers == 70
    assert whole.warning is not None
    assert whole.alert is not None
    assert (whole.warning.delay, whole.alert.delay) == (20, 33)
    assert segment.alert is not None
    assert segment.alert.delay == 40
    assert (silent.answers, silent.warning, silent.alert) == (0, None, None)


def test_the_report_is_right_about_how_often_a_detector_looks() -> None:
    assert inspect.signature(Adwin).parameters["clock"].default == FEW


COUNT = 400


@pytest.fixture(scope="module")
def demo(
    brokers: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """One small run, as a user starts it: what it printed, and its JSON."""
    file = tmp_path_factory.mktemp("demo") / "report.json"
    options = [f"--brokers={brokers}", f"--requests={COUNT}", "--rate=200", f"--json={file}"]
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "demo", *options],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done, orjson.loads(file.read_bytes())


def test_every_request_is_decided_exactly_once(demo: tuple[Any, dict[str, Any]]) -> None:
    decisions = demo[1]["decisions"]
    assert decisions["sent"] == decisions["decided"] == decisions["rewarded"] == COUNT
    assert decisions["unanswered"] == decisions["repeated"] == decisions["contradicted"] == 0
    assert decisions["rejected"] == decisions["dead_letters"] == {}
    assert 0.0 < decisions["latency_ms"]["p50"] <= decisions["latency_ms"]["p99"]
    assert decisions["per_second"] == pytest.approx(COUNT / decisions["seconds"])


def test_figures_are_consistent(demo: tuple[Any, dict[str, Any]]) -> None:
    report = demo[1]
    assert [one["route"] for one in report["routes"]] == [route.name for route in ROUTES]
    assert sum(one["requests"] for one in report["routes"]) == COUNT
    for one in report["routes"]:
        rewards = {arm: score["reward"] for arm, score in one["fixed"].items()}
        assert rewards[one["best_fixed"]] == max(rewards.values())
        assert one["oracle"]["reward"] >= max(one["router"]["reward"], *rewards.values()) - 1e-9
        for phase in one["shares"].values():
            assert sum(phase.values()) == pytest.approx(1.0)
        for arm, reward in rewards.items():
            assert one["leads"][arm]["mean"] == pytest.approx(one["router"]["reward"] - reward)
    segments = {(one["route"], one["segment"]) for one in report["detections"]}
    assert ("demo/tasks", "task_type=math") in segments
    assert len({one["alert"]["alert_id"] for one in report["alerts"]}) == len(report["alerts"])


def test_plain_output(demo: tuple[Any, dict[str, Any]]) -> None:
    printed = demo[0].stdout
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert "SYNTHETIC" in printed
    assert max(map(len, printed.splitlines())) <= 110
    assert not [line for line in printed.splitlines() if line != line.rstrip()]
    assert demo[0].stderr == ""


def test_nothing_is_left_behind(brokers: str, demo: tuple[Any, dict[str, Any]]) -> None:
    async def topics() -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
        await admin.start()
        try:
            return list(await admin.list_topics())
        finally:
            await admin.close()

    assert not [name for name in asyncio.run(topics()) if name.startswith("demo-")]


def test_a_broker_that_is_not_there() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "demo", "--brokers=127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 1
    assert "--brokers" in done.stderr
    assert "Traceback" not in done.stderr
