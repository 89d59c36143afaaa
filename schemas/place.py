"""Places in a JSON document, with the types that may stand there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Literal, Self, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

LONGEST_VALUE: Final = 80


class LostError(Exception):
    """A path that leads nowhere in the document."""


class Place:
    """A position in a document, its value, and the types that it may have.

    ``annotation`` is the whole type, with its constraints; None where it is not known.
    """

    def __init__(
        self, value: Any, annotation: Any, path: str = "", parent: Place | None = None
    ) -> None:
        self.path = path
        self.value = value
        self.annotation = annotation
        self.types = alternatives(annotation)
        self.parent = parent

    @property
    def struct(self) -> type[Struct] | None:
        """Which record the value is meant to be: the only one, or the one that its tag names."""
        found = structs(self.types)
        if len(found) == 1:
            return found[0]
        for struct in found:
            config = struct.__struct_config__
            if isinstance(self.value, dict) and self.value.get(config.tag_field) == config.tag:
                return struct
        return None

    def field(self, name: str) -> Self:
        """The field of an object."""
        if not isinstance(self.value, dict) or name not in self.value:
            raise LostError
        struct = self.struct
        annotation = None if struct is None else hints(struct).get(name)
        path = f"{self.path}.{name}" if self.path else name
        return type(self)(self.value[name], annotation, path, self)

    def item(self, index: int) -> Self:
        """An item of an array."""
        if not isinstance(self.value, list) or index >= len(self.value):
            raise LostError
        annotation = argument(self.types, list, 0)
        return type(self)(self.value[index], annotation, f"{self.path}[{index}]", self)

    def entry(self, key: str) -> Self:
        """The value of a key of a mapping."""
        path = f"{self.path}[{render(key)}]"
        return type(self)(self.value[key], argument(self.types, dict, 1), path, self)

    def misfit(self) -> Self:
        """The first value of a mapping that does not fit its type."""
        if not isinstance(self.value, dict):
            raise LostError
        item = argument(self.types, dict, 1)
        key = next((key for key in self.value if not fits(self.value[key], item)), None)
        if key is None:
            raise LostError
        return self.entry(key)


def render(value: Any) -> str:
    """A value as JSON, in short."""
    return cut(json.dumps(value, ensure_ascii=False), LONGEST_VALUE)


def cut(text: str, longest: int) -> str:
    """The text, or its beginning."""
    return text if len(text) <= longest else text[:longest] + "…"


def alternatives(annotation: Any) -> list[Any]:
    """The bare types of an annotation: constraints taken off, unions taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return alternatives(annotation.__origin__)
    if origin in (Union, UnionType):
        return [bare for part in get_args(annotation) for bare in alternatives(part)]
    return [] if annotation is None else [annotation]


def hints(struct: type[Struct]) -> dict[str, Any]:
    """The types of a record's fields, by name."""
    return get_type_hints(struct, include_extras=True)


def names(struct: type[Struct]) -> Iterable[str]:
    """All keys that a record may have, its tag among them."""
    tag = struct.__struct_config__.tag_field
    return (*struct.__struct_encode_fields__, *([tag] if tag else []))


def structs(types: Sequence[Any]) -> list[type[Struct]]:
    """Those of the types that are records."""
    return [kind for kind in types if isinstance(kind, type) and issubclass(kind, Struct)]


def tags(types: Sequence[Any], tag_field: str) -> list[str]:
    """The values that a tag may have."""
    configs = [struct.__struct_config__ for struct in structs(types)]
    return [str(config.tag) for config in configs if config.tag_field == tag_field]


def literals(types: Sequence[Any]) -> list[str]:
    """The values of the types that list their values."""
    return [value for kind in types if get_origin(kind) is Literal for value in get_args(kind)]


def argument(types: Sequence[Any], container: type, index: int) -> Any:
    """What a container of the types holds."""
    for kind in types:
        if get_origin(kind) is container:
            return get_args(kind)[index]
    return None


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value has the type."""
    try:
        msgspec.convert(value, Any if annotation is None else annotation)
    except msgspec.ValidationError:
        return False
    return True
