"""A real headless Chromium, and what every look at the page must find."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = os.environ.get("THALWEG_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
OPTIONS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; skips the test where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(
            f"no Chromium at {CHROMIUM}: install one (Debian: apt-get install chromium), or name "
            "it in THALWEG_CHROMIUM"
        )
    api = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """One tab, with everything that it said and asked for."""

    def __init__(self, browser: Any, *, width: int = 1360, height: int = 900, **context: Any):
        self.context = browser.new_context(viewport={"width": width, "height": height}, **context)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of complaints that the test brings about itself."""
        self.tab.on("console", self._hear)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, address: str) -> None:
        self.tab.goto(address)

    def see(self, selector: str, **options: Any) -> Any:
        """An element, once it is visible."""
        found = self.tab.locator(selector, **options).first
        found.wait_for(timeout=20_000)
        return found

    def wait_for_charts(self, count: int = 5) -> None:
        self.tab.locator("[data-drawn]").nth(count - 1).wait_for(timeout=20_000)

    def until(self, expression: str) -> None:
        """Wait for a JavaScript expression to be true; the page's own policy forbids eval."""
        deadline = time.monotonic() + 20
        while not self.tab.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.tab.wait_for_timeout(50)

    def show(self, name: str) -> Path:
        """A screenshot of the whole view."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.tab.screenshot(path=str(path), full_page=True)
        return path

    def fits(self) -> bool:
        """Whether nothing is wider than the window."""
        return bool(self.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))

    def close(self, host: str) -> None:
        """Check that nothing went wrong, and that only ``host`` (with port) was asked."""
        self.context.close()
        unexpected = [
            text for text in self.complaints if not any(part in text for part in self.expected)
        ]
        assert not unexpected, unexpected
        others = {url for url in self.asked if _remote(url) and urlsplit(url).netloc != host}
        assert not others, others


def _remote(url: str) -> bool:
    return urlsplit(url).scheme not in ("data", "blob", "about")


@contextmanager
def reader(browser: Any, address: str, **options: Any) -> Iterator[Reader]:
    """A tab at an address; what went wrong in it fails the test."""
    made = Reader(browser, **options)
    made.open(address)
    yield made
    made.close(urlsplit(address).netloc)
