"""One attempt: a POST, and what its answer means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final, Literal, Protocol

import aiohttp
from yarl import URL

from streams.notify.formats import Request
from streams.notify.receivers import Receiver
from streams.notify.retry import retry_after

_TRANSIENT_4XX: Final = {408, 425, 429}
_SHOWN: Final = 200
"""Characters of a refusing answer that are told."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one attempt."""

    result: Literal["accepted", "transient", "permanent"]
    why: str = ""
    """For a person; holds neither the URL nor a secret."""
    whole: bool = False
    """The failure has nothing to do with what was sent."""
    retry_after: float | None = None
    """Seconds for which the receiver asked to be left alone."""


class Sender(Protocol):
    """Makes attempts."""

    async def post(self, request: Request) -> Verdict:
        """Send it once. Never raises for what a network or a server can do."""


class HttpSender:
    """Posts to one receiver; an async context."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._url = URL(receiver.url, encoded=True)
        headers = {"User-Agent": f"thalweg/{version('thalweg')}"}
        if receiver.token is not None:
            headers["Authorization"] = f"Bearer {receiver.token}"
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpSender:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._receiver.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, request: Request) -> Verdict:
        """One POST; redirects are not followed, as they may turn it into a GET."""
        assert self._session is not None
        try:
            async with self._session.post(
                self._url, data=request.body, headers=request.headers, allow_redirects=False
            ) as response:
                text = "" if response.status < 300 else await self._beginning(response)
                return verdict_of(response.status, text, response.headers.get("Retry-After"))
        except TimeoutError:
            why = f"no answer within {self._receiver.timeout:g} s"
            return Verdict("transient", why, whole=True)
        except aiohttp.ClientSSLError:
            return Verdict("transient", "no secure connection: check its certificate", whole=True)
        except aiohttp.ClientConnectorDNSError:
            return Verdict("transient", "its host name is not known", whole=True)
        except (aiohttp.ClientError, OSError) as error:
            # Their texts may hold the URL.
            detail = getattr(error, "strerror", None) or type(error).__name__
            return Verdict("transient", f"no connection ({detail})", whole=True)

    async def _beginning(self, response: aiohttp.ClientResponse) -> str:
        raw = await response.content.read(4 * _SHOWN)
        text = " ".join(raw.decode(errors="replace").split())
        for secret in (self._receiver.url, self._url.raw_path_qs, self._receiver.token):
            if secret and len(secret) > 1:
                text = text.replace(secret, "***")
        return text[:_SHOWN]


def verdict_of(status: int, text: str, retry_header: str | None) -> Verdict:
    """What an answer means: 2xx accepted; 408, 425, 429 and 5xx to be tried again; others never."""
    if 200 <= status < 300:
        return Verdict("accepted")
    why = f"answered {status}" + (f": {text}" if text else "")
    if 300 <= status < 400:
        return Verdict("permanent", f"answered {status}, a redirect: give the URL it leads to")
    if status in _TRANSIENT_4XX or status >= 500:
        wait = retry_after(retry_header, datetime.now(UTC))
        return Verdict("transient", why, whole=status == 429 or wait is not None, retry_after=wait)
    return Verdict("permanent", why)
