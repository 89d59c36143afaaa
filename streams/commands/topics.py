"""``thalweg topics``: the topics of an installation."""

from __future__ import annotations

import asyncio

import click

from streams.settings import DEFAULT_BROKERS, Settings, Topics


@click.group()
def topics() -> None:
    """Create and check the topics of an installation."""


@topics.command()
@click.option(
    "--brokers", default=DEFAULT_BROKERS, show_default=True, envvar="THALWEG_BROKERS",
    help="Kafka bootstrap servers, comma separated.",
)  # fmt: skip
@click.option("--name", default="thalweg", show_default=True, help="Consumer group and changelog.")
@click.option("--topic-prefix", default="llm.", show_default=True, help="Stands before all topics.")
@click.option(
    "--partitions", default=8, show_default=True, type=click.IntRange(1, 10_000),
    help="Partitions of topics that are created.",
)  # fmt: skip
@click.option(
    "--replication", default=1, show_default=True, type=click.IntRange(1, 100),
    help="Replicas of topics that are created.",
)  # fmt: skip
def create(brokers: str, name: str, topic_prefix: str, partitions: int, replication: int) -> None:
    """Create the topics that are missing, with the settings that exactness needs; check the others.

    A worker does the same when it starts. Here it can be done once, before, by someone who may.
    Repeated, it changes nothing. Exits with 1 where an existing topic does not fit, and says why.
    """
    from streams.logs import quiet_libraries
    from streams.topics import TopicError, ensure_topics, wanted

    quiet_libraries("warning")
    settings = Settings(
        brokers=brokers,
        name=name,
        topics=Topics.prefixed(topic_prefix),
        partitions=partitions,
        replication=replication,
    )
    try:
        found = asyncio.run(ensure_topics(settings))
    except TopicError as error:
        raise click.ClickException(str(error)) from error
    for topic in wanted(settings):
        click.echo(f"{topic}: {found.partitions} partitions")
