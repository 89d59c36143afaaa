"""``thalweg watch``: what the workers publish, as it comes."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from schemas.alert import AlertType, Severity
from schemas.dead_letter import DeadLetterReason
from schemas.fields import duration_ms
from streams.settings import DEFAULT_BROKERS, Topics

if TYPE_CHECKING:
    from rich.text import Text

    from schemas.alert import Alert

F = TypeVar("F", bound=Callable[..., Any])


class _Since(click.ParamType):
    """A duration back from now, a time, ``now`` or ``beginning``: as milliseconds since 1970."""

    name = "when"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """0 is the beginning."""
        if isinstance(value, int):
            return value
        text, now = str(value), round(time.time() * 1_000)
        if text in ("now", "beginning"):
            return now if text == "now" else 0
        try:
            return now - duration_ms(text)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is none of: an age such as 30m or 1h, a time such as "
                "2026-02-03T14:05:00Z, now, beginning",
                param,
                ctx,
            )
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return round(zoned.timestamp() * 1_000)


def _reading_options(function: F) -> F:
    for option in (
        click.option(
            "--topic-prefix", default="llm.", show_default=True, help="Stands before all topics."
        ),
        click.option(
            "--brokers", default=DEFAULT_BROKERS, show_default=True, envvar="THALWEG_BROKERS",
            help="Kafka bootstrap servers, comma separated.",
        ),
        click.option(
            "--follow/--no-follow", default=True, show_default=True,
            help="Wait for what comes, or end with what is there.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, one a line."),
        click.option("--verbose", "-v", is_flag=True, help="Print everything about each."),
        click.option(
            "--last", type=click.IntRange(min=0),
            help="Begin with so many of those that are there.  [default: 10]",
        ),
        click.option(
            "--since", type=_Since(), metavar="AGE|TIME|now|beginning",
            help="Begin with those from there on.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@click.group()
def watch() -> None:
    """Watch what the workers publish: alerts, dead letters."""


@watch.command()
@click.option(
    "--route", "routes", multiple=True, metavar="GLOB",
    help="Only routes like that, e.g. 'acme/*'.",
)  # fmt: skip
@click.option(
    "--severity", "min_severity", type=click.Choice(get_args(Severity)), default="info",
    help="Only incidents that reach it.",
)  # fmt: skip
@click.option(
    "--type", "types", multiple=True, type=click.Choice(get_args(AlertType)),
    help="Only alerts of that type.",
)  # fmt: skip
@click.option(
    "--open", "only_open", is_flag=True,
    help="Begin with the newest alert of each incident that is still open.",
)  # fmt: skip
@_reading_options
def alerts(
    routes: tuple[str, ...],
    min_severity: str,
    types: tuple[str, ...],
    only_open: bool,
    since: int | None,
    last: int | None,
    verbose: bool,
    as_json: bool,
    follow: bool,
    brokers: str,
    topic_prefix: str,
) -> None:
    """Print alerts as they come, one a line, beginning with the last 10.

    When an incident is shown, so is the alert that resolves it, whatever its severity. A repeated
    alert is shown once. Ctrl-C ends it.
    """
    from schemas.encode import encode_alert
    from streams.notify.incidents import Chosen, Incidents, Selection
    from streams.notify.lines import alert_lines
    from streams.notify.reading import read_alert

    if only_open and (since is not None or last is not None):
        raise click.UsageError("--open looks at all that is there: leave --since and --last out")
    chosen = Chosen(Selection(routes, types, min_severity))
    incidents = Incidents()

    def read(value: bytes) -> Alert | None:
        alert = read_alert(value)
        return alert if chosen.take(alert) else None

    def pick(found: Sequence[Alert]) -> Iterable[Alert]:
        for alert in found:
            incidents.take(alert)
        return incidents.newest()

    _watch(
        Topics.prefixed(topic_prefix).drift,
        brokers,
        _Beginning(since, last, everything=only_open),
        read,
        _Output(
            lambda alert: alert_lines(alert, verbose=verbose),
            encode_alert if as_json else None,
            pick if only_open else None,
        ),
        follow=follow,
    )


@watch.command("dead-letters")
@click.option(
    "--reason", "reasons", multiple=True, type=click.Choice(get_args(DeadLetterReason)),
    help="Only those with that reason.",
)  # fmt: skip
@_reading_options
def dead_letters(
    reasons: tuple[str, ...],
    since: int | None,
    last: int | None,
    verbose: bool,
    as_json: bool,
    follow: bool,
    brokers: str,
    topic_prefix: str,
) -> None:
    """Print dead letters as they come, one a line, beginning with the last 10.

    Each is a message that could neither act nor be answered, with what to do about it.
    """
    from schemas.encode import decode_dead_letter, encode_dead_letter
    from streams.notify.lines import letter_lines

    def read(value: bytes) -> Any:
        letter = decode_dead_letter(value)
        return letter if not reasons or letter.reason in reasons else None

    _watch(
        Topics.prefixed(topic_prefix).dead_letters,
        brokers,
        _Beginning(since, last),
        read,
        _Output(
            lambda letter: letter_lines(letter, verbose=verbose),
            encode_dead_letter if as_json else None,
        ),
        follow=follow,
    )


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What of the topic is shown to begin with."""

    since: int | None
    last: int | None
    everything: bool = False

    @property
    def start(self) -> int | None:
        """The time from which it is read, in milliseconds; None: from the beginning."""
        return self.since or None

    @property
    def most(self) -> int | None:
        """How many of the newest are shown; None: all."""
        if self.last is None and (self.since is not None or self.everything):
            return None
        return 10 if self.last is None else self.last


