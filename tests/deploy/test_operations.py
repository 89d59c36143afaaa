"""docs/operations.md: what it says of a worker's options and of other files."""

from __future__ import annotations

import re

from streams.cli import main
from tests.deploy.places import COMPOSE, OPERATIONS, ROOT, load

TEXT = OPERATIONS.read_text(encoding="utf-8")


def test_every_option_of_a_worker_that_it_advises_exists() -> None:
    worker = main.commands["worker"]
    known = {name for one in worker.params for name in one.opts}
    # Those of other commands are checked with all pages; these are Docker's and Kafka's.
    others = {"--build", "--scale", "--profile", "--volumes", "--rm"}
    others |= {"--describe", "--group", "--state", "--namespace"}
    rest = re.sub(r"`[^`]*thalweg (?!worker)[^`]+`|^thalweg (?!worker).+$", "", TEXT, flags=re.M)
    found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", rest))
    assert "--standbys" in found
    assert found - others <= known


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
