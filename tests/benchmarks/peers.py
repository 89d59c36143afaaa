"""The programs under test.

A peer is any program that reads the topics ``<prefix>policies``, ``<prefix>requests`` and
``<prefix>rewards`` in the consumer group ``<name>``, answers every request once on
``<prefix>decisions`` with JSON that has ``request_id`` and ``"status": "decided"``, ends in order
on SIGTERM, and goes on where it was when it is started again with the same arguments. To add one,
write its program beside ``floor.py`` and a function here that makes its command line.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Sizes(NamedTuple):
    """What thalweg writes, in bytes: the floor writes as much."""

    decision: float = 180.0
    """Into the changelog per decision."""
    reward: float = 700.0
    """Into the changelog per reward."""
    answer: float = 300.0
    """One message on the decisions topic."""


@dataclass(frozen=True)
class Place:
    """Where one trial happens."""

    brokers: str
    name: str
    """Consumer group, and prefix of the changelog."""
    prefix: str
    data_dir: Path
    partitions: int


Command = Callable[[Place, Sizes], list[str]]


def thalweg(worker: str | None) -> Command:
    """thalweg's own worker; ``worker`` replaces the command that ``thalweg`` is."""
    base = shlex.split(worker) if worker else [sys.executable, "-c", _CLI]

    def command(place: Place, _: Sizes) -> list[str]:
        return [
            *base,
            "worker",
            f"--brokers={place.brokers}",
            f"--name={place.name}",
            f"--topic-prefix={place.prefix}",
            f"--data-dir={place.data_dir}",
            f"--partitions={place.partitions}",
            "--without-web",
            "--log-level=warning",
        ]

    return command


_CLI = "from streams.cli import main; main()"


def floor(place: Place, sizes: Sizes) -> list[str]:
    """The least that a durable answer costs: see ``floor.py``."""
    return [
        sys.executable,
        "-m",
        "tests.benchmarks.floor",
        f"--brokers={place.brokers}",
        f"--name={place.name}",
        f"--prefix={place.prefix}",
        f"--decision-bytes={round(sizes.decision)}",
        f"--reward-bytes={round(sizes.reward)}",
        f"--answer-bytes={round(sizes.answer)}",
    ]
