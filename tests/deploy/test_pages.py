"""README.md and the other pages: their links, their commands, their examples."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from schemas.alert import Alert
from schemas.decision import Decision
from tests.deploy.commands import unknown
from tests.deploy.places import ROOT, anchors

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / ".github").glob("*.md"))]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
_ALTERNATIVES = re.compile(r"[|…]|\.\.\.|COMMAND")
"""A span with one of these tells of several commands, or of a part of one."""


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", _text(page), re.MULTILINE | re.DOTALL)
    return [str(one) for one in found]


def _commands(text: str) -> set[str]:
    """Whole commands of thalweg: in spans, in lines of code, and after a prompt."""
    joined = re.sub(r"\\\n\s*", "", text)
    spans = re.findall(r"`(thalweg [^`]+)`", joined)
    lines = re.findall(r"^(?:\$ |\.venv/bin/)?(thalweg [a-z].*)$", joined, re.MULTILINE)
    code = "\n".join(re.findall(r"^```.*?^```", joined, re.MULTILINE | re.DOTALL))
    plain = [line for line in lines if line in code]
    found = {re.sub(r"\s+", " ", one).partition(" #")[0].strip() for one in (*spans, *plain)}
    return {one for one in found if not _ALTERNATIVES.search(one)}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), target
        if anchor and to.suffix == ".md":
            assert anchor in set(anchors(_text(to))), target


@pages
def test_every_command_exists_with_its_options(page: Path) -> None:
    for command in _commands(_text(page)):
        assert unknown(shlex.split(command)[1:]) == [], command


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("watch alerts --open --no-follow", []),
        ("policy", []),
        ("policy check FILE --models=house.yaml", []),
        ("policy verify FILE", ["verify"]),
        ("worker --brokers x --partition=3", ["--partition"]),
    ],
)
def test_a_command_that_there_is_not_is_found(command: str, wrong: list[str]) -> None:
    assert unknown(command.split()) == wrong


def test_commands_are_found_in_spans_and_in_code() -> None:
    code = "```sh\n$ thalweg replay --a \\\n  --b  # why\n```\n"
    text = f"Try `thalweg watch\nalerts`.\n{code}thalweg is\n"
    assert _commands(text) == {"thalweg watch alerts", "thalweg replay --a --b"}
    assert len(set().union(*(_commands(_text(page)) for page in PAGES))) > 20


def test_lines_of_the_readme_are_short_but_in_tables() -> None:
    lines = _text(README).splitlines()
    assert [line for line in lines if len(line) > 105 and not line.startswith("|")] == []


@pages
def test_python_is_python(page: Path) -> None:
    for block in _blocks(page, "python"):
        compile(block, str(page), "exec")


def test_the_readme_lists_every_page() -> None:
    listed = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", _text(README)))
    assert listed == {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}


def test_the_decision_of_the_readme_is_one() -> None:
    (block,) = _blocks(README, "json")
    found = msgspec.convert(json.loads(block), Decision)
    assert json.loads(block).keys() <= {field.name for field in msgspec.structs.fields(found)} | {
        "status"
    }


def test_the_alert_of_the_page_on_alerts_is_one() -> None:
    (block,) = _blocks(ROOT / "docs" / "alerts.md", "json")
    found = msgspec.convert(json.loads(block), Alert)
    assert json.loads(block).keys() == {field.name for field in msgspec.structs.fields(found)}


def test_the_page_on_alerts_explains_every_type_event_and_action() -> None:
    from typing import get_args

    from schemas.alert import Action, AlertType, Event
    from streams.notify.alertmanager import NAMES

    text = _text(ROOT / "docs" / "alerts.md")
    words = (*get_args(AlertType), *get_args(Event), *get_args(Action), *NAMES.values())
    assert [word for word in words if f"`{word}`" not in text] == []


def test_the_page_on_alerts_shows_receivers_that_notify_takes(tmp_path: Path) -> None:
    from streams.notify.receivers import read_file

    (block,) = (one for one in _blocks(ROOT / "docs" / "alerts.md", "yaml") if "receivers:" in one)
    (tmp_path / "notify.yaml").write_text(block)
    assert [entry.kind for entry in read_file(tmp_path / "notify.yaml")] == [
        "slack",
        "alertmanager",
        "webhook",
    ]


def test_the_readme_names_every_folder_of_the_packages() -> None:
    (tree,) = re.findall(r"^```\n(schemas/.*?)^```", _text(README), re.MULTILINE | re.DOTALL)
    for package in ("core", "streams"):
        for folder in (ROOT / package).iterdir():
            if (folder / "__init__.py").exists() and folder.name != "commands":
                assert re.search(rf"\b{folder.name}/", tree), folder
