"""A web server that receives alerts, and fails as it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Got:
    """One request; ``status`` is None until it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


Answer = Callable[[Got], Awaitable[web.Response]]


async def fine(_: Got) -> web.Response:
    return web.Response(text="ok")


def status(code: int, text: str = "", **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=code, text=text, headers=named)


@dataclass
class Hook:
    """What was received, in order, and how it is answered."""

    port: int = 0
    answer: Answer = fine
    got: list[Got] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/s3cr3t-path"

    @property
    def accepted(self) -> list[Got]:
        return [one for one in self.got if one.status == 200]

    @property
    def accepted_ids(self) -> list[str]:
        """Of alerts that came as they are."""
        return [one.json["alert_id"] for one in self.accepted]

    async def handle(self, request: web.Request) -> web.Response:
        got = Got(request.path, dict(request.headers), await request.read())
        self.got.append(got)
        response = await self.answer(got)
        got.status = response.status
        return response

    async def until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                seen = [(one.status, one.body[:80]) for one in self.got[-20:]]
                raise AssertionError(f"not reached in {within} s; last requests: {seen}")
            await asyncio.sleep(0.02)


@asynccontextmanager
async def hooked(answer: Answer = fine, port: int = 0) -> AsyncIterator[Hook]:
    hook = Hook(answer=answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hook.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    assert site._server is not None
    hook.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield hook
    finally:
        await runner.cleanup()
