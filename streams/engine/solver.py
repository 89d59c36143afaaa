"""Proposals of parameter searches, computed by a process of their own.

A proposal is a pure function of its task, so where it is computed changes nothing but when it is
there. The child gets pickled tasks on its standard input and answers on its standard output; when
the worker is gone, however it ended, the input ends and so does the child.
"""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Final, cast

from core.search import Proposal, Task, propose

log = logging.getLogger(__name__)
_KEPT: Final = 256
"""Results that nobody has asked for yet; a search that was replaced never asks."""


class ChildSolver:
    """A ``Solver`` for the router: ``prepare`` returns at once, ``solve`` waits for its result.

    The child starts with the first task. If it fails, proposals are computed in the worker.
    """

    def __init__(self) -> None:
        self._asker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="thalweg-search")
        self._pending: OrderedDict[Task, Future[Proposal]] = OrderedDict()
        self._child: subprocess.Popen[bytes] | None = None

    def prepare(self, task: Task) -> None:
        """Begin to compute the proposal."""
        if task in self._pending:
            return
        self._pending[task] = self._asker.submit(self._ask, task)
        while len(self._pending) > _KEPT:
            self._pending.popitem(last=False)[1].cancel()

    def solve(self, task: Task) -> Proposal:
        """The proposal, computed here if it was never prepared."""
        future = self._pending.pop(task, None)
        if future is None:
            return propose(task)
        try:
            return future.result()
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            log.warning(
                "the process that computes search proposals failed (%s): computing this one in "
                "the worker; the next one starts it anew",
                error,
            )
            return propose(task)

    def close(self) -> None:
        """End the child."""
        self._asker.shutdown(wait=False, cancel_futures=True)
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def _ask(self, task: Task) -> Proposal:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "streams.engine.solver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self._child.stdin is not None, "it was asked for"
        assert self._child.stdout is not None, "it was asked for"
        pickle.dump(task, self._child.stdin)
        self._child.stdin.flush()
        return cast("Proposal", pickle.load(self._child.stdout))  # noqa: S301 - our own child's


def _answer(tasks: IO[bytes], proposals: IO[bytes]) -> None:
    """Compute proposals until the tasks end."""
    while True:
        try:
            task = pickle.load(tasks)  # noqa: S301 - our own parent's
        except EOFError:
            return
        pickle.dump(propose(task), proposals)
        proposals.flush()


if __name__ == "__main__":
    _answer(sys.stdin.buffer, sys.stdout.buffer)
