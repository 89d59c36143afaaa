"""What the page on policies shows is what workers accept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from schemas.decode import decode_policy
from streams.documents import json_of_yaml
from streams.models.load import read_models

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
BASE: dict[str, Any] = {
    "route": "acme/chat",
    "version": 1,
    "arms": [{"id": "mini", "model": "m"}, {"id": "large", "model": "l"}],
}


def _blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def _inline() -> list[str]:
    """Pieces of policies in the text, such as `budget: {usd_per_request: 0.003}`."""
    text = re.sub(r"^```.*?^```", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    spans = (re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", text))
    return [span for span in spans if re.match(r"(budget|sticky|guardrails|drift): \{", span)]


@pytest.mark.parametrize("text", _blocks() + _inline())
def test_every_piece_is_accepted(text: str, tmp_path: Path) -> None:
    piece = orjson.loads(json_of_yaml(text.encode(), "docs"))
    if "models" in piece:
        (tmp_path / "models.yaml").write_text(text)
        assert len(read_models(tmp_path / "models.yaml")) == len(piece["models"])
        return
    decode_policy(orjson.dumps(piece if "route" in piece else {**BASE, **piece}))


def test_there_are_pieces() -> None:
    assert len(_blocks()) >= 7
    assert len(_inline()) >= 3
    assert all(isinstance(yaml.safe_load(text), dict) for text in _blocks())
