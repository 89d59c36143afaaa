"""``thalweg kafka``: a local Apache Kafka in the foreground."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType

import click

from streams.local_kafka import LocalKafka, LocalKafkaError


@click.command()
@click.option(
    "--port", default=9092, show_default=True, type=click.IntRange(0, 65535),
    help="Where it listens on 127.0.0.1; 0 takes a free port.",
)  # fmt: skip
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path),
    help="Keep the data there, for the next start too.  [default: a temporary folder]",
)  # fmt: skip
@click.option(
    "--heap", default="1g", show_default=True, help="Java's heap, as Java writes it: 512m, 1g."
)
def kafka(port: int, data_dir: Path | None, heap: str) -> None:
    """Run a real Apache Kafka on this machine, with no Docker and no Java installed.

    The first start fetches Kafka (44 MB) and keeps it; later ones need no network. The address goes
    to standard output, everything else to standard error. Ctrl-C stops it.
    """
    # A service manager's SIGTERM means what Ctrl-C means.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with LocalKafka(port=port, data_dir=data_dir, heap=heap, say=_say) as broker:
            click.echo(f"Kafka is ready: bootstrap servers {broker.bootstrap}")
            kept = f"data in {broker.data_dir}" if data_dir else "the data goes away with it"
            _say(f"Ctrl-C stops it; {kept}")
            while True:
                broker.check_alive()
                time.sleep(0.5)
    except KeyboardInterrupt:
        _say("Kafka is stopped")
    except LocalKafkaError as error:
        raise click.ClickException(str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
