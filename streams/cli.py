"""The command ``thalweg``."""

from __future__ import annotations

import click

from streams.commands.demo import demo
from streams.commands.kafka import kafka
from streams.commands.worker import worker


@click.group()
@click.version_option(package_name="thalweg")
def main() -> None:
    """Learns, per route, which model serves LLM traffic best."""


main.add_command(worker)
main.add_command(kafka)
main.add_command(demo)

if __name__ == "__main__":
    main()
