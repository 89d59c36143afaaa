"""The recorded answers: ``data/llm-replay.csv``, described in the README beside it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).with_name("data") / "llm-replay.csv"
ARMS: Final = ("llama-3.1-8b", "mistral-large", "gemini-2.5-pro")
"""The recorded models, from the cheapest to the dearest."""

TASK_TYPES: Final[Mapping[str, str]] = {
    "gsm8k": "math",
    "mbpp": "code",
    "arc_challenge": "knowledge",
    "mmlu": "knowledge",
    "openbookqa": "knowledge",
    "truthful_qa": "knowledge",
    "bbh": "reasoning",
    "hellaswag": "reasoning",
    "winogrande": "reasoning",
}
"""What a proxy would know of a prompt, by the benchmark that the prompt is from."""
CHARACTERS_PER_TOKEN: Final = 4


class Answer(NamedTuple):
    """What one model's answer to one prompt was worth, and what it cost."""

    quality: float
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """One recorded prompt, with the answer of every arm."""

    id: str
    task_type: str
    input_tokens: int
    """Estimated from the number of characters."""
    answers: Mapping[str, Answer]


def recorded_prompts(file: Path = FILE) -> list[Prompt]:
    """All recorded prompts, in the order of the file. Raises OSError or KeyError if it is none."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [_prompt(row) for row in csv.DictReader(lines)]


def _prompt(row: Mapping[str, str]) -> Prompt:
    return Prompt(
        id=row["id"],
        task_type=TASK_TYPES[row["task"].partition("/")[0]],
        input_tokens=max(1, int(row["prompt_chars"]) // CHARACTERS_PER_TOKEN),
        answers={
            arm: Answer(float(row[f"{arm}_reward"]), float(row[f"{arm}_cost_usd"])) for arm in ARMS
        },
    )
