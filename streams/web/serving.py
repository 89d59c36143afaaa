"""The page over HTTP, in the worker's own web server."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from typing import Any, Final, get_args

import msgspec
import orjson
from aiohttp import web

from streams.monitor.view import Sort
from streams.web import views
from streams.web.assets import Asset, charts, charts_path, etag, static_files
from streams.web.source import Source

SECURITY: Final = {
    # Plotly sets styles of its elements; scripts are our own files alone.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ALWAYS_ASK: Final = "no-cache"
FOR_A_DAY: Final = "public, max-age=86400"
ZIP_FROM: Final = 1400
"""Bytes that fit in one packet are not worth compressing."""
SPANS_MS: Final = {"15m": 900_000, "1h": 3_600_000, "6h": 21_600_000}
STATES: Final = ("all", "open", "over")
SEVERITIES: Final = ("", "info", "warning", "critical")

Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_page(application: web.Application, source: Source) -> None:
    """Serve the page at ``/``, its files, and its JSON under ``/api``."""
    files = static_files()

    async def index(request: web.Request) -> web.Response:
        return _asset(request, files["index.html"], ALWAYS_ASK)

    async def static(request: web.Request) -> web.Response:
        found = files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="the page has no such file", headers=SECURITY)
        return _asset(request, found, ALWAYS_ASK)

    async def library(request: web.Request) -> web.Response:
        found = charts()
        if found is None:
            raise web.HTTPNotFound(text="pip install 'thalweg[page]'", headers=SECURITY)
        return _asset(request, found, FOR_A_DAY)

    def overview(query: Query) -> Any:
        sorts: tuple[Sort, ...] = get_args(Sort)
        return views.overview(
            source,
            query.text("q"),
            query.one_of("sort", sorts),
            query.number("page"),
            charts=charts_path() is not None,
        )

    def route(query: Query) -> Any:
        span = SPANS_MS[query.one_of("span", tuple(SPANS_MS))]
        installed = charts_path() is not None
        return views.route(source, query.text("route"), span, charts=installed)

    def alerts(query: Query) -> Any:
        return views.alerts(
            source,
            query.text("q"),
            query.one_of("state", STATES),
            query.one_of("severity", SEVERITIES),
        )

    def engine(_: Query) -> Any:
        return views.engine(source)

    application.router.add_get("/", index)
    application.router.add_get("/static/{name}", static)
    application.router.add_get("/plotly.min.js", library)
    for name, view in (
        ("overview", overview),
        ("route", route),
        ("alerts", alerts),
        ("engine", engine),
    ):
        application.router.add_get(f"/api/{name}", _json(view))


class Query:
    """The parameters of a request. Raises HTTPBadRequest, with what would be right."""

    def __init__(self, request: web.Request) -> None:
        self._query = request.query

    def text(self, name: str) -> str:
        """Any text; "" where it is missing."""
        return self._query.get(name, "")

    def number(self, name: str) -> int:
        """A whole number from 0; 0 where it is missing."""
        text = self._query.get(name, "0")
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise _bad_request(f"{name} must be a whole number from 0")
        return int(text)

    def one_of(self, name: str, choices: tuple[Any, ...]) -> Any:
        """One of ``choices``; the first one where it is missing."""
        value = self._query.get(name, choices[0])
        if value not in choices:
            known = ", ".join(repr(choice) for choice in choices)
            raise _bad_request(f"{name} must be one of {known}")
        return value


def _bad_request(message: str) -> web.HTTPBadRequest:
    body = orjson.dumps({"error": message}).decode()
    return web.HTTPBadRequest(text=body, content_type="application/json", headers=SECURITY)


def _json(view: Callable[[Query], Any]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        body = orjson.dumps(msgspec.to_builtins(view(Query(request))))
        tag = etag(body)
        if _fresh(request, tag):
            return _not_modified(tag, ALWAYS_ASK)
        headers = _headers(tag, ALWAYS_ASK)
        if len(body) > ZIP_FROM and _takes_gzip(request):
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, content_type="application/json", headers=headers)

    return handler


def _asset(request: web.Request, asset: Asset, caching: str) -> web.Response:
    if _fresh(request, asset.etag):
        return _not_modified(asset.etag, caching)
    headers = _headers(asset.etag, caching)
    body = asset.plain
    if _takes_gzip(request):
        body = asset.zipped
        headers["Content-Encoding"] = "gzip"
    return web.Response(
        body=body, content_type=asset.content_type, charset="utf-8", headers=headers
    )


def _headers(tag: str, caching: str) -> dict[str, str]:
    # The tag is of what is inside, compressed or not: a weak one.
    return {**SECURITY, "ETag": f"W/{tag}", "Cache-Control": caching, "Vary": "Accept-Encoding"}


def _not_modified(tag: str, caching: str) -> web.Response:
    return web.Response(status=304, headers=_headers(tag, caching))


def _fresh(request: web.Request, tag: str) -> bool:
    known = request.headers.get("If-None-Match", "")
    return any(one.strip().removeprefix("W/") == tag for one in known.split(","))


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")
