"""The findings of a replay as tables, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from rich.console import Console
from rich.text import Text

from streams.audit.findings import (
    Applied,
    Difference,
    PartitionFindings,
    Unverified,
    worst,
)
from streams.audit.state import described
from streams.console import make_table, paragraph, print_table

_SHOWN_KEYS: Final = 10
_WIDE: Final = 60
_VERDICTS: Final = {
    "equal": "EQUAL: every answer is what replay gives, bit for bit.",
    "different": "DIFFERENT: the topics hold what replay does not give, or the other way round.",
    "unverified": "UNVERIFIED: what could be compared is equal, but not all of it could be.",
}
_HEADLINES: Final = {
    "differs": "the published answer is not what replay gives",
    "missing": "the answer that replay gives is not on the topic",
    "surplus": "replay gives no such answer",
    "unreadable": "the record is no answer",
}


def show_findings(console: Console, findings: Sequence[PartitionFindings]) -> None:
    """Print everything that was found, the first difference in full."""
    table = make_table(
        "partition", "replayed", "inputs", "answers", "equal", "different", "state keys",
        "differing", text=2,
    )  # fmt: skip
    for one in findings:
        table.add_row(
            str(one.partition),
            _stretch(one),
            *(f"{n:,}" for n in (one.inputs, one.compared, one.equal, one.different)),
            f"{one.state_keys:,}",
            f"{len(one.state):,}",
        )
    print_table(console, table)
    for one in findings:
        for note in _notes(one):
            paragraph(console, Text(f"partition {one.partition}: {note}"), bullet=True)
    differences = [difference for one in findings for difference in one.differences]
    if differences:
        _show_difference(console, differences[0])
    if len(differences) > 1:
        console.print()
        console.print("  Others:")
        for difference in differences[1:]:
            paragraph(console, Text(_headline(difference)), bullet=True)
    for one in findings:
        for key in one.state[:_SHOWN_KEYS]:
            text = f"state: {described(key.key)} differs from state version {key.first_at} on"
            paragraph(console, Text(f"partition {one.partition}: {text}"), bullet=True)
    console.print()
    console.print(_VERDICTS[worst(list(findings))])


def _stretch(one: PartitionFindings) -> str:
    return f"{one.started_at:,} to {one.ended_at:,}" if one.inputs else "nothing"


def _notes(one: PartitionFindings) -> list[str]:
    notes = []
    if one.inputs and one.started_at:
        notes.append(f"replay began with the changelog's state at version {one.started_at:,}")
    notes += [_unverified(stretch) for stretch in one.unverified]
    if one.deleted:
        notes.append(
            f"{one.deleted:,} answers could not be compared: they may be older than what the "
            "decision topic has kept"
        )
    if one.assumed:
        notes.append(
            f"compaction has removed stamps; the place of {one.assumed:,} inputs was told by "
            "their timestamps, and the answers and the state that follow confirm it"
        )
    if one.unpublished:
        notes.append(f"{one.unpublished:,} answers are durable, but not published yet")
    if one.waiting:
        notes.append(f"{one.waiting:,} input records wait for a worker")
    if one.repeated:
        notes.append(f"{one.repeated:,} messages repeat another one, byte for byte")
    if one.newer:
        notes.append(f"{one.newer:,} answers came while the audit began, and were left out")
    return notes


def _unverified(stretch: Unverified) -> str:
    return (
        f"state versions {stretch.above + 1:,} to {stretch.upto:,} could not be verified, with "
        f"{stretch.answers:,} published answers: {stretch.reason}"
    )


def _headline(one: Difference) -> str:
    where = "" if one.offset is None else f" (offset {one.offset})"
    if one.kind == "unreadable":
        return f"partition {one.partition}{where}: {_HEADLINES[one.kind]}"
    what = "the key of the published answer is not its route" if one.key_differs else (
        _HEADLINES[one.kind]
    )  # fmt: skip
    return (
        f"partition {one.partition}, state version {one.version}{where}: request "
        f"{one.request_id} of {one.route}: {what}"
    )


def _show_difference(console: Console, one: Difference) -> None:
    console.print()
    paragraph(console, Text(f"First difference: {_headline(one)}"))
    console.print()
    published, replayed = _fields(one.published), _fields(one.replayed)
    table = make_table("", "field", "published", "replayed", text=4)
    for column in table.columns[2:]:
        column.no_wrap = False
        column.overflow = "fold"
    for name in {**replayed, **published}:
        left, right = published.get(name, "-"), replayed.get(name, "-")
        table.add_row("" if left == right else "≠", name, left, right)
    print_table(console, table)
    if one.around:
        console.print()
        console.print("  The inputs around it, in the order in which they were applied:")
        console.print()
        table = make_table("", "version", "topic", "offset", "event", text=5)
        table.columns[4].no_wrap = False
        table.columns[4].overflow = "fold"
        for applied in one.around:
            mark = "→" if applied.version == one.version else ""
            table.add_row(
                mark,
                str(applied.version),
                applied.topic,
                str(applied.record.offset),
                _event(applied),
            )
        print_table(console, table)


def _fields(message: bytes | None) -> dict[str, str]:
    if message is None:
        return {}
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return {"(bytes)": message.decode("utf-8", "replace")}
    return {name: orjson.dumps(value).decode() for name, value in fields.items()}


def _event(applied: Applied) -> str:
    text = (applied.record.value or b"(no value)").decode("utf-8", "replace")
    return text if len(text) <= 3 * _WIDE else f"{text[: 3 * _WIDE]}..."


def as_json(findings: Sequence[PartitionFindings]) -> bytes:
    """Everything that was found."""
    document = {
        "verdict": worst(list(findings)),
        "partitions": [
            {
                "partition": one.partition,
                "verdict": one.verdict,
                "replayed_from": one.started_at,
                "replayed_to": one.ended_at,
                "inputs": one.inputs,
                "answers": one.compared,
                "equal": one.equal,
                "different": one.different,
                "repeated": one.repeated,
                "unpublished": one.unpublished,
                "deleted": one.deleted,
                "newer": one.newer,
                "waiting_inputs": one.waiting,
                "assumed_places": one.assumed,
                "unverified": [
                    {
                        "from": stretch.above + 1,
                        "to": stretch.upto,
                        "answers": stretch.answers,
                        "reason": stretch.reason,
                    }
                    for stretch in one.unverified
                ],
                "state": {
                    "keys": one.state_keys,
                    "different": [
                        {
                            "key": key.key.decode("utf-8", "backslashreplace"),
                            "what": described(key.key),
                            "first_at": key.first_at,
                        }
                        for key in one.state
                    ],
                },
                "differences": [_difference(difference) for difference in one.differences],
            }
            for one in findings
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "state_version": one.version,
        "offset": one.offset,
        "route": one.route,
        "request_id": one.request_id,
        "key_differs": one.key_differs,
        "published": _text(one.published),
        "replayed": _text(one.replayed),
        "around": [
            {
                "state_version": applied.version,
                "topic": applied.topic,
                "offset": applied.record.offset,
                "timestamp": applied.record.timestamp,
                "key": _text(applied.record.key),
                "value": _text(applied.record.value),
            }
            for applied in one.around
        ],
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
