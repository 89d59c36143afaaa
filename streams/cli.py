"""The command ``thalweg``."""

from __future__ import annotations

import click

from streams.commands.demo import demo
from streams.commands.evaluate import evaluate
from streams.commands.explain import explain
from streams.commands.kafka import kafka
from streams.commands.models import models
from streams.commands.notify import notify
from streams.commands.policy import policy
from streams.commands.replay import replay
from streams.commands.sample_size import sample_size
from streams.commands.simulate import simulate
from streams.commands.topics import topics
from streams.commands.warm_start import warm_start
from streams.commands.watch import watch
from streams.commands.worker import worker


@click.group()
@click.version_option(package_name="thalweg")
def main() -> None:
    """Learns, per route, which model serves LLM traffic best."""


main.add_command(worker)
main.add_command(kafka)
main.add_command(topics)
main.add_command(demo)
main.add_command(models)
main.add_command(policy)
main.add_command(sample_size)
main.add_command(warm_start)
main.add_command(evaluate)
main.add_command(simulate)
main.add_command(replay)
main.add_command(explain)
main.add_command(watch)
main.add_command(notify)

if __name__ == "__main__":
    main()
