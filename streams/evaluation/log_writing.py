"""A simulated run as a log of decisions, to try estimators where the truth is known."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.evaluation.playing import Cases, Play


class LogWritingError(Exception):
    """The log cannot be written; the message says why."""


def write_log(path: Path, cases: Cases, order: list[int], run: Play) -> None:
    """Write the decisions of ``run`` over ``order`` as JSON lines, a row each, with the outcome.

    Raises LogWritingError.
    """
    try:
        with path.open("wb") as lines:
            for step, row in enumerate(order):
                case, arm = cases.rows[row], run.chosen[step]
                outcome = case.outcomes[arm]
                parts = {
                    name: getattr(outcome, name)
                    for name in outcome.__struct_fields__
                    if getattr(outcome, name) is not None
                }
                decided = {"arm": cases.arms[arm], "propensity": run.propensities[step]}
                if case.at_ms is not None:
                    decided["timestamp"] = case.at_ms
                line = {**decided, **parts, "context": case.context}
                lines.write(msgspec.json.encode(line) + b"\n")
    except OSError as error:
        raise LogWritingError(f"{path}: cannot be written ({error.strerror})") from error
