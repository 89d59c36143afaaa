"""Messages that a person can act on, made of msgspec's validation errors.

msgspec says what was expected and where. Here the value that was found is added, the key that
``[...]`` stands for, and a hint: the known names, the nearest of them, the unit that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.fields import EARLIEST_MS, LATEST_MS
from schemas.place import (
    LONGEST_VALUE,
    LostError,
    Place,
    argument,
    cut,
    hints,
    literals,
    names,
    render,
    structs,
    tags,
)

_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_PATTERN: Final = re.compile(r"Expected `str` matching regex '.*'$", re.DOTALL)
_KEY: Final = "key` in `"
_ROOT: Final = "the record"
_QUOTED: Final = re.compile(r"[`'](.*)[`']", re.DOTALL)
_LONGEST_TEXT: Final = 300
_MOST_KEYS: Final = 20
_MOST_PROBLEMS: Final = 50


def explain(error: msgspec.ValidationError, data: bytes, record: type[Struct]) -> str:
    """One or two sentences: where in ``data``, what was expected, what was found, what to do.

    ``data`` is the JSON that was refused as a ``record``, which gave ``error``.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not readable without types: an integer of 5,000 digits.
        text, path, _ = _parts(error)
        return f"{path.removeprefix('.') or _ROOT}: {text}"
    return _sentence(error, Place(document, record))


def explain_all(error: msgspec.ValidationError, data: bytes, record: type[Struct]) -> list[str]:
    """What ``explain`` says, of every place in ``data`` that does not fit, as long as there are at
    most 50; of more, the first ones.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [explain(error, data, record)]
    found = list(islice(_misfits(Place(document, record)), _MOST_PROBLEMS + 1))
    if len(found) > _MOST_PROBLEMS:
        found[_MOST_PROBLEMS:] = ["there are more problems; these are the first"]
    # What only the decoder of bytes refuses, such as a field that occurs twice.
    return found or [explain(error, data, record)]


def strangers(data: bytes, record: type[Struct]) -> str:
    """The fields of a decoded record that were ignored, with what may have been meant; "" if none.

    For messages about what such a record lacks: unknown fields by themselves are no error.
    """
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    found = list(_strangers(Place(document, record)))
    more = f" and {len(found) - _MOST_KEYS} more" if len(found) > _MOST_KEYS else ""
    return ", ".join(found[:_MOST_KEYS]) + more


def _strangers(place: Place) -> Iterator[str]:
    struct = place.struct
    if struct is None or not isinstance(place.value, dict):
        return
    known = list(names(struct))
    for name in place.value:
        if name in known:
            yield from _strangers(place.field(name))
            continue
        near = _nearest(name, known)
        path = cut(f"{place.path}.{name}" if place.path else name, LONGEST_VALUE)
        yield f"{path} (did you mean {near}?)" if near else path


def _misfits(place: Place) -> Iterator[str]:
    """A sentence for each place at or below this one, the innermost ones."""
    value, struct = place.value, place.struct
    fine = True
    if isinstance(value, dict) and struct is not None:
        below = _fields(place, struct)
    elif isinstance(value, list) and argument(place.types, list, 0) is not None:
        below = (said for index in range(len(value)) for said in _misfits(place.item(index)))
    elif isinstance(value, dict) and argument(place.types, dict, 1) is not None:
        below = (said for key in value for said in _misfits(place.entry(key)))
    else:
        below = iter(())
    for said in below:
        fine = False
        yield said
    if fine and place.annotation is not None:
        try:
            msgspec.convert(value, place.annotation)
        except msgspec.ValidationError as error:
            yield _sentence(error, place)


def _fields(place: Place, struct: type[Struct]) -> Iterator[str]:
    """Of an object: what is wrong in its fields, is not known, or is missing."""
    known = hints(struct)
    config = struct.__struct_config__
    missing = [
        field.encode_name
        for field in msgspec.structs.fields(struct)
        if field.required and field.encode_name not in place.value
    ]
    for name in place.value:
        if name in known:
            yield from _misfits(place.field(name))
        elif name == config.tag_field or not config.forbid_unknown_fields:
            continue
        elif not _nearest(name, missing):  # then the sentence about that one tells
            yield _say(f"Object contains unknown field `{name}`", place)
    for name in missing:
        yield _say(f"Object missing required field `{name}`", place)


def _parts(error: msgspec.ValidationError) -> tuple[str, str, bool]:
    """The text of an error, its path, and whether it is about a key there."""
    head, _, tail = str(error).rpartition(" - at `")
    text, path = (head, tail.removesuffix("`")) if head else (tail, "$")
    text = _PATTERN.sub("Expected text without control characters", cut(text, _LONGEST_TEXT))
    key_of = path.startswith(_KEY)
    return text, path.removeprefix(_KEY).removeprefix("$"), key_of


def _sentence(error: msgspec.ValidationError, place: Place) -> str:
    """What is to be said of an error that the value of ``place`` gave."""
    text, path, key_of = _parts(error)
    try:
        for step in _STEP.finditer(path):
            place = _enter(place, step)
    except LostError:  # a field that occurs twice
        return f"{path.removeprefix('.') or _ROOT}: {text}"
    return _say(text, place, key_of=key_of)


def _enter(place: Place, step: re.Match[str]) -> Place:
    """Go one step further along msgspec's path."""
    if step["name"]:
        return place.field(step["name"])
    return place.item(int(step["index"])) if step["index"] else place.misfit()


