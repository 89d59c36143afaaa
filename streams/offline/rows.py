"""Rows of a log, out of JSON lines or CSV, as objects that look like the wire's events."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Final

import msgspec

from schemas.request import Context

CONTEXT_NAMES: Final = frozenset(Context.__struct_fields__)
_LONGEST_CELL: Final = 1024 * 1024


class LogError(Exception):
    """A log that cannot be read at all; the message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a log."""

    where: str
    """File and line, for messages."""
    fields: dict[str, Any]
    """As on the wire; context fields are under ``context``."""
    text: bool
    """Whether all values are text, as CSV has no other."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that is no row, and why."""

    where: str
    problem: str


def read_rows(path: Path) -> Iterator[Row | Unread]:
    """The rows of a file: CSV with a header if its name ends in .csv, JSON lines otherwise.

    Context fields may stand by themselves (``task_type``) or under their part of the event
    (``context.task_type``, ``metadata.framework``, ``signals.rating``), with dots or nested. Empty
    cells and lines count as not there. Raises LogError.
    """
    try:
        if path.suffix.lower() == ".csv":
            yield from _read_csv(path)
        else:
            yield from _read_json_lines(path)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LogError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error


def _read_json_lines(path: Path) -> Iterator[Row | Unread]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                fields = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield Unread(where, f"not JSON: {error}")
                continue
            yield row_of(where, fields, text=False)


def _read_csv(path: Path) -> Iterator[Row | Unread]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        csv.field_size_limit(_LONGEST_CELL)
        table = csv.reader(lines, strict=True)
        try:
            header = [name.strip() for name in next(table, [])]
            if not all(header) or len(set(header)) < len(header):
                raise LogError(f"{path}: every column needs a name of its own, found {header}")
            for cells in table:
                where = f"{path}:{table.line_num}"
                if len(cells) != len(header):
                    if cells:
                        yield Unread(where, f"{len(cells)} cells, the header has {len(header)}")
                    continue
                named = zip(header, cells, strict=True)
                yield row_of(where, {name: cell for name, cell in named if cell.strip()}, text=True)
        except csv.Error as error:
            raise LogError(f"{path}: not CSV, in line {table.line_num}: {error}") from error


def row_of(where: str, fields: object, *, text: bool) -> Row | Unread:
    """The row in the wire's form."""
    if not isinstance(fields, dict):
        return Unread(where, f"expected an object, found {str(fields)[:40]!r}")
    nested: dict[str, Any] = {}
    for name, value in fields.items():
        path = name.split(".", 1)
        if path[0] in CONTEXT_NAMES:
            path = ["context", *path]
        elif path[0] == "context" and len(path) == 2:
            path = ["context", *path[1].split(".", 1)]
        if not _put(nested, path, value):
            return Unread(where, f"{name!r} stands beside another value of {path[0]!r}")
    if text:
        _parse_cells(nested.get("context"))
    return Row(where, nested, text)


def _put(into: dict[str, Any], path: list[str], value: Any) -> bool:
    """Set a value at a path, with objects merged; False where another value is there already."""
    name, deeper = path[0], path[1:]
    if value is None:
        return True  # as on the wire, the same as not there
    if not deeper and not isinstance(value, dict):
        free = name not in into
        into.setdefault(name, value)
        return free
    target = into.setdefault(name, {})
    if not isinstance(target, dict):
        return False
    if deeper:
        return _put(target, deeper, value)
    return all(_put(target, [key], part) for key, part in value.items())


def _parse_cells(context: object) -> None:
    """Take the cells of a context as JSON that may have other types than their field says."""
    if not isinstance(context, dict):
        return
    if "embedding" in context:
        context["embedding"] = _parsed(context["embedding"], list)
    metadata = context.get("metadata")
    if isinstance(metadata, dict):
        for name, cell in metadata.items():
            metadata[name] = _parsed(cell, bool | int | float)


def _parsed(cell: str, kind: type | UnionType) -> object:
    """What the cell says as JSON, if it is of that kind; the cell itself otherwise."""
    try:
        value = msgspec.json.decode(cell)
    except msgspec.DecodeError:
        return cell
    return value if isinstance(value, kind) else cell
