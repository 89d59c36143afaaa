"""Rows of a Parquet file, where the library for it is there."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from streams.offline.rows import LogError, Row, Unread, read_rows, row_of


def read_log(path: Path) -> Iterator[Row | Unread]:
    """The rows of a log: Parquet if its name ends in .parquet, else CSV or JSON lines.

    Raises LogError.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    return read_rows(path)


def _read_parquet(path: Path) -> Iterator[Row | Unread]:
    try:
        # By name: it has no types, and is no dependency.
        arrow = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise LogError(
            f"{path}: reading Parquet needs the package pyarrow: install it (pip install pyarrow), "
            "or give the log as JSON lines or CSV"
        ) from error
    try:
        table = parquet.ParquetFile(path)
        at = 0
        for batch in table.iter_batches():
            for fields in batch.to_pylist():
                at += 1
                yield row_of(f"{path}:{at}", fields, text=False)
    except (OSError, arrow.ArrowException) as error:
        raise LogError(f"{path}: not a Parquet file that can be read ({error})") from error
