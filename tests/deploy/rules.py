"""The rule files: what they hold, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.deploy.places import PROMETHEUS, load
from tests.deploy.queries import Series, check, known

RULES: Final = PROMETHEUS / "thalweg.rules.yml"
ALERTS: Final = PROMETHEUS / "thalweg.alerts.yml"
SEVERITIES: Final = frozenset({"critical", "warning"})
_IN_TEXT: Final = re.compile(r"\{\{-?\s*\$labels\.(\w+)")


def rules(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rules of a file, in order."""
    for group in document["groups"]:
        yield from group["rules"]


def recorded(document: Mapping[str, Any], series: Mapping[str, Series]) -> dict[str, Series]:
    """What the recording rules of a file add to ``series``, which they are checked against."""
    found = dict(series)
    for rule in rules(document):
        checked = check(rule["expr"], found)
        meanings = " ".join(found[name].meaning for name in sorted(checked.names))
        found[rule["record"]] = Series("gauge", checked.labels or frozenset(), meanings)
    return found


def everything() -> dict[str, Series]:
    """All that queries may use: the metrics that are served, and what is recorded of them."""
    return recorded(load(RULES), known())


def recording_problems(document: Mapping[str, Any], series: Mapping[str, Series]) -> list[str]:
    """What is wrong with a file of recording rules."""
    return [
        f"{rule['record']}: {problem}"
        for rule in rules(document)
        for problem in check(rule["expr"], series).problems
    ]


def alerting_problems(
    document: Mapping[str, Any], series: Mapping[str, Series], anchors: set[str]
) -> list[str]:
    """What is wrong with a file of alerts, whose runbook has the ``anchors``."""
    found = []
    for rule in rules(document):
        name = rule["alert"]
        checked = check(rule["expr"], series)
        found += [f"{name}: {problem}" for problem in checked.problems]
        if rule["labels"].get("severity") not in SEVERITIES:
            found.append(f"{name}: its severity is none of {sorted(SEVERITIES)}")
        notes = rule.get("annotations", {})
        missing = {"summary", "description", "runbook"} - notes.keys()
        found += [f"{name}: no {one}" for one in sorted(missing)]
        told = set(_IN_TEXT.findall(" ".join(notes.values())))
        lost = told - (checked.labels or frozenset())
        found += [f"{name}: tells {one}, which its query does not keep" for one in sorted(lost)]
        page, _, anchor = notes.get("runbook", "").partition("#")
        if page != "docs/operations.md" or anchor != name.lower() or anchor not in anchors:
            found.append(f"{name}: no section of the runbook at {page}#{anchor}")
    return found
