from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from streams.documents import DocumentError, json_of_yaml, read_json


def value(text: str) -> object:
    return orjson.loads(json_of_yaml(text.encode(), "f.yaml"))


def test_yaml_is_read_by_the_core_schema_of_yaml_1_2() -> None:
    text = """
    on: [yes, no, off, true, False]
    day: 2026-11-05
    time: 12:30:00
    numbers: [1e-3, .5, 2., -7, 0, 1.5e+2]
    text: ["1e-3", 010, 1_000, .inf, 0x1f, 30m]
    nothing: [~, null, ]
    """
    assert value(text) == {
        "on": ["yes", "no", "off", True, False],
        "day": "2026-11-05",
        "time": "12:30:00",
        "numbers": [0.001, 0.5, 2.0, -7, 0, 150.0],
        "text": ["1e-3", "010", "1_000", ".inf", "0x1f", "30m"],
        "nothing": [None, None],
    }


def test_anchors_and_merge_keys_work() -> None:
    text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n"
    assert value(text) == {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a: 1\nb: {c: 1, c: 2}", ["line 2", "'c' occurs twice"]),
        ("a: 1\n7: 2", ["line 2", "not text", "quotes"]),
        ("a: [1", ["line 1", "expected"]),
        ("a: 1\n---\nb: 2", ["single document"]),
        ("a: !!python/object:os.system x", ["line 1", "python/object"]),
        ("a: &a [*a]", ["cannot be written as JSON", "Recursion"]),
        ("[" * 5_000 + "]" * 5_000, ["nested too deeply"]),
        ("a: 99999999999999999999", ["64-bit"]),
        ("a: \x00", ["not YAML"]),
    ],
)
def test_what_cannot_be_json_is_refused_with_its_place(text: str, parts: list[str]) -> None:
    with pytest.raises(DocumentError) as error:
        value(text)
    for part in ("f.yaml: ", *parts):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_called_so(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DocumentError, match=f"{name}: the file is empty"):
        read_json(tmp_path / name)


def test_json_is_taken_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    file.write_bytes(b'{"a": 1, ')
    assert read_json(file) == b'{"a": 1, '
    with pytest.raises(DocumentError, match="cannot be read"):
        read_json(tmp_path / "missing.yaml")