@dataclass(frozen=True, slots=True)
class _Output:
    """How things are printed."""

    lines: Callable[[Any], Iterable[Text]]
    encode: Callable[[Any], bytes] | None
    """To JSON, where that is wanted instead of lines."""
    pick: Callable[[Sequence[Any]], Iterable[Any]] | None = None
    """What of the history is shown, instead of all of it."""


def _watch(
    topic: str,
    brokers: str,
    beginning: _Beginning,
    read: Callable[[bytes], Any],
    output: _Output,
    *,
    follow: bool,
) -> None:
    """Print until the end, Ctrl-C, or until nobody reads the output any more: all are good ends."""
    from streams.notify.tail import TailError
    from streams.notify.topics import TopicsError

    # It logs what is told once more, and better, by the error that ends the command.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        asyncio.run(_follow(topic, brokers, beginning, read, output, follow=follow))
    except (TopicsError, TailError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # So that the interpreter's last flush finds somebody who reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _follow(
    topic: str,
    brokers: str,
    beginning: _Beginning,
    read: Callable[[bytes], Any],
    output: _Output,
    *,
    follow: bool,
) -> None:
    from streams.console import make_console
    from streams.notify.tail import Tail
    from streams.notify.topics import check_topics

    console = make_console()

    def show(things: Iterable[Any]) -> None:
        for thing in things:
            if output.encode is not None:
                click.echo(output.encode(thing))
                continue
            for line in output.lines(thing):
                with console.capture() as captured:
                    console.print(line, soft_wrap=True)
                click.echo(captured.get(), nl=False, color=console.is_terminal)

    def readable(record: Any) -> Any:
        try:
            return read(record.value or b"")
        except ValueError as error:
            where = f"{topic}, partition {record.partition}, offset {record.offset}"
            click.echo(f"note: left out, not readable: {where}: {error}", err=True)
            return None

    partitions = (await check_topics(brokers, [topic]))[topic]
    async with Tail(brokers, topic, partitions) as tail:
        found = await tail.history(beginning.start, readable, beginning.most)
        show(found if output.pick is None else output.pick(found))
        if not follow:
            return
        async for records in tail.live():
            show(made for made in map(readable, records) if made is not None)
            if _nobody_reads():
                raise BrokenPipeError


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end was closed."""
    try:
        number = sys.stdout.fileno()
        if not stat.S_ISFIFO(os.fstat(number).st_mode):
            return False
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(number, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
