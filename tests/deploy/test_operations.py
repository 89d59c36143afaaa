"""docs/operations.md: its links, its commands, and what it says of other files."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from streams.cli import main
from tests.deploy.places import COMPOSE, OPERATIONS, ROOT, anchors, load

TEXT = OPERATIONS.read_text(encoding="utf-8")
COMMANDS = sorted(
    {
        line.strip()
        for code in [
            *re.findall(r"`(thalweg [^`]+)`", TEXT),
            *re.findall(r"^thalweg .+$", TEXT, re.M),
        ]
        for line in [code.partition("#")[0]]
    }
)


def test_every_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(targets) > 10
    own = set(anchors(TEXT))
    for target in targets:
        path, _, anchor = target.partition("#")
        assert not path or (OPERATIONS.parent / path).exists(), target
        assert not anchor or path or anchor in own, target


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_exists_with_its_options(line: str) -> None:
    command: click.Command = main
    context = click.Context(main)
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    used = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}
    assert used <= options, line


def test_every_option_of_a_worker_that_it_advises_exists() -> None:
    worker = main.commands["worker"]
    known = {name for one in worker.params for name in one.opts}
    # What is no option of a worker is one of Docker, pip or Kafka, or stands with its command.
    others = {"--build", "--scale", "--profile", "--volumes", "--rm", "--help", "--brokers"}
    others |= {"--describe", "--group", "--state", "--namespace"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - others <= known


def test_addresses_are_those_that_compose_publishes() -> None:
    published = {
        ":".join(port.split(":")[:2])
        for service in load(COMPOSE)["services"].values()
        for port in service.get("ports", [])
    }
    named = set(re.findall(r"127\.0\.0\.1:\d+", TEXT))
    assert named <= published
    assert named >= published


def test_every_file_of_the_deployment_is_mentioned_by_its_folder() -> None:
    for folder in ("prometheus", "grafana", "kubernetes", "alertmanager"):
        assert f"deploy/{folder}" in TEXT
        assert (ROOT / "deploy" / folder).is_dir()
