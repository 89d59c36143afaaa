"""Grafana's dashboards and their provisioning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import jsonschema
import pytest

from deploy.grafana.__main__ import DASHBOARDS, FILES, written
from tests.deploy.places import COMPOSE, GRAFANA, load
from tests.deploy.queries import SERVED, Series, check
from tests.deploy.rules import ALERTS, RULES, everything

MODELS = {name: json.loads((DASHBOARDS / name).read_text(encoding="utf-8")) for name in FILES}
UNITS = {"short", "s", "bytes", "Bps", "ops", "reqps", "percentunit", "currencyUSD"}
"""Of Grafana's, those that are used."""
SCHEMA = {
    "type": "object",
    "required": ["uid", "title", "description", "schemaVersion", "templating", "panels", "time"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-z-]{1,40}$"},
        "title": {"type": "string", "minLength": 1},
        "editable": {"const": False},
        "panels": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/panel"}},
    },
    "$defs": {
        "place": {
            "type": "object",
            "required": ["x", "y", "w", "h"],
            "additionalProperties": False,
            "properties": {
                "x": {"type": "integer", "minimum": 0, "maximum": 23},
                "y": {"type": "integer", "minimum": 0},
                "w": {"type": "integer", "minimum": 1, "maximum": 24},
                "h": {"type": "integer", "minimum": 1},
            },
        },
        "panel": {
            "type": "object",
            "required": ["id", "type", "title", "gridPos"],
            "properties": {
                "id": {"type": "integer", "minimum": 1},
                "type": {"enum": ["row", "timeseries", "stat", "table"]},
                "title": {"type": "string", "minLength": 1},
                "gridPos": {"$ref": "#/$defs/place"},
            },
            "if": {"properties": {"type": {"const": "row"}}},
            "else": {
                "required": ["description", "datasource", "targets", "fieldConfig", "options"],
                "properties": {
                    "description": {"type": "string", "minLength": 5},
                    "targets": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["refId", "datasource", "expr", "legendFormat"],
                        },
                    },
                },
            },
        },
    },
}

dashboards = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))


def _charts(model: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (panel for panel in model["panels"] if panel["type"] != "row")


def _queries(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every query of a dashboard, with where it is."""
    for panel in _charts(model):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            selector = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            assert selector, variable["query"]
            yield f"${variable['name']}", f"count by ({selector[2]}) ({selector[1]})"
    for annotation in model["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def _problems(model: Mapping[str, Any], series: Mapping[str, Series]) -> list[str]:
    found = []
    for where, query in _queries(model):
        found += [f"{where}: {problem}" for problem in check(query, series).problems]
    for panel in _charts(model):
        for target in panel["targets"]:
            labels = check(target["expr"], series).labels or frozenset()
            told = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            found += [f"{panel['title']}: no label {one}" for one in sorted(told - labels)]
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_what_the_script_writes(name: str) -> None:
    assert (DASHBOARDS / name).read_text(encoding="utf-8") == written(FILES[name]), (
        "run `python -m deploy.grafana`"
    )


def test_there_are_no_other_files() -> None:
    assert {path.name for path in DASHBOARDS.iterdir()} == set(FILES)


@dashboards
def test_every_query_uses_what_there_is(model: dict[str, Any]) -> None:
    assert _problems(model, everything()) == []


@dashboards
def test_a_renamed_metric_is_found(model: dict[str, Any]) -> None:
    names = {name for _, query in _queries(model) for name in check(query, everything()).names}
    assert len(names) > 15
    for name in names:
        rest = {other: series for other, series in everything().items() if other != name}
        assert any(name in problem for problem in _problems(model, rest)), name


def test_every_metric_is_on_a_dashboard_or_in_an_alert() -> None:
    text = "".join(path.read_text() for path in [*DASHBOARDS.iterdir(), RULES, ALERTS])
    unused = [
        m.name for m in SERVED if not re.search(rf"\b{m.name}(_(total|bucket|sum|count))?\b", text)
    ]
    assert unused == []


@dashboards
def test_the_model_is_as_grafana_reads_it(model: dict[str, Any]) -> None:
    jsonschema.validate(model, SCHEMA)
    ids = [panel["id"] for panel in model["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in model["panels"]]
    assert len(titles) - len(set(titles)) <= 1  # a total, and the same of one route
    for panel in _charts(model):
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters))


@dashboards
def test_no_panel_covers_another(model: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in model["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@dashboards
def test_every_panel_asks_the_chosen_prometheus(model: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    (variable,) = (one for one in model["templating"]["list"] if one["name"] == "datasource")
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    for panel in _charts(model):
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])


@dashboards
def test_every_variable_that_is_used_is_defined_and_every_defined_one_is_used(
    model: dict[str, Any],
) -> None:
    text = json.dumps([*_queries(model), model["panels"]])
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used == {variable["name"] for variable in model["templating"]["list"]}


def test_the_provisioned_files_are_where_grafana_looks() -> None:
    grafana = load(COMPOSE)["services"]["grafana"]
    mounts = dict(reversed(mount.split(":")[:2]) for mount in grafana["volumes"])
    provisioning = GRAFANA / "provisioning"
    assert mounts["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    (provider,) = load(provisioning / "dashboards" / "thalweg.yml")["providers"]
    assert mounts[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    home = PurePosixPath(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert home.name in FILES


def test_the_datasource_is_the_composed_prometheus() -> None:
    (source,) = load(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    services = load(COMPOSE)["services"]
    host, port = source["url"].removeprefix("http://").split(":")
    assert f"127.0.0.1:{port}:{port}" in services[host]["ports"]
    scraped = load(GRAFANA.parent / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scraped
