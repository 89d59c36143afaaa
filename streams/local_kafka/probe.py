"""Asking a broker who is in its cluster, with nothing but a socket.

A client library would do; this needs no event loop, so it works whatever the caller runs in.
"""

from __future__ import annotations

import socket
import struct

METADATA, VERSION = 3, 1
REQUEST = struct.pack(">hhih", METADATA, VERSION, 1, -1) + struct.pack(">i", 0)
"""Header (API, version, correlation id, no client id), then an empty list: brokers, no topics."""


def brokers_known_to(host: str, port: int, timeout_s: float) -> int:
    """How many brokers serve requests, as the broker at `host`:`port` sees it; 0 if it is silent.

    Blocks for `timeout_s` at most per read. Raises nothing: no answer is an answer.
    """
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(REQUEST)) + REQUEST)
            (size,) = struct.unpack(">i", _read(connection, 4))
            _correlation, count = struct.unpack_from(">ii", _read(connection, size))
    except (OSError, struct.error):
        return 0
    return int(count)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionResetError("the broker closed the connection")
        data += chunk
    return data
