"""A policy file, checked as a worker checks its event, and made into that event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from core.models.arm_prices import with_prices
from core.models.registry import Registry, status_at
from schemas.decode import InvalidMessage, decode_policy
from schemas.policy import Policy
from streams.documents import DocumentError, read_json


class PolicyFileError(Exception):
    """A file whose policy workers would refuse; the message has a line for each problem."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy as it is sent."""

    policy: Policy
    value: bytes
    """The event. A worker accepts it, unless it knows a newer version of the route."""


def compile_file(
    path: Path, prices: Registry | None = None, *, version: int | None = None
) -> Compiled:
    """The policy of a file, JSON or YAML, with the registry's prices for arms that have none.

    ``version`` replaces the file's, which may then be missing. Raises PolicyFileError.
    """
    try:
        data = read_json(path)
        if version is not None:
            data = _with_version(data, version)
        policy = decode_policy(data)
        if prices is not None:
            policy = with_prices(policy, prices)
        value = msgspec.json.encode(policy)
        return Compiled(decode_policy(value), value)
    except DocumentError as error:
        raise PolicyFileError(str(error)) from error
    except InvalidMessage as error:
        raise PolicyFileError("\n".join(f"{path}: {one}" for one in error.problems)) from error


def notes(policy: Policy, registry: Registry, day: date) -> Iterator[str]:
    """What is worth knowing of the policy's arms, though no reason to refuse them."""
    for arm in policy.arms:
        model = registry.find(arm.model)
        if model is None:
            if arm.price is None:
                near = registry.nearest(arm.model)
                hint = f" (did you mean {near!r}?)" if near else ""
                yield (
                    f"arm {arm.id!r} has no price: its model {arm.model!r} is not in the "
                    f"registry{hint}; until costs are observed, its cost counts as unknown"
                )
            continue
        status = status_at(model.availability, day)
        retired = model.availability.retired_from
        if status == "deprecated":
            until = f", it answers until {retired}" if retired else ""
            yield f"arm {arm.id!r}: {arm.model} is deprecated{until}"
        elif status != "available":
            yield f"arm {arm.id!r}: {arm.model} is {status}"


def _with_version(data: bytes, version: int) -> bytes:
    try:
        fields: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data  # decode_policy says what is wrong with it
    return msgspec.json.encode({**fields, "version": version}) if isinstance(fields, dict) else data
