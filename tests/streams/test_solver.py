"""The process that computes search proposals: equal results, and it ends with its worker."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.search import Task, propose
from streams.engine.solver import ChildSolver
from tests.core.search_tasks import tasks

ORPHAN = """
import sys, time
from streams.engine.solver import ChildSolver
from tests.core.search_tasks import tasks
solver = ChildSolver()
task = tasks()[0]
solver.prepare(task)
solver.solve(task)
print(solver._child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def solver() -> ChildSolver:
    made = ChildSolver()
    yield made
    made.close()


def test_a_proposal_is_the_same_wherever_it_is_computed(solver: ChildSolver) -> None:
    made = tasks()
    for task in made:
        solver.prepare(task)
        solver.prepare(task)
    for task in made:
        assert solver.solve(task) == propose(task)
    unprepared: Task = made[0]
    assert solver.solve(unprepared) == propose(unprepared)


def test_a_child_that_dies_is_replaced(solver: ChildSolver, caplog: object) -> None:
    first, second, third = tasks()[:3]
    solver.prepare(first)
    assert solver.solve(first) == propose(first)
    child = solver._child
    assert child is not None
    child.kill()
    child.wait()
    solver.prepare(second)
    assert solver.solve(second) == propose(second)
    solver.prepare(third)
    assert solver.solve(third) == propose(third)


def test_the_child_ends_when_its_worker_is_killed() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, cwd=root
    ) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        worker.kill()
    for _ in range(600):
        if not _runs(pid):
            return
        time.sleep(0.1)
    raise AssertionError(f"the child {pid} outlives its worker")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[-1][0] != "Z"
    except FileNotFoundError:
        return False
