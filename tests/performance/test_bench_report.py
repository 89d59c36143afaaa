"""What a benchmark's report makes of its trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.drain import Answers
from tests.benchmarks.peers import Sizes
from tests.benchmarks.report import Report, main
from tests.benchmarks.tables import markdown
from tests.benchmarks.trial import Result

PHASE = "latency 1000"


def result(*, saturated: bool = False, problems: tuple[str, ...] = (), **figures: float) -> Result:
    return Result(Sizes(), dict(figures), list(problems), saturated)


def entry(report: Report, name: str, peer: str | None) -> dict[str, object]:
    (found,) = [e for e in report.entries() if e["name"] == name and e["peer"] == peer]
    return found


def test_a_ratio_is_the_median_of_the_ratios_of_neighbours_not_a_ratio_of_medians() -> None:
    report = Report()
    for repeat, (ours, theirs) in enumerate([(10.0, 5.0), (12.0, 12.0), (90.0, 30.0)], start=1):
        report.add(PHASE, "thalweg", repeat, result(p50=ours))
        report.add(PHASE, "floor", repeat, result(p50=theirs))
    found = entry(report, f"{PHASE}.p50", "floor")
    assert (found["figure"], found["peer_figure"]) == (12.0, 12.0)
    assert (found["ratio"], found["ratio_spread"]) == (2.0, [1.0, 3.0])
    assert (found["target"], found["ok"]) == (1.5, False)


@pytest.mark.parametrize(("rate", "ok"), [(35.0, True), (34.0, False)])
def test_a_throughput_must_reach_its_target_and_a_latency_must_not_pass_it(
    rate: float, ok: bool
) -> None:
    report = Report()
    report.add("drain requests", "thalweg", 1, result(rate=rate))
    report.add("drain requests", "floor", 1, result(rate=100.0))
    assert entry(report, "drain requests.rate", "floor")["ok"] is ok


def test_a_peer_that_cannot_keep_up_is_shown_so_and_does_not_fail_the_run() -> None:
    report = Report()
    report.add(PHASE, "thalweg", 1, result(p99=9.0))
    late = result(saturated=True, problems=("only 3 of 9 were answered",), answered=1 / 3)
    report.add(PHASE, "streams-eos", 1, late)
    found = entry(report, f"{PHASE}.p99", "streams-eos")
    assert (found["ratio"], found["note"], found["ok"]) == (None, "saturated", True)
    assert not report.problems
    assert "saturated" in markdown(report.entries())
    assert any("3 of 9" in remark for remark in report.remarks)


def test_a_peer_that_fails_meets_no_target_of_ours() -> None:
    report = Report()
    report.add(PHASE, "thalweg", 1, result(p99=9.0))
    report.failed(PHASE, "streams-eos", 1, RuntimeError("it ended"))
    found = entry(report, f"{PHASE}.p99", "streams-eos")
    assert (found["ratio"], found["note"], found["ok"]) == (None, "failed", False)


def test_a_wrong_answer_of_ours_fails_every_figure_of_its_phase() -> None:
    report = Report()
    report.add(PHASE, "thalweg", 1, result(p50=1.0, problems=("1 duplicate answers",)))
    report.add(PHASE, "floor", 1, result(p50=1.0))
    assert entry(report, f"{PHASE}.p50", "floor")["ok"] is False
    assert report.problems


def test_a_phase_in_which_we_failed_is_in_the_figures_nevertheless() -> None:
    report = Report()
    report.failed("recovery", "thalweg", 1, RuntimeError("no answer"))
    found = entry(report, "recovery", None)
    assert (found["figure"], found["ok"], found["note"]) == (None, False, "failed")


def test_a_document_gets_the_tables_of_a_run_between_its_markers(tmp_path: Path) -> None:
    report = Report()
    report.add(PHASE, "thalweg", 1, result(p50=6.0))
    report.add(PHASE, "floor", 1, result(p50=5.0))
    report.left_out("streams-alo", "no JDK")
    report.write(tmp_path / "bench.json")
    for one in json.loads((tmp_path / "bench.json").read_text()):
        assert {"name", "figure", "unit", "peer", "ratio", "target", "ok"} <= one.keys()
    doc = tmp_path / "page.md"
    doc.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    main([str(tmp_path / "bench.json"), "--doc", str(doc)])
    text = doc.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "x1.20 ✓ [5.0]" in text
    assert "no JDK" in text
    assert "old" not in text


def test_the_rate_of_a_backlog_counts_what_came_after_the_moment_it_begins_at() -> None:
    answers = Answers(times=[0] * 10 + [1_000] * 10 + [2_000] * 40)
    assert answers.steady_rate(0.0) == 25.0
    assert answers.steady_rate(0.25) == 40.0
