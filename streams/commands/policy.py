"""``thalweg policy``: check policies before they are sent, send them, see what was sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from msgspec.structs import replace

from core.models.registry import Registry
from schemas.policy import Policy
from streams.commands.models import FILE, registry_of, registry_option, today
from streams.policy_file import Compiled, PolicyFileError, compile_file, notes
from streams.policy_topic import PolicyTopicError, Published, publish, read_route
from streams.settings import DEFAULT_BROKERS, Topics

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def _kafka_options(function: F) -> F:
    for option in (
        click.option(
            "--topic-prefix", default="llm.", show_default=True, help="Stands before all topics."
        ),
        click.option(
            "--brokers", default=DEFAULT_BROKERS, show_default=True, envvar="THALWEG_BROKERS",
            help="Kafka bootstrap servers, comma separated.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def _price_options(function: F) -> F:
    no_prices = click.option(
        "--no-prices", is_flag=True,
        help="Leave arms without a price as they are, instead of taking their model's list price.",
    )  # fmt: skip
    return registry_option(no_prices(function))


@click.group()
def policy() -> None:
    """Check policies, publish them, show what is published.

    A policy file holds one policy: JSON if its name ends in .json, YAML otherwise. Arms without a
    price get the list price of their model, if `thalweg models` knows it.
    """


@policy.command()
@click.argument("policies", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print each good policy as it would be sent, one a line.",
)
@_price_options
def check(
    policies: tuple[Path, ...], as_json: bool, no_prices: bool, files: tuple[Path, ...]
) -> None:
    """Check policies exactly as workers do, without Kafka, and print all that is wrong.

    The exit code is 1 if anything is.
    """
    registry = registry_of(files)
    wrong = False
    for path in policies:
        try:
            compiled = compile_file(path, None if no_prices else registry)
        except PolicyFileError as error:
            wrong = True
            click.echo(str(error), err=True)
            continue
        _tell_notes(path, compiled.policy, registry)
        click.echo(compiled.value if as_json else f"{path}: good: {_summary(compiled.policy)}")
    if wrong:
        raise SystemExit(1)


@policy.command("publish")
@click.argument("path", type=FILE, metavar="FILE")
@click.option(
    "--next-version", is_flag=True,
    help="Instead of the file's version, take the one after the version on the topic.",
)  # fmt: skip
@_price_options
@_kafka_options
def publish_file(
    path: Path,
    next_version: bool,
    no_prices: bool,
    files: tuple[Path, ...],
    brokers: str,
    topic_prefix: str,
) -> None:
    """Check the policy in FILE, send it, and wait until Kafka has it for good.

    A policy that stands on the topic already is not sent again.
    """
    registry = registry_of(files)
    try:
        # With any version: the file must be good before Kafka is asked for the version.
        compiled = compile_file(
            path, None if no_prices else registry, version=1 if next_version else None
        )
    except PolicyFileError as error:
        raise click.ClickException(str(error)) from error
    topic = Topics.prefixed(topic_prefix).policies
    route = compiled.policy.route
    published = _run(read_route(brokers, topic, route))
    current = published.policy
    if next_version:
        compiled = _next(compiled, published)
    if current is not None and _same(current, compiled.policy, but_version=next_version):
        click.echo(f"nothing to do: {route} has this policy already, as version {current.version}")
        return
    if compiled.policy.version <= published.highest:
        raise click.ClickException(
            f"{path}: {route} had version {published.highest} already, and this is version "
            f"{compiled.policy.version}: give it version {published.highest + 1} or higher, or "
            "use --next-version"
        )
    _tell_notes(path, compiled.policy, registry)
    partition, offset = _run(publish(brokers, topic, route, compiled.value))
    click.echo(f"published {_summary(compiled.policy)}: {topic}, {partition=}, {offset=}")


@policy.command()
@click.argument("route")
@_kafka_options
def show(route: str, brokers: str, topic_prefix: str) -> None:
    """Print the policy of ROUTE that stands on the topic, as JSON.

    The topic tells what was sent; what workers refused of it is passed over here as well.
    """
    topic = Topics.prefixed(topic_prefix).policies
    published = _run(read_route(brokers, topic, route))
    if published.refused is not None:
        click.echo(
            f"note: workers refuse the newest record of {route}: {published.refused}", err=True
        )
    if published.policy is None:
        state = "its policy was withdrawn" if published.withdrawn else "it has no policy there"
        raise click.ClickException(f"{route} on {topic!r}: {state}")
    click.echo(
        f"{_summary(published.policy)}: {topic}, partition={published.partition}, "
        f"offset={published.offset}",
        err=True,
    )
    click.echo(msgspec.json.format(msgspec.json.encode(published.policy), indent=2))


def _next(compiled: Compiled, published: Published) -> Compiled:
    if published.highest == 0 and (published.withdrawn or published.refused is not None):
        reason = (
            "its policy was withdrawn" if published.withdrawn else "its newest record was refused"
        )
        raise click.ClickException(
            f"the last version of {compiled.policy.route} cannot be read, as {reason} and the "
            "topic is compacted: give the version in the file, without --next-version"
        )
    policy = replace(compiled.policy, version=published.highest + 1)
    return Compiled(policy, msgspec.json.encode(policy))


def _same(current: Policy, new: Policy, *, but_version: bool) -> bool:
    return current == (replace(new, version=current.version) if but_version else new)


def _tell_notes(path: Path, policy: Policy, registry: Registry) -> None:
    for note in notes(policy, registry, today()):
        click.echo(f"{path}: note: {note}", err=True)


def _summary(policy: Policy) -> str:
    count = len(policy.arms)
    return f"{policy.route} version {policy.version} with {count} arm{'' if count == 1 else 's'}"


def _run(work: Coroutine[Any, Any, T]) -> T:
    # It logs what is told once more, and better, by the error that ends the command.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(work)
    except PolicyTopicError as error:
        raise click.ClickException(str(error)) from error
