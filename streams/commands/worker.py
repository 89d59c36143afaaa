"""``thalweg worker``: one worker of the group."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import IO, NoReturn

import click
import faust

from streams.logs import quiet_libraries, told_once
from streams.settings import DEFAULT_BROKERS, Settings, Topics
from streams.topics import Installation, TopicError, ensure_topics

log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--brokers",
    default=DEFAULT_BROKERS,
    show_default=True,
    envvar="THALWEG_BROKERS",
    help="Kafka bootstrap servers, comma separated.",
)
@click.option("--name", default="thalweg", show_default=True, help="Consumer group and changelog.")
@click.option("--topic-prefix", default="llm.", show_default=True, help="Stands before all topics.")
@click.option(
    "--data-dir",
    default="thalweg-data",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where this worker keeps its copy of the state; every worker needs its own.",
)
@click.option(
    "--partitions",
    default=8,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Partitions of topics that are created.",
)
@click.option(
    "--replication",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Replicas of topics that are created.",
)
@click.option(
    "--standbys",
    default=0,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Warm copies of each partition on other workers.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Web server address.")
@click.option(
    "--port",
    default=6066,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Web server port; every worker on a machine needs its own.",
)
@click.option("--without-web", is_flag=True, help="Serve no page and no metrics.")
@click.option(
    "--metrics-routes",
    default=50,
    show_default=True,
    type=click.IntRange(0, 1_000),
    help="Busiest routes with metrics of their own; all others are counted together.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
)
def worker(
    brokers: str,
    name: str,
    topic_prefix: str,
    data_dir: Path,
    partitions: int,
    replication: int,
    standbys: int,
    host: str,
    port: int,
    without_web: bool,
    metrics_routes: int,
    log_level: str,
) -> None:
    """Run a worker: it decides, learns and alerts for its share of the partitions."""
    quiet_libraries(log_level)
    settings = Settings(
        brokers=brokers,
        name=name,
        topics=Topics.prefixed(topic_prefix),
        data_dir=data_dir,
        partitions=partitions,
        replication=replication,
        standbys=standbys,
        host=host,
        port=port,
        web=not without_web,
        metrics_routes=metrics_routes,
    )
    _lock = lock_directory(data_dir)
    if settings.web:
        check_free(host, port)
    try:
        with told_once():
            found = asyncio.run(ensure_topics(settings))
    except TopicError as error:
        raise click.ClickException(str(error)) from error
    run(settings, found)


def lock_directory(data_dir: Path) -> IO[str]:
    """Hold the data directory for this process alone, until the returned file is closed."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as error:
        raise click.ClickException(
            f"the data directory {data_dir} cannot be written ({error.strerror}): give a writable "
            "one with --data-dir"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise click.ClickException(
            f"the data directory {data_dir} is in use by the worker with pid "
            f"{lock.read().strip()}: every worker needs its own --data-dir"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def check_free(host: str, port: int) -> None:
    """Raise ClickException unless the web server can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"the web server cannot listen on {host} port {port} ({error.strerror}): choose "
                "another --port, or --without-web"
            ) from error


def web_address(host: str, port: int) -> str:
    """Where the web server is found: the address that it listens on."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(settings: Settings, found: Installation) -> NoReturn:
    """Run a worker in this process until it is told to stop, and exit."""
    # Before numpy is there: its matrices are small here, and threads would only wait for each
    # other; and what it computes must not depend on how many cores there are.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from streams.app.worker import WorkerApp

    # Nearly nothing here is in reference cycles, and a full collection looks at each open decision:
    # with the defaults that often stops the worker for tens of milliseconds.
    gc.set_threshold(50_000, 20, 1_000)
    # State of another Kafka must not be taken for this one's.
    own = replace(settings, data_dir=settings.data_dir / found.cluster_id)
    own.data_dir.mkdir(exist_ok=True)
    log.info("worker of %r at %s, state in %s", own.name, own.brokers, own.data_dir)
    if own.web:
        address = web_address(own.host, own.port)
        log.info("page at %s/, metrics at %s/metrics", address, address)
    app = WorkerApp(own, found.partitions)
    app.finalize()
    runner = faust.Worker(
        app, quiet=True, override_logging=False, redirect_stdouts=False, daemon=True
    )
    runner.spinner = None
    try:
        runner.execute_from_commandline()
    finally:
        log.info("stopped")
