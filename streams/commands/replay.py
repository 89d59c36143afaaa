"""``thalweg replay``: decide everything again, and compare with what was published."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from streams.settings import DEFAULT_BROKERS, Settings, Topics

if TYPE_CHECKING:
    from streams.audit.findings import Asked, PartitionFindings


class _Bound(click.ParamType):
    """A state version, or a time."""

    name = "VERSION|TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | datetime:
        text = str(value)
        if text.isdigit():
            return int(text)
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is neither a state version, a number, nor a time such as "
                "2026-02-03T14:05:00Z",
                param,
                ctx,
            )
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


@click.command()
@click.option(
    "--brokers", default=DEFAULT_BROKERS, show_default=True, envvar="THALWEG_BROKERS",
    help="Kafka bootstrap servers, comma separated.",
)  # fmt: skip
@click.option("--name", default="thalweg", show_default=True, help="As the workers' --name.")
@click.option("--topic-prefix", default="llm.", show_default=True, help="Stands before all topics.")
@click.option("--partition", type=click.IntRange(min=0), help="Only this one.  [default: all]")
@click.option("--route", help="Compare the answers of this route alone.")
@click.option(
    "--from", "first", type=_Bound(),
    help="Compare answers from this state version or time on. What came before is not replayed: "
    "its state is taken from the changelog.",
)  # fmt: skip
@click.option("--to", "last", type=_Bound(), help="Compare answers up to there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(
    brokers: str,
    name: str,
    topic_prefix: str,
    partition: int | None,
    route: str | None,
    first: int | datetime | None,
    last: int | datetime | None,
    as_json: bool,
) -> None:
    """Decide everything again from the topics, and compare with what the workers published.

    The inputs are applied in the order that the changelog tells, partition by partition. Every
    answer on the decision topic must come out again bit for bit, and the changelog's state too. It
    only reads; workers may go on meanwhile.

    Exit code: 0 all equal, 1 something differs, 2 something could not be verified (the topics no
    longer hold it), or could not be read.
    """
    from streams.audit import tables
    from streams.audit.findings import EXIT_CODES, worst
    from streams.audit.topics import AuditError
    from streams.console import make_console

    settings = Settings(brokers=brokers, name=name, topics=Topics.prefixed(topic_prefix))
    try:
        findings = asyncio.run(_audit(settings, partition, _asked(first, last, route)))
    except AuditError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from error
    if as_json:
        click.echo(tables.as_json(findings))
    else:
        tables.show_findings(make_console(), findings)
    raise SystemExit(EXIT_CODES[worst(findings)])


def _asked(first: int | datetime | None, last: int | datetime | None, route: str | None) -> Asked:
    from streams.audit.findings import Asked

    asked = Asked(route=route)
    if isinstance(first, int):
        asked = replace(asked, lowest=first)
    elif first is not None:
        asked = replace(asked, since_ms=_ms(first))
    if isinstance(last, int):
        asked = replace(asked, highest=last)
    elif last is not None:
        asked = replace(asked, until_ms=_ms(last))
    return asked


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1_000)


async def _audit(
    settings: Settings, partition: int | None, asked: Asked
) -> list[PartitionFindings]:
    from streams.audit.progress import make_progress
    from streams.audit.replay import audit_partition
    from streams.audit.topics import AuditError, partition_count, partition_of, snapshots

    count = await partition_count(settings)
    if partition is not None and partition >= count:
        raise AuditError(f"there is no partition {partition}: the topics have {count}, from 0 on")
    if partition is None and asked.route is not None:
        partition = partition_of(asked.route, count)
    numbers = range(count) if partition is None else [partition]
    found = []
    taken = await snapshots(settings, numbers)
    with make_progress() as progress:
        total = sum(span.end for one in taken.values() for span in one.inputs)
        task = progress.add_task("replaying", total=total)
        for number, snapshot in taken.items():
            progress.update(task, description=f"partition {number}")
            passed = progress.tasks[task].completed
            found.append(
                await audit_partition(
                    settings,
                    number,
                    snapshot,
                    asked,
                    lambda inputs: progress.advance(task, inputs),
                )
            )
            ends = sum(span.end for span in snapshot.inputs)
            progress.update(task, completed=passed + ends)
    if asked.route is not None and not any(one.compared or one.unverified for one in found):
        raise AuditError(
            f"there is no answer of {asked.route!r} in partition {partition} within the bounds; "
            "if your producers place keys otherwise than Java's client does, give --partition"
        )
    return found
