"""An Alertmanager: the real one where it is installed, otherwise one that keeps its rules.

The rules are those of https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
(postableAlerts), https://prometheus.io/docs/alerting/latest/alerts_api, and the checks of an alert
in https://github.com/prometheus/common/blob/main/model/alert.go (Validate).
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson
from aiohttp import web
from jsonschema import Draft4Validator, FormatChecker

from tests.notify.hook import Got, hooked, status

_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
POSTABLE_ALERTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "labels": {
                **_LABELS,
                "minProperties": 1,
                "required": ["alertname"],
                "patternProperties": {"^[a-zA-Z_][a-zA-Z0-9_]*$": {"type": "string"}},
                "additionalProperties": False,
            },
            "annotations": {
                "type": "object",
                "patternProperties": {"^[a-zA-Z_][a-zA-Z0-9_]*$": {"type": "string"}},
                "additionalProperties": False,
            },
            "generatorURL": {"type": "string", "format": "uri"},
            "startsAt": {"type": "string", "format": "date-time"},
            "endsAt": {"type": "string", "format": "date-time"},
        },
        "required": ["labels"],
        "additionalProperties": False,
    },
}


def problems(alerts: Any) -> list[str]:
    """What Alertmanager would refuse of the body of a POST."""
    validator = Draft4Validator(POSTABLE_ALERTS, format_checker=FormatChecker())
    found = [error.message for error in validator.iter_errors(alerts)]
    if found:
        return found
    for alert in alerts:
        for name in ("startsAt", "endsAt"):
            if datetime.fromisoformat(alert[name]).tzinfo is None:
                found.append(f"{name} is not RFC 3339")
        if datetime.fromisoformat(alert["endsAt"]) < datetime.fromisoformat(alert["startsAt"]):
            found.append("start time must be before end time")
        if not all(alert["labels"].values()):
            found.append("an empty label is none")
    return found


class Alertmanager(Protocol):
    """What a test asks of one."""

    @property
    def url(self) -> str:
        """Its base URL."""

    async def firing(self) -> list[dict[str, Any]]:
        """The alerts that have not ended."""


class Real:
    """The real one, asked over its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    async def firing(self) -> list[dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v2/alerts") as response,
        ):
            return orjson.loads(await response.read())


class Ruled:
    """Takes what the rules allow, and forgets what has ended."""

    def __init__(self) -> None:
        self.url = ""
        self._alerts: dict[str, dict[str, Any]] = {}

    async def answer(self, got: Got) -> web.Response:
        if got.path != "/api/v2/alerts" or "json" not in got.headers["Content-Type"]:
            return status(404)
        if found := problems(got.json):
            return status(400, "; ".join(found))
        for alert in got.json:
            key = orjson.dumps(alert["labels"], option=orjson.OPT_SORT_KEYS).decode()
            self._alerts[key] = alert
        return status(200)

    async def firing(self) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        return [one for one in self._alerts.values() if datetime.fromisoformat(one["endsAt"]) > now]


def installed() -> str | None:
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def _start(program: str, directory: Path, port: int) -> subprocess.Popen[bytes]:
    config = directory / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with (directory / "alertmanager.log").open("wb") as log:
        return subprocess.Popen(
            [
                program, f"--config.file={config}", f"--storage.path={directory / 'am'}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


@asynccontextmanager
async def an_alertmanager(directory: Path) -> AsyncIterator[Alertmanager]:
    program = installed()
    if program is None:
        ruled = Ruled()
        async with hooked(ruled.answer) as hook:
            ruled.url = f"http://127.0.0.1:{hook.port}"
            yield ruled
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = _start(program, directory, port)
    try:
        real = Real(port)
        for _ in range(200):
            try:
                await real.firing()
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        yield real
    finally:
        process.kill()
        process.wait()