def _say(text: str, place: Place, *, key_of: bool = False) -> str:
    where = place.path or _ROOT
    found = "" if _says_what_it_found(text) or key_of else f", found {render(place.value)}"
    hint = _hint(text, place)
    return f"{'a key of ' if key_of else ''}{where}: {text}{found}" + (f"; {hint}" if hint else "")


def _hint(text: str, place: Place) -> str:
    quoted = _QUOTED.search(text)
    name = quoted[1] if quoted else ""
    if text.startswith("Object missing required field"):
        return _missing(name, place)
    if text.startswith("Object contains unknown field"):
        struct = place.struct
        return "" if struct is None else _known(name, sorted(names(struct)))
    if text.startswith("Invalid value"):
        parent, tag_field = place.parent, place.path.rpartition(".")[2]
        return "" if parent is None else _known(place.value, tags(parent.types, tag_field))
    if text.startswith("Invalid enum value"):
        return _known(name, literals(place.types))
    if text.startswith("Expected `object"):
        return _tagged(place)
    if place.path.endswith("timestamp"):
        return _time_hint(place.value)
    return ""


def _missing(name: str, place: Place) -> str:
    """What an object has instead, and which of it could be a misspelling."""
    known = tags(place.types, name)
    if known:
        return f"known values of {name} are {', '.join(known)}"
    keys = list(place.value)[:_MOST_KEYS] if isinstance(place.value, dict) else []
    struct = place.struct
    strange = [key for key in keys if struct is None or key not in names(struct)]
    near = _nearest(name, strange)
    has = f"it has {', '.join(map(render, keys))}" if keys else "it is empty"
    return f"{has}; is {render(near)} a misspelt {name}?" if near else has


def _tagged(place: Place) -> str:
    """How to write as an object what was given by its name alone."""
    for struct in structs(place.types):
        config = struct.__struct_config__
        if isinstance(place.value, str) and config.tag == place.value:
            return f"write {{{render(config.tag_field)}: {render(config.tag)}}}"
    if place.value is None and not place.path:
        return "there is nothing in it"
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
    lower = {candidate[:LONGEST_VALUE].lower(): candidate for candidate in known}
    near = get_close_matches(name[:LONGEST_VALUE].lower(), lower, n=1)
    return lower[near[0]] if near else None


def _says_what_it_found(text: str) -> bool:
    return text.startswith(("Object", "Invalid value", "Invalid enum"))
