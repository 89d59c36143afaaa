"""JSON Schemas of the wire records, made from the types that decode them.

The docstrings below fields become descriptions. The keywords are those that draft-07 and 2020-12
share, so that AsyncAPI tools can read them too; only ``$defs`` differs, which a pointer finds.
"""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.decision import Answer
from schemas.examples import EXAMPLES
from schemas.policy import Policy
from schemas.request import Request
from schemas.reward import Reward

RECORDS: Final[dict[str, Any]] = {
    "request": Request,
    "reward": Reward,
    "policy": Policy,
    "decision": Answer,
    "alert": Alert,
    "dead-letter": DeadLetter,
}
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def json_schema(record: str) -> Schema:
    """The schema of one of RECORDS, complete in itself, with examples."""
    root, definitions = schema_parts([record], "#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "title": record,
        **root[record],
        "examples": EXAMPLES[record],
        "$defs": definitions,
    }


def schema_parts(
    records: list[str], ref_template: str
) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The schemas of some of RECORDS, and all the definitions that they refer to, by name."""
    roots, definitions = msgspec.json.schema_components(
        [RECORDS[record] for record in records], ref_template=ref_template
    )
    structs = _structs(msgspec.inspect.multi_type_info([RECORDS[record] for record in records]))
    for name, definition in definitions.items():
        for field, text in _field_texts(structs[name]).items():
            definition["properties"][field].setdefault("description", text)
    clean = {record: _clean(root) for record, root in zip(records, roots, strict=True)}
    return clean, {name: _clean(definitions[name]) for name in sorted(definitions)}


def _clean(node: Any) -> Any:
    """``node`` without what only some tools understand, and with plain text as description."""
    if isinstance(node, list):
        return [_clean(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _clean(value)
        for key, value in node.items()
        # OpenAPI's discriminator is another thing in AsyncAPI; the tags tell variants apart.
        if key != "discriminator" and not (key == "required" and value == [])
    }
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].replace("``", "`").split())
    if "$ref" in kept and len(kept) > 1:
        # Draft-07 ignores what stands beside a $ref.
        kept = {"allOf": [{"$ref": kept.pop("$ref")}], **kept}
    return kept


def _structs(node: Any) -> dict[str, type[Struct]]:
    """All record types within msgspec's description of types, by name."""
    found: dict[str, type[Struct]] = {}
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple | list):
            waiting.extend(item)
        elif isinstance(item, Struct):
            if isinstance(item, msgspec.inspect.StructType):
                found[item.cls.__name__] = item.cls
            waiting.extend(getattr(item, name) for name in item.__struct_fields__)
    return found


def _field_texts(struct: type[Struct]) -> dict[str, str]:
    """The string that stands below a field in the source of its class, by field."""
    (definition,) = ast.parse(dedent(inspect.getsource(struct))).body
    texts: dict[str, str] = {}
    if isinstance(definition, ast.ClassDef):
        for field, below in zip(definition.body, definition.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                texts[field.target.id] = below.value.value
    return texts
