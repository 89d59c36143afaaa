"""A real Prometheus over a real worker: the rules load, and the dashboards' panels have data."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.__main__ import FILES
from streams.local_kafka.settings import free_port
from tests.deploy.places import PROMETHEUS, ROOT, load
from tests.deploy.rules import ALERTS, RULES
from tests.streams.harness import serving

WITHIN = 180.0
QUIET = (
    "thalweg_incidents_open",
    "thalweg_alerts_total",
    "thalweg_rejections_total",
    "thalweg_dead_letters_total",
    "thalweg_outputs_total",
    "route_arm:thalweg_route_errors:ratio15m",
    "ALERTS",
    "thalweg_route_budget",
    "thalweg_notify",
    "thalweg_route_join_ratio",
)
"""What has no series where nothing of the kind has happened; the last takes ten minutes."""


@contextmanager
def _running(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        yield process
        assert process.poll() is None, log.read_text()
    finally:
        process.kill()
        process.wait()


def _configuration(worker: int, path: Path) -> Path:
    """The one of docker-compose.yml, but for addresses and intervals."""
    config = load(PROMETHEUS / "prometheus.yml")
    config["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), "1s"
    )
    config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
    (job,) = (one for one in config["scrape_configs"] if one["job_name"] == "thalweg")
    target = {"targets": [f"127.0.0.1:{worker}"], "labels": {"instance": "worker-1"}}
    config["scrape_configs"] = [{"job_name": job["job_name"], "static_configs": [target]}]
    del config["alerting"]
    path.write_text(yaml.safe_dump(config))
    return path


def _get(port: int, path: str, **parameters: str) -> Any:
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=20) as response:
        return json.load(response)["data"]


def _expressions() -> Iterator[tuple[str, str]]:
    """Every panel's queries, with what Grafana puts in for its variables."""
    chosen = {"$route": "demo/balanced", "$arm": ".*", "$worker": ".*", "$__rate_interval": "10s"}
    for name, dashboard in FILES.items():
        for panel in dashboard.model()["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"]
                for variable, value in chosen.items():
                    expression = expression.replace(variable, value)
                yield f"{name}: {panel['title']}", expression


def _empty(port: int) -> dict[str, str]:
    return {
        expression: where
        for where, expression in _expressions()
        if not any(name in expression for name in QUIET)
        and not _get(port, "query", query=expression)["result"]
    }


def _filled(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN
    missing: dict[str, str] = {"": "nothing was asked for yet"}
    while missing:
        assert process.poll() is None, "Prometheus has ended"
        assert time.monotonic() < deadline, f"no data after {WITHIN:.0f} s: {missing}"
        time.sleep(2)
        try:
            missing = _empty(port)
        except ConnectionError:
            continue
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                continue
            raise AssertionError(error.read().decode()) from error
        except urllib.error.URLError:
            continue


def test_panels_have_data_and_rules_evaluate(
    brokers: str, topic_prefix: str, tmp_path: Path
) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (Debian, Ubuntu: apt-get install prometheus)")

    async def main() -> None:
        web, own = free_port(set()), free_port(set())
        config = _configuration(web, tmp_path / "prometheus.yml")
        play = [sys.executable, "-m", "streams.cli", "demo", "--proxy-only", f"--brokers={brokers}"]
        watch = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
        async with serving(brokers, topic_prefix, tmp_path / "w1", web_port=web):
            with (
                _running(
                    tmp_path / "proxy.log", *play, f"--topic-prefix={topic_prefix}", "--rate=50"
                ),
                _running(
                    tmp_path / "prometheus.log", *watch, f"--web.listen-address=127.0.0.1:{own}"
                ) as prometheus,
            ):
                await asyncio.to_thread(_filled, own, prometheus)
                found = await asyncio.to_thread(_get, own, "rules")
        groups = found["groups"]
        assert {Path(group["file"]) for group in groups} == {RULES, ALERTS}
        rules = [rule for group in groups for rule in group["rules"]]
        assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
        # All is well, so nothing may wake anybody.
        fires = [rule["name"] for rule in rules if rule.get("state") == "firing"]
        assert fires == []

    asyncio.run(main())
