"""``thalweg notify``: alerts to Slack, Alertmanager and other webhooks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from schemas.alert import AlertType, Severity
from schemas.fields import duration_ms
from streams.logs import quiet_libraries
from streams.settings import DEFAULT_BROKERS, Topics

if TYPE_CHECKING:
    from streams.notify.receivers import Receiver


class _Duration(click.ParamType):
    """A duration as policies have them, left as text."""

    name = "DURATION"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Check it."""
        try:
            duration_ms(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


DURATION = _Duration()


@click.command()
@click.option(
    "--slack", multiple=True, metavar="URL",
    help="An incoming webhook of Slack or of what is compatible. Like the other URLs, it may be "
    "env:NAME, the name of an environment variable that holds it, since it is a secret.",
)  # fmt: skip
@click.option("--alertmanager", multiple=True, metavar="URL", help="An Alertmanager's base URL.")
@click.option("--webhook", multiple=True, metavar="URL", help="Gets each alert's own JSON.")
@click.option(
    "--secret-env", default="", metavar="NAME",
    help="The environment variable with the secret that --webhook is signed with (whsec_...).",
)  # fmt: skip
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Receivers in a YAML file, besides those above; options are the defaults of both.",
)  # fmt: skip
@click.option(
    "--min-severity", type=click.Choice(get_args(Severity)), default="info",
    show_default=True, help="Incidents that never reach it are not told.",
)  # fmt: skip
@click.option(
    "--route", "routes", multiple=True, metavar="GLOB", help="Only routes like that, e.g. 'acme/*'."
)
@click.option(
    "--type", "types", multiple=True, type=click.Choice(get_args(AlertType)), metavar="TYPE",
    help="Only alerts of that type, e.g. drift.",
)  # fmt: skip
@click.option(
    "--page-url", default="", metavar="URL",
    help="Where alerts link to; {route} in it stands for the alert's route.",
)  # fmt: skip
@click.option("--timeout", type=DURATION, default="10s", show_default=True, help="Of one request.")
@click.option(
    "--give-up-after", type=DURATION, default="1h", show_default=True,
    help="An alert that is still not accepted then becomes a dead letter.",
)  # fmt: skip
@click.option(
    "--max-attempts", type=click.IntRange(min=0), default=0,
    help="Or after so many attempts.  [default: any number]",
)  # fmt: skip
@click.option(
    "--resend", type=DURATION, default="60s", show_default=True,
    help="How often Alertmanager is told again what is open.",
)  # fmt: skip
@click.option(
    "--from", "start", type=click.Choice(["now", "beginning"]), default="now", show_default=True,
    help="Where a receiver begins that never was told anything.",
)  # fmt: skip
@click.option(
    "--group", default="thalweg-notify", show_default=True,
    help="Consumer groups are called so, a dot, and the receiver's name.",
)  # fmt: skip
@click.option("--topic-prefix", default="llm.", show_default=True, help="Stands before all topics.")
@click.option(
    "--brokers", default=DEFAULT_BROKERS, show_default=True, envvar="THALWEG_BROKERS",
    help="Kafka bootstrap servers, comma separated.",
)  # fmt: skip
@click.option("--metrics-port", type=click.IntRange(1, 65_535), help="Serve /metrics there.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option(
    "--test", "try_out", is_flag=True,
    help="Post one made-up notice to every receiver, say what became of it, and end.",
)  # fmt: skip
@click.option(
    "--log-level", default="info", show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
)  # fmt: skip
def notify(
    slack: tuple[str, ...],
    alertmanager: tuple[str, ...],
    webhook: tuple[str, ...],
    secret_env: str,
    config: Path | None,
    start: str,
    group: str,
    topic_prefix: str,
    brokers: str,
    metrics_port: int | None,
    metrics_host: str,
    try_out: bool,
    log_level: str,
    **defaults: Any,
) -> None:
    """Post alerts to webhooks: Slack, Alertmanager, your own.

    Every alert is delivered at least once and in the order of its incident, or becomes a dead
    letter that says why. Every receiver has a consumer group of its own, so that none waits for
    another. Several processes share the work. SIGTERM and Ctrl-C let what is under way come to its
    end; exit code 0 then, 1 if it cannot run.
    """
    from streams.notify.receivers import ReceiverError
    from streams.notify.run import NotifyError, Options
    from streams.notify.run import notify as run
    from streams.notify.trial import try_receivers

    quiet_libraries(log_level)
    urls = {"slack": slack, "alertmanager": alertmanager, "webhook": webhook}
    try:
        found = _receivers(urls, secret_env, config, defaults)
        if try_out:
            good = asyncio.run(try_receivers(found, click.echo))
            raise SystemExit(0 if good else 1)
        options = Options(
            brokers=brokers,
            topics=Topics.prefixed(topic_prefix),
            group=group,
            start="beginning" if start == "beginning" else "now",
            metrics_host=metrics_host,
            metrics_port=metrics_port,
        )
        asyncio.run(run(options, found))
    except (ReceiverError, NotifyError) as error:
        raise click.ClickException(str(error)) from error


def _receivers(
    urls: dict[str, tuple[str, ...]], secret_env: str, config: Path | None, options: dict[str, Any]
) -> list[Receiver]:
    import msgspec

    from streams.notify.receivers import KINDS, Defaults, Entry, ReceiverError, read_file, receivers

    if secret_env and not urls["webhook"]:
        raise ReceiverError("--secret-env signs what --webhook gets, and there is no --webhook")
    entries = [
        Entry(url=url, kind=kind, secret_env=secret_env if kind == "webhook" else "")
        for kind in KINDS
        for url in urls[kind]
    ]
    if config is not None:
        entries += read_file(config)
    return receivers(entries, msgspec.convert(options, Defaults, strict=False))
