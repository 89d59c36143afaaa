"""The page's files, in memory as they are sent: compressed once, with an ETag each."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content_type: str
    plain: bytes
    zipped: bytes
    etag: str


@cache
def static_files() -> dict[str, Asset]:
    """The page's own files by name."""
    return {path.name: _asset(path) for path in STATIC.iterdir() if path.suffix in TYPES}


@cache
def charts() -> Asset | None:
    """The charts' library as its package ships it; None where the package is not installed."""
    path = charts_path()
    return None if path is None else _asset(path)


@cache
def charts_path() -> Path | None:
    """Where the charts' library is; None where the package is not installed."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return path if path.is_file() else None


def _asset(path: Path) -> Asset:
    plain = path.read_bytes()
    return Asset(TYPES[path.suffix], plain, gzip.compress(plain, mtime=0), etag(plain))


def etag(body: bytes) -> str:
    """The entity tag of a body (RFC 9110, 8.8.3)."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'
