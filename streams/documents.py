"""Reads what people write, YAML or JSON, as the JSON that programs send.

YAML is read by the core schema of YAML 1.2, not by 1.1 as PyYAML does: ``on`` is a key and not
true, dates stay text, 1e-3 is a number. A key that occurs twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

MAX_BYTES: Final = 16 * 1024 * 1024


class DocumentError(Exception):
    """A file that cannot be read; the message names it and says why, with the line if known."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, and merge keys; keys must be unique."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                    raise yaml.constructor.ConstructorError(
                        None, None, "a key that is not text; put it in quotes", key.start_mark
                    )
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} occurs twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_SCHEMA: Final = {
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    "float": (
        r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$",
        list("-+.0123456789"),
    ),
    "merge": (r"^<<$", ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _first) in _SCHEMA.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def read_json(path: Path) -> bytes:
    """The JSON in a file: as it stands if the name ends in .json, made of YAML otherwise.

    Raises DocumentError. What a .json file holds is not checked.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror})") from error
    if not data.strip():
        raise DocumentError(f"{path}: the file is empty")
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{path}: {len(data)} bytes, at most {MAX_BYTES} are read")
    return data if path.suffix == ".json" else json_of_yaml(data, str(path))


def json_of_yaml(data: bytes, name: str) -> bytes:
    """The JSON that says the same as the YAML document. Raises DocumentError, with ``name``."""
    try:
        return orjson.dumps(yaml.load(data, _Loader))  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: not YAML: {_in_one_line(error)}") from error
    except RecursionError as error:
        raise DocumentError(f"{name}: nested too deeply, or a part contains itself") from error
    except orjson.JSONEncodeError as error:
        raise DocumentError(f"{name}: cannot be written as JSON ({error})") from error
    except ValueError as error:
        raise DocumentError(f"{name}: not YAML: {error}") from error


def _in_one_line(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    context = f" ({error.context})" if error.context else ""
    return f"{where}{error.problem or error.context}{context if error.problem else ''}"
