"""Messages that a person can act on, made of msgspec's validation errors.

msgspec says what was expected and where. Here the value that was found is added, the key that
``[...]`` stands for, and a hint: the known names, the nearest of them, the unit that was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from schemas.fields import EARLIEST_MS, LATEST_MS

_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_PATTERN: Final = re.compile(r"Expected `str` matching regex '.*'$", re.DOTALL)
_KEY: Final = "key` in `"
_ROOT: Final = "the record"
_QUOTED: Final = re.compile(r"[`'](.*)[`']", re.DOTALL)
_LONGEST_VALUE: Final = 80
_LONGEST_TEXT: Final = 300
_MOST_KEYS: Final = 20


def explain(error: msgspec.ValidationError, data: bytes, record: type[Struct]) -> str:
    """One or two sentences: where in ``data``, what was expected, what was found, what to do.

    ``data`` is the JSON that was refused as a ``record``, which gave ``error``.
    """
    head, _, tail = str(error).rpartition(" - at `")
    text, path = (head, tail.removesuffix("`")) if head else (tail, "$")
    text = _PATTERN.sub("Expected text without control characters", _cut(text, _LONGEST_TEXT))
    key_of = path.startswith(_KEY)
    path = path.removeprefix(_KEY).removeprefix("$")
    try:
        place = _Place(msgspec.json.decode(data), record)
        for step in _STEP.finditer(path):
            place.enter(step)
    except (msgspec.DecodeError, UnicodeDecodeError, _LostError):
        # Not readable without types (an integer of 5,000 digits), or a field that occurs twice.
        return f"{path.removeprefix('.') or _ROOT}: {text}"
    where = place.path or _ROOT
    found = "" if _says_what_it_found(text) or key_of else f", found {_render(place.value)}"
    hint = _hint(text, place)
    return f"{'a key of ' if key_of else ''}{where}: {text}{found}" + (f"; {hint}" if hint else "")


def _render(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), _LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


class _LostError(Exception):
    """The path leads nowhere in the document."""


class _Place:
    """A position in a document, with the types that may stand there."""

    def __init__(self, document: Any, record: Any) -> None:
        self.path = ""
        self.value = document
        self.types: list[Any] = [record]
        self.parent: tuple[Any, list[Any]] = (None, [])

    def enter(self, step: re.Match[str]) -> None:
        """Go one step further along msgspec's path."""
        value, types = self.value, self.types
        self.parent = (value, types)
        self.types = []
        if step["name"]:
            name = step["name"]
            if not isinstance(value, dict) or name not in value:
                raise _LostError
            self.path += f".{name}" if self.path else name
            self.value = value[name]
            struct = _struct_of(types, value)
            if struct is not None:
                self.types = _alternatives(_hints(struct).get(name))
        elif step["index"]:
            index = int(step["index"])
            if not isinstance(value, list) or index >= len(value):
                raise _LostError
            self.path += step[0]
            self.value = value[index]
            self.types = _alternatives(_argument(types, list, 0))
        else:
            if not isinstance(value, dict):
                raise _LostError
            item = _argument(types, dict, 1)
            key = next((key for key in value if not _fits(value[key], item)), None)
            if key is None:
                raise _LostError
            self.path += f"[{_render(key)}]"
            self.value = value[key]
            self.types = _alternatives(item)


def _hint(text: str, place: _Place) -> str:
    quoted = _QUOTED.search(text)
    name = quoted[1] if quoted else ""
    if text.startswith("Object missing required field"):
        tags = _tags(place.types, name)
        if tags:
            return f"known values of {name} are {', '.join(tags)}"
        keys = list(place.value)[:_MOST_KEYS] if isinstance(place.value, dict) else []
        near = _nearest(name, keys)
        has = f"it has {', '.join(map(_render, keys))}" if keys else "it is empty"
        return f"{has}; is {_render(near)} a misspelt {name}?" if near else has
    if text.startswith("Object contains unknown field"):
        struct = _struct_of(place.types, place.value)
        return "" if struct is None else _known(name, sorted(_names(struct)))
    if text.startswith("Invalid value"):
        parent, types = place.parent
        tag_field = place.path.rpartition(".")[2]
        return _known(place.value, _tags(types, tag_field)) if isinstance(parent, dict) else ""
    if text.startswith("Invalid enum value"):
        return _known(name, _literals(place.types))
    if place.path.endswith("timestamp"):
        return _time_hint(place.value)
    return ""


def _time_hint(value: Any) -> str:
    expected = "write RFC 3339, e.g. 2026-05-04T12:00:00Z, or whole milliseconds since 1970"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return expected
    for unit, factor in (("seconds", 1e3), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
        if not EARLIEST_MS <= value < LATEST_MS and EARLIEST_MS <= value * factor < LATEST_MS:
            return f"these look like {unit}; {expected}"
    return f"{expected}, between the years 2000 and 2200"


def _known(name: Any, known: Sequence[str]) -> str:
    near = _nearest(str(name), known)
    hint = f"did you mean {near}? " if near else ""
    return f"{hint}known are {', '.join(known)}" if known else ""


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The likeliest meaning of a misspelt name, whatever its case."""
    lower = {candidate[:_LONGEST_VALUE].lower(): candidate for candidate in known}
    near = get_close_matches(name[:_LONGEST_VALUE].lower(), lower, n=1)
    return lower[near[0]] if near else None


def _says_what_it_found(text: str) -> bool:
    return text.startswith(("Object", "Invalid value", "Invalid enum"))


def _alternatives(annotation: Any) -> list[Any]:
    """The bare types of an annotation: constraints taken off, unions taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(annotation.__origin__)
    if origin in (Union, UnionType):
        return [bare for part in get_args(annotation) for bare in _alternatives(part)]
    return [] if annotation is None else [annotation]


def _hints(struct: type[Struct]) -> dict[str, Any]:
    return get_type_hints(struct, include_extras=True)


def _names(struct: type[Struct]) -> Iterable[str]:
    tag = struct.__struct_config__.tag_field
    return (*struct.__struct_encode_fields__, *([tag] if tag else []))


def _structs(types: Sequence[Any]) -> list[type[Struct]]:
    return [kind for kind in types if isinstance(kind, type) and issubclass(kind, Struct)]


def _struct_of(types: Sequence[Any], value: Any) -> type[Struct] | None:
    """Which record a value is meant to be: the only one, or the one that its tag names."""
    structs = _structs(types)
    if len(structs) == 1:
        return structs[0]
    for struct in structs:
        config = struct.__struct_config__
        if isinstance(value, dict) and value.get(config.tag_field) == config.tag:
            return struct
    return None


def _tags(types: Sequence[Any], tag_field: str) -> list[str]:
    configs = [struct.__struct_config__ for struct in _structs(types)]
    return [str(config.tag) for config in configs if config.tag_field == tag_field]


def _literals(types: Sequence[Any]) -> list[str]:
    return [value for kind in types if get_origin(kind) is Literal for value in get_args(kind)]


def _argument(types: Sequence[Any], container: type, index: int) -> Any:
    for kind in types:
        if get_origin(kind) is container:
            return get_args(kind)[index]
    return None


def _fits(value: Any, annotation: Any) -> bool:
    try:
        msgspec.convert(value, Any if annotation is None else annotation)
    except msgspec.ValidationError:
        return False
    return True
