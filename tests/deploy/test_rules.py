"""Prometheus' configuration, recording rules and alerts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from streams.metrics import ALL
from tests.deploy.places import OPERATIONS, PROMETHEUS, anchors, load
from tests.deploy.queries import TARGET, Series, check, known
from tests.deploy.rules import (
    ALERTS,
    RULES,
    alerting_problems,
    everything,
    recorded,
    recording_problems,
    rules,
)

UNIT_TESTS = Path(__file__).with_name("alerts.test.yml")
SECTIONS = set(anchors(OPERATIONS.read_text(encoding="utf-8")))


def test_every_recording_rule_uses_what_workers_have() -> None:
    assert recording_problems(load(RULES), everything()) == []


def test_every_alert_uses_what_there_is_and_explains_itself() -> None:
    assert alerting_problems(load(ALERTS), everything(), SECTIONS) == []


def test_recorded_names_say_by_which_labels() -> None:
    series = everything()
    for rule in rules(load(RULES)):
        level = rule["record"].partition(":")[0]
        labels = set() if level == "thalweg" else set(level.split("_"))
        assert series[rule["record"]].labels == labels, rule["record"]


def test_every_recording_rule_is_used() -> None:
    used = {
        name for rule in rules(load(ALERTS)) for name in check(rule["expr"], everything()).names
    }
    boards = "".join(path.read_text() for path in PROMETHEUS.parent.glob("grafana/dashboards/*"))
    recorded_names = {rule["record"] for rule in rules(load(RULES))}
    assert {name for name in recorded_names - used if name not in boards} == set()


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    alerts = {rule["alert"].lower() for rule in rules(load(ALERTS))}
    assert {section for section in SECTIONS if re.match("thalweg[a-z]+$", section)} == alerts


def test_a_renamed_metric_is_found_wherever_it_is_used() -> None:
    recording, alerting, series = load(RULES), load(ALERTS), known()
    expressions = [rule["expr"] for document in (recording, alerting) for rule in rules(document)]
    used = {name for one in expressions for name in check(one, everything()).names} & series.keys()
    assert len(used) > 20
    for metric in used:
        rest = {name: one for name, one in series.items() if name != metric}
        left = recorded(recording, rest)
        found = recording_problems(recording, left) + alerting_problems(alerting, left, SECTIONS)
        assert any(metric in problem for problem in found), metric


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(thalweg_decisions)", "there is no metric thalweg_decisions"),
        ("sum by (route) (thalweg_decisions_total)", "no label 'route'"),
        ('thalweg_rewards_total{reason="late"}', "no label 'reason'"),
        ('thalweg_rewards_total{result="lost"}', "no result='lost'"),
        ('thalweg_incidents_open{severity="fatal"}', "no severity='fatal'"),
        ("rate(thalweg_ready[5m])", "it is no counter"),
        ("deriv(thalweg_decisions_total[5m])", "it is no gauge"),
        ("histogram_quantile(0.9, sum(rate(thalweg_cycle_records_bucket[5m])))", "no label 'le'"),
        ("thalweg_ready == sum(thalweg_ready)", "these never match"),
        (
            "sum by (role) (thalweg_input_lag_records) / on (route) thalweg_ready",
            "no label 'route'",
        ),
        ("thalweg_ready * on (instance) group_left (version) thalweg_ready", "no label 'version'"),
        ("sum(", "unclosed left parenthesis"),
    ],
)
def test_a_wrong_query_is_found(query: str, problem: str) -> None:
    assert problem in " ".join(check(query, known()).problems)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"expr": "thalweg_redy == 0"}, "there is no metric thalweg_redy"),
        ({"expr": "sum(thalweg_ready) == 0"}, "tells instance, which its query does not keep"),
        ({"labels": {"severity": "urgent"}}, "severity is none of"),
        ({"annotations": {"summary": "…"}}, "no description"),
        ({"alert": "ThalwegSomething"}, "no section of the runbook"),
    ],
)
def test_an_alert_that_is_wrong_is_found(change: dict[str, object], problem: str) -> None:
    document = load(ALERTS)
    right = next(one for one in rules(document) if one["alert"] == "ThalwegWorkerNotReady")
    changed = {"groups": [{"name": "changed", "rules": [{**right, **change}]}]}
    assert problem in " ".join(alerting_problems(changed, everything(), SECTIONS))


def test_metrics_of_notify_are_known_with_their_labels() -> None:
    found = known()
    assert found["thalweg_notify_receiver_down"] == Series(
        "gauge", TARGET | {"receiver"}, "1 while a receiver takes nothing."
    )
    assert found["thalweg_notify_alerts_total"].kind == "counter"
    assert found["thalweg_notify_alerts_total"].labels == TARGET | {"receiver", "outcome"}
    assert "le" in found["thalweg_notify_delay_seconds_bucket"].labels
    assert check('thalweg_notify_alerts_total{outcome="dropped"}', found).problems


def test_every_kind_of_metric_is_known_by_its_samples() -> None:
    assert {metric.kind for metric in ALL} == {"counter", "gauge", "histogram", "summary"}
    assert known()["thalweg_decisions_total"].kind == "counter"
    assert "le" in known()["thalweg_route_latency_seconds_bucket"].labels
    assert known()["process_resident_memory_bytes"].kind == "gauge"


def promtool(*arguments: str) -> str:
    """What promtool says; fails the test with it where it finds something wrong."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian, Ubuntu: apt-get install prometheus)")
    ended = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    return output


def test_promtool_accepts_configuration_and_rules() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    said = promtool("check", "rules", "--lint-fatal", str(RULES), str(ALERTS))
    for path in (RULES, ALERTS):
        assert f"{len(list(rules(load(path))))} rules found" in said


def test_the_alerts_fire_and_stay_silent_as_their_unit_tests_say() -> None:
    promtool("test", "rules", str(UNIT_TESTS))


def test_every_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires, silent = set(), set()
    for case in load(UNIT_TESTS)["tests"]:
        for expected in case["alert_rule_test"]:
            (fires if expected.get("exp_alerts") else silent).add(expected["alertname"])
    alerts = {rule["alert"] for rule in rules(load(ALERTS))}
    assert fires == alerts
    assert silent == alerts


def test_a_rule_that_is_weakened_fails_its_unit_tests(tmp_path: Path) -> None:
    text = ALERTS.read_text(encoding="utf-8")
    right, wrong = "thalweg_loop_age_seconds > 30", "thalweg_loop_age_seconds > 3000"
    assert right in text
    (tmp_path / ALERTS.name).write_text(text.replace(right, wrong))
    shutil.copy(RULES, tmp_path)
    cases = load(UNIT_TESTS)
    cases["rule_files"] = [ALERTS.name, RULES.name]
    cases["tests"] = [one for one in cases["tests"] if "ThalwegLoopStuck" in str(one)]
    (tmp_path / UNIT_TESTS.name).write_text(yaml.safe_dump(cases))
    with pytest.raises(AssertionError, match="ThalwegLoopStuck"):
        promtool("test", "rules", str(tmp_path / UNIT_TESTS.name))


def test_the_configuration_loads_both_rule_files() -> None:
    config = load(PROMETHEUS / "prometheus.yml")
    assert {PROMETHEUS / name for name in config["rule_files"]} == {RULES, ALERTS}
