"""What the pages show of policies is what workers accept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml

from schemas.decode import decode_policy
from schemas.policy import Policy
from streams.documents import json_of_yaml
from streams.models.load import read_models

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = [ROOT / "README.md", *(DOCS / f"{name}.md" for name in ("policies", "evaluation"))]
BASE: dict[str, Any] = {
    "route": "acme/chat",
    "version": 1,
    "arms": [{"id": "mini", "model": "m"}, {"id": "large", "model": "l"}],
}
_FIELDS: Final = "|".join(Policy.__struct_fields__)
_CODE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _blocks() -> list[str]:
    text = "".join(page.read_text() for page in PAGES)
    return re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _inline() -> list[str]:
    """Pieces of policies in the text, such as `budget: {usd_per_request: 0.003}`."""
    text = "".join(_CODE.sub("", page.read_text()) for page in PAGES)
    spans = (re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", text))
    return [span for span in spans if re.match(rf"({_FIELDS}): (\{{[^}}]*:|\[|null|\{{\}})", span)]


@pytest.mark.parametrize("text", _blocks() + _inline())
def test_every_piece_is_accepted(text: str, tmp_path: Path) -> None:
    piece = orjson.loads(json_of_yaml(text.encode(), "docs"))
    if "models" in piece:
        (tmp_path / "models.yaml").write_text(text)
        assert len(read_models(tmp_path / "models.yaml")) == len(piece["models"])
        return
    decode_policy(orjson.dumps(piece if "route" in piece else {**BASE, **piece}))


def test_there_are_pieces() -> None:
    assert len(_blocks()) >= 12
    assert len(_inline()) >= 6
    assert all(isinstance(yaml.safe_load(text), dict) for text in _blocks())
