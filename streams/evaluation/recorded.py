"""Recorded requests with the outcome of every arm, out of a table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from core.evaluation.playing import Case, Cases
from schemas.explain import explain
from schemas.fields import Timestamp, epoch_ms
from schemas.request import Context
from schemas.reward import Outcome, Reward
from streams.demo.data import ARMS, recorded_prompts
from streams.offline.rows import CONTEXT_NAMES, LogError

T = TypeVar("T", bound=Struct)
OUTCOMES: Final = ("quality", "cost_usd", "latency_ms", "success", "reward")
_ARM: Final = "{arm}"
_METADATA: Final = "metadata."
_TIME: Final = "timestamp"


class _Asked(Struct):
    """What a row says of the request."""

    context: Context = Context()
    timestamp: Timestamp | None = None


def read_cases(path: Path, arms: Sequence[str], mapping: Mapping[str, str]) -> Cases:
    """The cases of a CSV file with a header.

    Columns ``<arm>_quality``, ``<arm>_cost_usd``, ``<arm>_latency_ms``, ``<arm>_success`` and
    ``<arm>_reward`` are outcomes; those that are called like a context field (``task_type``,
    ``metadata.size``) or ``timestamp`` are that. ``mapping`` names the columns of other tables:
    ``task_type``: ``task``, ``quality``: ``{arm}_score``; a column that it names is nothing else.
    Of ``arms``, those with an outcome column are in the result. Raises LogError.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(table, [])]
            if not all(header) or len(set(header)) < len(header):
                raise LogError(f"{path}: every column needs a name of its own, found {header}")
            columns = _Columns(path, header, arms, mapping)
            rows = []
            for cells in table:
                if not cells:
                    continue
                where = f"{path}:{table.line_num}"
                if len(cells) != len(header):
                    raise LogError(f"{where}: {len(cells)} cells, the header has {len(header)}")
                rows.append(columns.case(where, cells))
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LogError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
    except csv.Error as error:
        raise LogError(f"{path}: not CSV: {error}") from error
    if not rows:
        raise LogError(f"{path}: there is no row")
    return Cases(columns.arms, rows)


def demo_cases() -> Cases:
    """The demo's recorded answers: quality and cost of three models, for 3,609 prompts."""
    rows = [
        Case(
            Context(input_tokens=prompt.input_tokens, task_type=prompt.task_type),
            [
                Outcome(quality=prompt.answers[arm].quality, cost_usd=prompt.answers[arm].cost_usd)
                for arm in ARMS
            ],
        )
        for prompt in recorded_prompts()
    ]
    return Cases(ARMS, rows)


class _Columns:
    """Which column holds what."""

    def __init__(
        self, path: Path, header: list[str], arms: Sequence[str], mapping: Mapping[str, str]
    ) -> None:
        at = {name: index for index, name in enumerate(header)}
        for field, column in mapping.items():
            _check(field, column)
        taken: set[str] = set()
        self._outcomes: dict[str, dict[str, int]] = {}
        for arm in arms:
            own = {
                field: mapping[field].replace(_ARM, arm) for field in OUTCOMES if field in mapping
            }
            taken |= set(own.values())
            default = {field: f"{arm}_{field}" for field in OUTCOMES if field not in mapping}
            named = {field: name for field, name in default.items() if name not in own.values()}
            found = {field: at[name] for field, name in {**own, **named}.items() if name in at}
            if found:
                absent = [name for name in own.values() if name not in at]
                if absent:
                    raise LogError(f"{path}: arm {arm!r} has other outcomes, but no {absent[0]!r}")
                self._outcomes[arm] = found
                taken |= {header[index] for index in found.values()}
        self.arms = list(self._outcomes)
        if not self.arms:
            raise LogError(
                f"{path}: no column has an outcome of an arm: expected e.g. {arms[0]}_quality and "
                f"{arms[0]}_cost_usd, or --map quality='{_ARM}_score' for columns of other names"
            )
        self._context: dict[str, int] = {}
        for field, column in mapping.items():
            if field in OUTCOMES:
                continue
            if column not in at:
                raise LogError(f"{path}: --map {field}={column}: there is no column {column!r}")
            self._context[field] = at[column]
            taken.add(column)
        for name, index in at.items():
            if name not in taken and name not in self._context and _is_context(name):
                self._context[name] = index

    def case(self, where: str, cells: list[str]) -> Case:
        """The row as a case. Raises LogError."""
        fields = {name: cells[at] for name, at in self._context.items() if cells[at].strip()}
        metadata = {
            name.removeprefix(_METADATA): _parsed(fields.pop(name))
            for name in list(fields)
            if name.startswith(_METADATA)
        }
        context: dict[str, Any] = {
            name: fields[name] for name in fields.keys() & CONTEXT_NAMES if name != "embedding"
        }
        if metadata:
            context["metadata"] = metadata
        if "embedding" in fields:
            context["embedding"] = _parsed(fields["embedding"])
        asked = {"context": context, _TIME: fields.get(_TIME)}
        request = _converted(asked, _Asked, where)
        outcomes = []
        for arm, columns in self._outcomes.items():
            event = {"request_id": "-", "route": "-"}
            event |= {name: cells[at] for name, at in columns.items() if cells[at].strip()}
            outcome = _converted(event, Reward, f"{where}: arm {arm!r}").outcome()
            if outcome == Outcome():
                raise LogError(f"{where}: nothing tells what arm {arm!r} brought")
            outcomes.append(outcome)
        at_ms = None if request.timestamp is None else epoch_ms(request.timestamp)
        return Case(request.context, outcomes, at_ms)


def _check(field: str, column: str) -> None:
    if field in OUTCOMES:
        if _ARM not in column:
            raise LogError(
                f"--map {field}={column}: an outcome has a column per arm: write {_ARM} where the "
                "arm's id stands"
            )
    elif not _is_context(field):
        known = ", ".join((*OUTCOMES, *sorted(CONTEXT_NAMES - {"metadata"}), "metadata.KEY", _TIME))
        raise LogError(f"--map {field}={column}: {field!r} is none of {known}")


def _is_context(name: str) -> bool:
    named = name in CONTEXT_NAMES and name != "metadata"
    return named or name == _TIME or (name.startswith(_METADATA) and name != _METADATA)


def _parsed(cell: str) -> object:
    """What the cell says as JSON; the cell itself if it is none."""
    try:
        value: object = msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell
    return value


def _converted(fields: dict[str, Any], record: type[T], where: str) -> T:
    try:
        return msgspec.convert(fields, record, strict=False)
    except msgspec.ValidationError as error:
        told = explain(error, msgspec.json.encode(fields), record)
        raise LogError(f"{where}: {told}") from error
