"""Registry files, YAML or JSON, validated: the file, the entry and the field stand in every error.

A file of one's own is merged over the default by id, entry by entry: an entry replaces the whole
one of the same id, so that no price of an old date stays behind a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from core.models.registry import Registry
from schemas.explain import explain
from schemas.models import ModelEntry, RegistryFile, model_problems
from streams.documents import DocumentError, read_json

DEFAULT_FILE: Final = Path(__file__).with_name("default.yaml")


def load_registry(files: Iterable[Path] = ()) -> Registry:
    """The default models, and over them those of each file in turn. Raises DocumentError."""
    registry = Registry(read_models(DEFAULT_FILE))
    for file in files:
        registry = registry.merged(Registry(read_models(file)))
    return registry


def read_models(path: Path) -> list[ModelEntry]:
    """The valid entries of one file. Raises DocumentError with all problems, one a line."""
    data = read_json(path)
    try:
        file = msgspec.json.decode(data, type=RegistryFile)
    except msgspec.ValidationError as error:
        raise DocumentError(f"{path}: {explain(error, data, RegistryFile)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path}: not JSON: {error}") from error
    models: list[ModelEntry] = []
    problems: list[str] = []
    places: dict[str, str] = {}
    for index, raw in enumerate(file.models):
        place = f"models[{index}]"
        entry, found = _entry(bytes(raw), file)
        if entry is None:
            problems.extend(f"{place}{problem}" for problem in found)
            continue
        place = f"{place} ({entry.id})"
        problems.extend(f"{place}: {problem}" for problem in found)
        if entry.id in places:
            problems.append(f"{place}: the id stands in {places[entry.id]} already")
        places.setdefault(entry.id, place)
        models.append(entry)
    if problems:
        raise DocumentError("\n".join(f"{path}: {problem}" for problem in problems))
    return models


def _entry(raw: bytes, file: RegistryFile) -> tuple[ModelEntry | None, list[str]]:
    """The entry, and what is wrong with it; None if it is not even of the right types."""
    fields: Any = msgspec.json.decode(raw)
    if isinstance(fields, dict):
        fields.setdefault("as_of", file.as_of.isoformat())
        raw = msgspec.json.encode(fields)
    try:
        entry = msgspec.json.decode(raw, type=ModelEntry)
    except msgspec.ValidationError as error:
        name = f" ({fields['id']})" if isinstance(fields, dict) and "id" in fields else ""
        return None, [f"{name}: {explain(error, raw, ModelEntry)}"]
    problems = list(model_problems(entry))
    sources = [file.sources.get(source, source) for source in entry.sources]
    problems.extend(_unresolved(sources, file))
    return msgspec.structs.replace(entry, sources=sources), problems


def _unresolved(sources: list[str], file: RegistryFile) -> Iterator[str]:
    """A single word that is no address is meant as a name, and must be one."""
    for source in sources:
        if not any(mark in source for mark in " .:/"):
            known = ", ".join(file.sources) or "none"
            yield f"sources: {source!r} is not a name in the file's sources; known are {known}"
