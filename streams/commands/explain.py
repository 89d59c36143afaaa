"""``thalweg explain``: why a request got its answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from streams.settings import DEFAULT_BROKERS, Settings, Topics

if TYPE_CHECKING:
    from streams.audit.explain import Explained


@click.command()
@click.argument("route")
@click.argument("request_id")
@click.option(
    "--brokers", default=DEFAULT_BROKERS, show_default=True, envvar="THALWEG_BROKERS",
    help="Kafka bootstrap servers, comma separated.",
)  # fmt: skip
@click.option("--name", default="thalweg", show_default=True, help="As the workers' --name.")
@click.option("--topic-prefix", default="llm.", show_default=True, help="Stands before all topics.")
@click.option(
    "--state-version", type=click.IntRange(min=1),
    help="Which answer, where the id was used more than once.  [default: the newest]",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    route: str,
    request_id: str,
    brokers: str,
    name: str,
    topic_prefix: str,
    state_version: int | None,
    as_json: bool,
) -> None:
    """Say why REQUEST_ID of ROUTE got its answer.

    Replays the inputs of its partition up to it and looks at the state that it was made from: the
    policy, the context as a vector, what was thought of each arm and which could not be chosen,
    budget, session and experiment, the distribution and the draw; then goes on to its reward, and
    what was learned from that.

    Exit code: 0, or 2 where the answer is not there, or the topics no longer hold what it was made
    from.
    """
    from streams.audit import explanation
    from streams.audit.topics import AuditError
    from streams.console import make_console

    settings = Settings(brokers=brokers, name=name, topics=Topics.prefixed(topic_prefix))
    try:
        found = asyncio.run(_explain(settings, route, request_id, state_version))
    except AuditError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from error
    if as_json:
        click.echo(explanation.as_json(found))
    else:
        explanation.show(make_console(), found)


async def _explain(
    settings: Settings, route: str, request_id: str, version: int | None
) -> Explained:
    from streams.audit.explain import explain_decision
    from streams.audit.progress import make_progress

    with make_progress() as progress:
        task = progress.add_task("replaying", total=None)
        return await explain_decision(
            settings, route, request_id, version, lambda inputs: progress.advance(task, inputs)
        )
