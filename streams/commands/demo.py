"""``thalweg demo``: recorded LLM answers, replayed through a real Kafka and a real worker."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click

from streams.settings import DEFAULT_BROKERS


@click.command()
@click.option(
    "--requests", default=18_000, show_default=True, type=click.IntRange(min=50),
    help="How many requests, over all routes.",
)  # fmt: skip
@click.option(
    "--rate", default=250.0, show_default=True, type=click.FloatRange(min=1.0),
    help="Requests per second; less when the machine is slower.",
)  # fmt: skip
@click.option(
    "--seed", default=1, show_default=True,
    help="Of the prompts' order and the made-up latencies. Figures still vary a little: what a "
    "decision knows depends on which rewards have arrived.",
)  # fmt: skip
@click.option(
    "--brokers", envvar="THALWEG_BROKERS",
    help="Use this Kafka (HOST:PORT), in topics of the demo's own that are deleted at the end.  "
    "[default: start one]",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the report to this file, too.",
)  # fmt: skip
@click.option(
    "--proxy-only", is_flag=True,
    help="Play only the proxy, round after round until Ctrl-C, for workers that --brokers and "
    "--topic-prefix lead to. Nothing is started, created or deleted.",
)  # fmt: skip
@click.option(
    "--topic-prefix", default="llm.", show_default=True,
    help="Stands before the topics of --proxy-only.",
)  # fmt: skip
@click.option(
    "--keep", is_flag=True, help="Leave Kafka and the worker running at the end, until Ctrl-C."
)
def demo(
    requests: int,
    rate: float,
    seed: int,
    brokers: str | None,
    json_file: Path | None,
    proxy_only: bool,
    topic_prefix: str,
    keep: bool,
) -> None:
    """See it work: route 18,000 recorded prompts between three models, one of which gets worse.

    Starts a local Kafka and a worker, plays a proxy, and shows what the router chose, what that
    brought against single models, and how soon it noticed. Nothing is left behind. Without
    --brokers the first run fetches Apache Kafka (44 MB).
    """
    from streams.console import make_console
    from streams.demo.errors import DemoError
    from streams.demo.rounds import run_rounds
    from streams.demo.run import Options, run

    # A service manager's SIGTERM means what Ctrl-C means.
    before = signal.signal(signal.SIGTERM, _interrupt)
    options = Options(requests, rate, seed, brokers or None, json_file, keep)
    try:
        if proxy_only:
            run_rounds(brokers or DEFAULT_BROKERS, topic_prefix, requests=requests, rate=rate)
        else:
            run(options, make_console())
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("interrupted; nothing of the demo is left running", err=True)
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)  # whose handler lets running tasks end in order
