"""Tasks as a search makes them, for tests of whoever solves them."""

from __future__ import annotations

from core.search import DIRECT, Proposal, Searcher, Task
from schemas.policy import Parameter, Search


class Noting:
    """Solves as DIRECT does, and keeps the tasks."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def prepare(self, task: Task) -> None:
        self.tasks.append(task)

    def solve(self, task: Task) -> Proposal:
        return DIRECT.solve(task)


def tasks() -> list[Task]:
    """The tasks of a short search, in order."""
    space = {"x": Parameter(low=0.0, high=1.0), "y": Parameter(low=0.0, high=1.0)}
    solver = Noting()
    searcher = Searcher(
        Search(space=space, evaluations=10, rewards_per_evaluation=1, parallel=1, initial=4), solver
    )
    state = searcher.new()
    for step in range(20):
        number = searcher.candidates(state)[0][0]
        searcher.learn(state, number, 0.1 + 0.04 * step % 0.9)
    assert len(solver.tasks) >= 3
    return solver.tasks
