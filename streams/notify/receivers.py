"""Whom ``thalweg notify`` tells: the receivers, from the command line or a YAML file.

URLs and secrets never reach a log: a receiver is called by its name, and its ``repr`` hides them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from yarl import URL

from schemas.alert import AlertType, Severity
from schemas.fields import Duration, duration_ms
from streams.documents import DocumentError, read_json
from streams.notify.incidents import Selection
from streams.notify.retry import Backoff

Kind = Literal["slack", "alertmanager", "webhook"]
KINDS: Final[tuple[Kind, ...]] = ("slack", "alertmanager", "webhook")
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{1,80}")
_ALERTS_PATH: Final = "/api/v2/alerts"


class ReceiverError(Exception):
    """The receivers are not usable as they are told; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One receiver, checked. Times in seconds."""

    name: str
    """Unique; names its consumer group, its metrics and its lines in the log."""
    kind: Kind
    url: str = field(repr=False)
    selection: Selection = field(default_factory=Selection)
    page_url: str = ""
    """Where alerts link to; ``{route}`` stands for the alert's route."""
    token: str | None = field(default=None, repr=False)
    """A bearer token."""
    signing_key: bytes | None = field(default=None, repr=False)
    timeout: float = 10.0
    give_up_after: float = 3_600.0
    max_attempts: int = 0
    """0: any number, until ``give_up_after``."""
    resend: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def host(self) -> str:
        """Where it is, as far as a log may tell."""
        return URL(self.url).host or "?"


class Entry(Struct, kw_only=True, forbid_unknown_fields=True):
    """A receiver as it is written."""

    url: str
    kind: Kind
    name: str = ""
    routes: list[str] | UnsetType = UNSET
    types: list[AlertType] | UnsetType = UNSET
    min_severity: Severity | UnsetType = UNSET
    page_url: str | UnsetType = UNSET
    token_env: str = ""
    secret_env: str = ""
    timeout: Duration | UnsetType = UNSET
    give_up_after: Duration | UnsetType = UNSET
    max_attempts: int | UnsetType = UNSET
    resend: Duration | UnsetType = UNSET
    first_retry: Duration = "1s"
    last_retry: Duration = "60s"


class Defaults(Struct, kw_only=True, forbid_unknown_fields=True):
    """What holds for receivers that do not say otherwise."""

    routes: list[str] = []
    types: list[AlertType] = []
    min_severity: Severity = "info"
    page_url: str = ""
    timeout: Duration = "10s"
    give_up_after: Duration = "1h"
    max_attempts: int = 0
    resend: Duration = "60s"


class _File(Struct, forbid_unknown_fields=True):
    receivers: list[Entry]


def read_file(path: Path) -> list[Entry]:
    """The receivers in a YAML or JSON file. Raises ReceiverError."""
    try:
        return msgspec.json.decode(read_json(path), type=_File).receivers
    except DocumentError as error:
        raise ReceiverError(str(error)) from error
    except msgspec.DecodeError as error:
        raise ReceiverError(
            f"{path}: {error}; expected e.g. `receivers: [{{kind: slack, url: env:SLACK_URL}}]`"
        ) from error


def receivers(
    entries: Sequence[Entry], defaults: Defaults, environment: Mapping[str, str] = os.environ
) -> list[Receiver]:
    """All receivers, with their secrets from the environment. Raises ReceiverError."""
    made: list[Receiver] = []
    for entry in entries:
        names = {one.name for one in made}
        name = entry.name or _free_name(entry.kind, names)
        if not _NAME.fullmatch(name):
            raise ReceiverError(
                f"the receiver's name {name!r} would name a consumer group: use at most 80 "
                "letters, digits, dots, dashes and underscores"
            )
        if name in names:
            raise ReceiverError(f"two receivers are called {name!r}: each needs a name of its own")
        made.append(_receiver(name, entry, defaults, environment))
    if not made:
        raise ReceiverError(
            "nobody would be told: name receivers with --slack, --alertmanager or --webhook, or in "
            "a file with --config"
        )
    return made


def _receiver(
    name: str, entry: Entry, defaults: Defaults, environment: Mapping[str, str]
) -> Receiver:
    def either(option: str) -> Any:
        value = getattr(entry, option)
        return getattr(defaults, option) if value is UNSET else value

    def seconds(option: str) -> float:
        try:
            return duration_ms(either(option)) / 1_000.0
        except ValueError as error:
            raise ReceiverError(f"receiver {name}: {option}: {error}") from error

    if entry.secret_env and entry.kind != "webhook":
        raise ReceiverError(f"receiver {name}: only webhooks are signed, not {entry.kind}")
    first, most = seconds("first_retry"), seconds("last_retry")
    if most < first:
        raise ReceiverError(f"receiver {name}: last_retry is shorter than first_retry")
    url = _url(name, entry, environment)
    if entry.token_env and URL(url).user is not None:
        raise ReceiverError(f"receiver {name}: a token and a user in the URL exclude each other")
    attempts: int = either("max_attempts")
    if attempts < 0:
        raise ReceiverError(f"receiver {name}: max_attempts must be 0 (any number) or more")
    page_url: str = either("page_url")
    if page_url and URL(page_url).scheme not in ("http", "https"):
        raise ReceiverError(f"receiver {name}: page_url must begin with http:// or https://")
    return Receiver(
        name=name,
        kind=entry.kind,
        url=url,
        selection=Selection(
            tuple(either("routes")), tuple(either("types")), either("min_severity")
        ),
        page_url=page_url,
        token=_variable(name, "token_env", entry.token_env, environment)
        if entry.token_env
        else None,
        signing_key=_signing_key(name, entry.secret_env, environment),
        timeout=seconds("timeout"),
        give_up_after=seconds("give_up_after"),
        max_attempts=attempts,
        resend=seconds("resend"),
        backoff=Backoff(first, most),
    )


def _free_name(kind: str, taken: set[str]) -> str:
    name, number = kind, 2
    while name in taken:
        name, number = f"{kind}-{number}", number + 1
    return name


def _variable(name: str, option: str, variable: str, environment: Mapping[str, str]) -> str:
    value = environment.get(variable, "")
    if not value:
        raise ReceiverError(
            f"receiver {name}: {option} names the environment variable {variable!r}, which is not "
            "set: set it where this command runs"
        )
    return value


def _url(name: str, entry: Entry, environment: Mapping[str, str]) -> str:
    text = entry.url
    if text.startswith("env:"):
        text = _variable(name, "url", text.removeprefix("env:"), environment)
    problem = f"receiver {name}: its URL must be like https://host/path; it is not shown here"
    text = text.strip()
    try:
        # As it is written, where it can be: an escape may be part of a key.
        url = URL(text, encoded=re.fullmatch(r"[!-~]+", text) is not None)
    except ValueError:
        # Neither the error nor its context may show the URL.
        raise ReceiverError(problem) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ReceiverError(problem)
    if entry.kind == "alertmanager" and not url.path.endswith(_ALERTS_PATH):
        url = url.with_path(url.path.rstrip("/") + _ALERTS_PATH)
    return str(url)


def _signing_key(name: str, variable: str, environment: Mapping[str, str]) -> bytes | None:
    """The bytes of a secret as Standard Webhooks writes it: ``whsec_`` and base64."""
    if not variable:
        return None
    value = _variable(name, "secret_env", variable, environment)
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not value.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ReceiverError(
            f"receiver {name}: the secret in {variable!r} must be whsec_ and the base64 of 24 to "
            '64 bytes; make one with: echo "whsec_$(openssl rand -base64 32)"'
        )
    return key
