"""The programs under test.

A peer is any program that reads the topics ``<prefix>requests`` and ``<prefix>rewards`` in the
consumer group ``<name>``, and ``<prefix>policies`` if it has a use for them, answers every request
once on ``<prefix>decisions`` with JSON that has ``request_id``, ``arm`` and ``status`` "decided",
learns from every reward, ends in order on SIGTERM, and goes on where it was when it is started
again with the same arguments. Its changelogs' names hold ``<name>`` and ``changelog``. To add one,
write its program beside ``floor.py``, and a function here that makes its command line.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.events import Workload
from tests.benchmarks.kafka_streams.build import Built, NoJdkError, build


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
    workload: Workload
    backlog: bool
    """Whether throughput is asked for, not latency: what a program can be told to prefer."""


Command = Callable[[Place, Sizes], list[str]]


@dataclass(frozen=True)
class Peer:
    """A program, and how it must be treated to be fair."""

    command: Command
    share: float = 1.0
    """How much of a backlog it gets: a slow one would take minutes with all of it."""
    warm: bool = False
    """Whether it gets faster as it runs: then it must work off a backlog first, and is paused by a
    line on its standard input while the one that counts is laid before it."""
    transactional: bool = False
    """Whether its topics hold marks of transactions, so that offsets count more than records."""


def thalweg(worker: str | None) -> Peer:
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

    return Peer(command)


_CLI = "from streams.cli import main; main()"


def floor(place: Place, sizes: Sizes) -> list[str]:
    """The least that a durable answer costs: see ``floor.py``."""
    return [
        *_module("floor"),
        f"--brokers={place.brokers}",
        f"--name={place.name}",
        f"--prefix={place.prefix}",
        f"--decision-bytes={round(sizes.decision)}",
        f"--reward-bytes={round(sizes.reward)}",
        f"--answer-bytes={round(sizes.answer)}",
    ]


def faust(place: Place, _: Sizes) -> list[str]:
    """Stock Faust: see ``faust_peer.py``."""
    return [*_module("faust_peer"), *_job(place), f"--partitions={place.partitions}"]


def quix(place: Place, _: Sizes) -> list[str]:
    """Quix Streams: see ``quix_peer.py``."""
    return [*_module("quix_peer"), *_job(place)]


def kafka_streams(built: Built, guarantee: str) -> Command:
    """Kafka Streams in Java: see ``kafka_streams/Main.java``.

    A transaction that ends every 10 ms answers sooner, one of 100 ms (Kafka Streams' own default)
    carries more. At least once, nothing waits for a commit, so its default of 30 s stands.
    """

    def command(place: Place, _: Sizes) -> list[str]:
        exactly = guarantee == "exactly_once_v2"
        commit_ms = (100 if place.backlog else 10) if exactly else 30_000
        java = [str(built.java), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        options = [f"--guarantee={guarantee}", f"--commit-ms={commit_ms}", "--threads=2"]
        return [*java, "-cp", built.class_path, "Main", *_job(place), *options]

    return command


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.{name}"]


def _job(place: Place) -> list[str]:
    return [
        f"--brokers={place.brokers}",
        f"--name={place.name}",
        f"--prefix={place.prefix}",
        f"--data-dir={place.data_dir}",
        f"--arms={place.workload.arms}",
        f"--dim={place.workload.dim}",
    ]


NAMES = ("floor", "faust", "quix", "streams-alo", "streams-eos")
"""All peers, in the order of the report."""


def available(names: list[str], worker: str | None) -> tuple[dict[str, Peer], dict[str, str]]:
    """The programs of these names, thalweg first, and why others are left out."""
    found = {"thalweg": thalweg(worker)}
    missing: dict[str, str] = {}
    for name in names:
        if name == "floor":
            found[name] = Peer(floor)
        elif name == "faust":
            found[name] = Peer(faust, share=0.05)
        elif name == "quix":
            if importlib.util.find_spec("quixstreams") is None:
                missing[name] = "quixstreams is not installed: uv sync --group peers"
            else:
                found[name] = Peer(quix, share=0.15)
        else:
            exactly = name == "streams-eos"
            guarantee = "exactly_once_v2" if exactly else "at_least_once"
            try:
                command = kafka_streams(build(), guarantee)
                found[name] = Peer(command, warm=True, transactional=exactly)
            except NoJdkError as error:
                missing[name] = str(error)
    return found, missing
