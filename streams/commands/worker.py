"""``thalweg worker``: one worker of the group."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import click
import faust

from streams.settings import DEFAULT_BROKERS, Settings, Topics
from streams.topics import TopicError, ensure_topics


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
    "--partitions", default=8, show_default=True, help="Partitions of topics that are created."
)
@click.option("--replication", default=1, show_default=True, help="Replicas of created topics.")
@click.option("--standbys", default=0, show_default=True, help="Warm copies of each partition.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Web server address.")
@click.option("--port", default=6066, show_default=True, help="Web server port.")
@click.option("--without-web", is_flag=True, help="Serve no page and no metrics.")
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
    log_level: str,
) -> None:
    """Run a worker: it decides, learns and alerts for its share of the partitions."""
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
        log_level=log_level,
    )
    try:
        count = asyncio.run(ensure_topics(settings))
    except TopicError as error:
        raise click.ClickException(str(error)) from error
    run(settings, count)


def run(settings: Settings, partitions: int) -> None:
    """Run a worker in this process until it is told to stop; never returns."""
    from streams.app.worker import WorkerApp

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    app = WorkerApp(settings, partitions)
    app.finalize()
    _log(settings.log_level)
    runner = faust.Worker(
        app, quiet=True, override_logging=False, redirect_stdouts=False, daemon=True
    )
    runner.spinner = None
    sys.exit(runner.execute_from_commandline())


def _log(level: str) -> None:
    """Log to standard error. Faust tells much at info that only its developers need, also in the
    name of our subclasses of its services.
    """
    logging.basicConfig(
        format="%(asctime)s %(levelname)-8s %(name)s: %(message)s",
        level=logging.WARNING if level == "info" else level.upper(),
    )
    logging.getLogger("streams").setLevel(level.upper())
    if level == "info":
        logging.getLogger("streams.app").setLevel(logging.WARNING)
