"""A staged rollout: where it ends, what each step waits for, and that it replays bit for bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from core.experiments.no_worse import no_worse
from core.experiments.rollout import Move, Rollout, RolloutSpec
from core.experiments.spec import Guardrail, Metric
from core.experiments.tally import Kind, new_tally
from tests.benchmarks.experiments import rolled_out

QUALITY = Metric("quality")
OK = Metric("ok", "yes_no")
KINDS: dict[str, Kind] = {"quality": "mean", "ok": "yes_no"}


def spec(**others) -> RolloutSpec:
    return RolloutSpec(
        **{
            "control": "old",
            "candidate": "new",
            "guardrails": (Guardrail(QUALITY, 0.1), Guardrail(OK, 0.1)),
            "min_ms": 0,
            "min_samples": 20,
            **others,
        }
    )


def feed(
    rollout: Rollout,
    n: int,
    *,
    new: float = 0.8,
    at: int = 0,
    seed: int = 1,
    wake: RolloutSpec | None = None,
) -> tuple[Rollout, list[Move]]:
    """Play n requests by the share, one each ms; with ``wake``, from bytes before each."""
    rng = np.random.default_rng(seed)
    moves = []
    for now in range(at, at + n):
        if wake is not None:
            rollout = Rollout.decode(rollout.encode(), wake)
        candidate = bool(rng.random() < rollout.share)
        mean = new if candidate else 0.8
        quality, ok = rng.beta(10.0 * mean, 10.0 * (1.0 - mean)), float(rng.random() < 0.95)
        moves.append(rollout.assign(now, candidate=candidate))
        values = {"quality": quality, "ok": ok}
        moves.append(rollout.observe(now, rollout.step, values, candidate=candidate))
    return rollout, [move for move in moves if move is not None]


def test_a_better_candidate_goes_step_by_step_to_the_whole_traffic() -> None:
    rollout, moves = feed(Rollout(spec(), 0), 6_000, new=0.85)
    assert [move.action for move in moves] == ["advance", "advance", "advance", "done"]
    assert [move.share for move in moves] == [0.1, 0.25, 0.5, 1.0]
    assert (rollout.status, rollout.share) == ("done", 1.0)
    assert all(check.state == "fine" for move in moves for check in move.overall)
    assert "its share goes from 0.05 to 0.1" in moves[0].reason
    assert rollout.move().action == "done"


def test_a_worse_candidate_is_rolled_back_with_the_reason() -> None:
    rollout, moves = feed(Rollout(spec(), 0), 6_000, new=0.55)
    assert [move.action for move in moves] == ["roll_back"]
    assert (rollout.status, rollout.share, rollout.step) == ("rolled_back", 0.0, 0)
    assert moves[0].overall[0].at_least > 0.1
    assert "quality of new is" in moves[0].reason
    assert "certainly more than the margin of 0.1 worse" in moves[0].reason
    assert rollout.move() == moves[0]


def test_a_candidate_that_gets_worse_later_is_rolled_back_within_its_step() -> None:
    rollout, moves = feed(Rollout(spec(min_ms=8_000), 0), 16_100)
    assert [move.action for move in moves] == ["advance", "advance"]
    rollout, moves = feed(rollout, 7_000, new=0.6, at=16_100, seed=2)
    assert [move.action for move in moves] == ["roll_back"]
    assert rollout.step == 2
    assert moves[0].overall[0].state != "worse"  # the good time before it still weighs there
    assert moves[0].in_step[0].state == "worse"


def test_a_step_lasts_its_time_by_the_events_clock() -> None:
    rollout, moves = feed(Rollout(spec(min_ms=5_000), 0), 4_999, new=0.9)
    assert moves == []
    assert "this step has lasted 4998 of 5000 ms" in rollout.move().reason
    # An assignment is enough to notice the time, and an earlier time afterwards is none.
    move = rollout.assign(5_000, candidate=False)
    assert move is not None
    assert move.action == "advance"
    assert rollout.assign(3_000, candidate=False) is None
    assert "0 of 20 outcomes" in rollout.move().reason
    rollout, _ = feed(rollout, 1_000, new=0.9, at=6_000, seed=2)
    rollout.assign(3_000, candidate=False)
    assert "this step has lasted 1999 of 5000 ms" in rollout.move().reason


def test_a_step_waits_for_its_own_samples() -> None:
    plan = spec(steps=(0.5, 0.9, 1.0), min_samples=500)
    rollout, moves = feed(Rollout(plan, 0), 900, new=0.9)
    assert moves == []
    assert "of 500 outcomes on the lesser side" in rollout.move().reason
    rollout, moves = feed(rollout, 400, new=0.9, at=900, seed=2)
    assert [move.action for move in moves] == ["advance"]
    rollout, moves = feed(rollout, 1_000, new=0.9, at=1_300, seed=3)
    assert moves == []  # the old side, at a tenth, has too few


def test_an_unclear_candidate_is_held_or_rolled_back_as_the_spec_says() -> None:
    patient, moves = feed(Rollout(spec(guardrails=(Guardrail(QUALITY, 0.01),)), 0), 3_000)
    assert moves == []
    assert "not yet clearly within the margin" in patient.move().reason
    plan = spec(guardrails=(Guardrail(QUALITY, 0.01),), max_samples=60)
    _, moves = feed(Rollout(plan, 0), 3_000)
    assert [move.action for move in moves] == ["roll_back"]
    assert moves[0].reason.startswith("after 60 outcomes in this step, quality of new")


def test_assignments_that_do_not_fit_the_share_are_rolled_back() -> None:
    rollout = Rollout(spec(), 0)
    moves = [rollout.assign(now, candidate=now % 4 == 0) for now in range(400)]
    [move] = [move for move in moves if move is not None]
    assert move.action == "roll_back"
    assert move.ratio_p_value <= 0.001
    assert "does not fit a share of 0.05" in move.reason


def test_assignments_are_counted_by_step() -> None:
    rollout, moves = feed(Rollout(spec(min_ms=2_000), 0), 2_001, new=0.9)
    assert [move.action for move in moves] == ["advance"]
    n = 0
    while rollout.status == "running":
        n += 1
        move = rollout.assign(2_001, candidate=True)
    assert move is not None
    # The advance came with an outcome: no request of this step was there before.
    assert f"0 requests went to old and {n} to new in this step" in move.reason


def test_half_of_the_alpha_is_for_all_steps_and_half_for_each_alone() -> None:
    plan = spec(min_ms=10**9)
    rollout = Rollout(plan, 0)
    tallies = {name: (new_tally(kind), new_tally(kind)) for name, kind in KINDS.items()}
    rng = np.random.default_rng(3)
    for i in range(2_000):
        values = {"quality": rng.beta(8.0, 2.0), "ok": float(rng.random() < 0.95)}
        rollout.observe(i, 0, values, candidate=i % 20 == 0)
        for name, value in values.items():
            tallies[name][int(i % 20 == 0)].add(value)
    move = rollout.move()
    for i, guardrail in enumerate(plan.guardrails):
        strata = [tallies[guardrail.metric.name]]
        assert move.overall[i] == no_worse(guardrail, strata, 0.0125, 0.05, 20)
        assert move.in_step[i] == no_worse(guardrail, strata, 0.0125 / 4, 0.05, 20)


def test_a_late_outcome_counts_in_the_step_of_its_decision() -> None:
    rollout, moves = feed(Rollout(spec(), 0), 6_000, new=0.85)
    assert moves[0].action == "advance"
    rollout = Rollout(spec(min_ms=2_000), 0)
    rollout, moves = feed(rollout, 2_001, new=0.85)
    assert rollout.step == 1
    before = rollout.move()
    rollout.observe(2_100, 0, {"quality": 0.5, "ok": 1.0}, candidate=True)
    after = rollout.move()
    assert after.in_step == before.in_step
    assert after.overall[0].samples[1] == before.overall[0].samples[1] + 1
    with pytest.raises(ValueError, match="step 2 has not been yet"):
        rollout.observe(2_100, 2, {"quality": 0.5}, candidate=True)


@pytest.mark.parametrize("new", [0.85, 0.6])
def test_a_rollout_from_bytes_goes_on_as_the_one_in_memory(new) -> None:
    plan = spec()
    kept, moves = feed(Rollout(plan, 0), 2_500, new=new)
    woken, again = feed(Rollout(plan, 0), 2_500, new=new, wake=plan)
    assert moves
    assert again == moves
    assert woken.encode() == kept.encode()
    assert woken.move() == kept.move()


def test_bytes_that_are_no_rollout_are_refused() -> None:
    rollout, _ = feed(Rollout(spec(), 0), 2_500, new=0.85)
    data = rollout.encode()
    changed = data[:2] + bytes([data[2] + 1]) + data[3:]
    for bad in (b"", data[:-1], b"\x02" + data[1:], changed, data[:3] + b"\x07" + data[4:]):
        with pytest.raises(ValueError, match="not a"):
            Rollout.decode(bad, spec())
    with pytest.raises(ValueError, match="not a state of a rollout with 1 guardrails"):
        Rollout.decode(data, spec(guardrails=(Guardrail(QUALITY, 0.1),)))


def test_a_wrong_value_leaves_no_trace() -> None:
    rollout = Rollout(spec(), 0)
    before = rollout.encode()
    with pytest.raises(ValueError, match="0 or 1"):
        rollout.observe(5, 0, {"quality": 0.5, "ok": 2.0}, candidate=True)
    assert rollout.encode() == before


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"steps": (0.1, 0.5)}, "last step"),
        ({"steps": (0.5, 0.1, 1.0)}, "rise"),
        ({"steps": (1.0,)}, "two shares"),
        ({"guardrails": ()}, "needs a guardrail"),
        ({"min_samples": 1}, "min_samples"),
        ({"max_samples": 10}, "max_samples"),
        ({"candidate": "old"}, "both"),
        ({"alpha": 0.0}, "alpha"),
    ],
)
def test_specs_without_meaning_are_refused(others, words) -> None:
    with pytest.raises(ValueError, match=words):
        spec(**others)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("worse by three margins", "rolled_back"),
        ("failing in 12 % rather than 2 %", "rolled_back"),
        ("worse from 25 % on, by four margins", "rolled_back"),
        ("better by one margin", "done"),
        ("the same, both worse at each step", "done"),
    ],
)
def test_rollouts_end_where_they_should(name, status) -> None:
    ends = Counter(rolled_out(name, seed).status for seed in range(3))
    assert ends[status] == 3
