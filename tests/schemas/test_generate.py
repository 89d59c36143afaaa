from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.asyncapi import TOPICS, asyncapi_document
from schemas.generate import HERE, generated, main, stale
from schemas.json_schema import RECORDS


def test_the_files_in_the_tree_say_what_the_types_say() -> None:
    assert stale(HERE) == [], "run `python -m schemas.generate`"
    present = {path.relative_to(HERE) for path in (HERE / "json").iterdir()}
    assert present == {path for path in generated() if path.parent == Path("json")}


def test_check_finds_what_is_missing_or_differs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    edited = tmp_path / "json" / "reward.schema.json"
    edited.write_text(edited.read_text() + " ")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    assert "json/reward.schema.json" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert stale(tmp_path) == []


def test_six_topics_each_with_its_direction_and_key() -> None:
    document = yaml.safe_load((HERE / "asyncapi.yaml").read_text())
    assert document == asyncapi_document()
    directions = {
        document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]["address"]: operation[
            "action"
        ]
        for operation in document["operations"].values()
    }
    assert directions == {
        "llm.requests": "receive",
        "llm.rewards": "receive",
        "llm.policies": "receive",
        "llm.decisions": "send",
        "llm.drift": "send",
        "llm.dead-letters": "send",
    }
    assert {topic.record for topic in TOPICS} == set(RECORDS)
    for message in document["components"]["messages"].values():
        assert message["bindings"]["kafka"]["key"]["type"] == "string"
        assert message["examples"]


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for item in node.values() for found in references(item)]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = asyncapi_document()
    found = set(references(document))
    assert len(found) > 20
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        assert node
