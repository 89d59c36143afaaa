"""Models compared by several objectives: what ``thalweg models pareto`` computes."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from core.models.cost import Usage, predicted_cost_usd, predicted_latency_ms
from core.models.measured import Estimate, PriorWeights
from core.models.registry import Registry, UnknownModelError
from core.pareto import chosen, contributions, dominators, hypervolume, knee, losses, non_dominated
from core.pareto.choice import Scalarisation
from core.reward import PRESETS
from schemas.models import ModelEntry
from schemas.policy import Preset

MAXIMISED: Final = {"quality": True, "cost": False, "latency": False, "context": True}
MEANS: Final = ("quality", "cost_usd", "latency_ms")
MARGIN: Final = 0.1
"""How far behind the worst value on the front the reference point of the hypervolume lies, in
units of the front's range."""


class ComparisonError(Exception):
    """The models cannot be compared as asked; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Means:
    """Measured means of one model; None where nothing was measured."""

    quality: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None
    count: int | None = None
    """Of how many observations; None: they replace what is declared."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One model on the front, or behind it."""

    model: str
    values: dict[str, float]
    losses: dict[str, float]
    """0 for the best value on the front, 1 for the worst."""
    share: float
    """Of the front's hypervolume, what would be lost without the model."""
    beaten_by: list[str]
    """Models of the front that are better; empty for one of the front."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison."""

    objectives: list[str]
    weights: dict[str, float]
    front: list[Compared]
    """By the first objective, the best first; so ``beaten``."""
    beaten: list[Compared]
    unknown: dict[str, list[str]]
    """Models that could not be compared, with the objectives that are not known of them."""
    choice: str | None
    knee: str | None


def read_means(file: Path | None, qualities: Iterable[str], registry: Registry) -> dict[str, Means]:
    """Measured means by model, of a CSV file and of MODEL=VALUE pairs, which go before.

    Raises ComparisonError, with the line, for what is not a number or not a model.
    """
    means = {} if file is None else _read_file(file, registry)
    for pair in qualities:
        name, value = _pair(pair, "--quality MODEL=VALUE")
        _known(name, registry, "--quality")
        if not 0.0 <= value <= 1.0:
            raise ComparisonError(f"--quality {pair}: a quality lies between 0 and 1")
        before = means.get(name, Means())
        means[name] = Means(value, before.cost_usd, before.latency_ms, before.count)
    return means


def _read_file(file: Path, registry: Registry) -> dict[str, Means]:
    means: dict[str, Means] = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = set(reader.fieldnames or ())
            allowed = {"model", *MEANS, "count"}
            if "model" not in columns or not columns <= allowed or len(columns) < 2:
                raise ComparisonError(
                    f"{file}: the first line must name the columns: model, and of "
                    f"{', '.join(MEANS)}, count those that there are; found "
                    f"{', '.join(sorted(columns)) or 'nothing'}"
                )
            for row in reader:
                where = f"{file}, line {reader.line_num}"
                name = row["model"] or ""
                _known(name, registry, where)
                if name in means:
                    raise ComparisonError(f"{where}: {name} stands in an earlier line already")
                means[name] = _means(row, where)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ComparisonError(f"{file}: cannot be read as CSV ({error})") from error
    return means


def _means(row: Mapping[str, str | None], where: str) -> Means:
    values: dict[str, float | None] = {}
    for column in (*MEANS, "count"):
        text = (row.get(column) or "").strip()
        values[column] = _number(text, f"{where}, {column}") if text else None
    quality, count = values["quality"], values["count"]
    if quality is not None and quality > 1.0:
        raise ComparisonError(f"{where}: the quality {quality} is above 1")
    if count is not None and count != int(count):
        raise ComparisonError(f"{where}: the count {count} is not a whole number")
    return Means(
        quality,
        values["cost_usd"],
        values["latency_ms"],
        None if count is None else int(count),
    )


def weights_of(preset: str, pairs: Iterable[str]) -> dict[str, float]:
    """The weights of a preset, or those of OBJECTIVE=VALUE pairs alone if there are any.

    Raises ComparisonError.
    """
    given: dict[str, float] = {}
    for pair in pairs:
        name, value = _pair(pair, "--weight OBJECTIVE=VALUE")
        if name not in MAXIMISED:
            raise ComparisonError(
                f"--weight {pair}: {name!r} is not an objective; known are {', '.join(MAXIMISED)}"
            )
        given[name] = value
    if given:
        return {name: given.get(name, 0.0) for name in MAXIMISED}
    weights = PRESETS[cast(Preset, preset)]
    return {
        "quality": weights.quality,
        "cost": weights.cost,
        "latency": weights.latency,
        "context": weights.quality,
    }


def compare(
    models: Sequence[ModelEntry],
    usage: Usage,
    means: Mapping[str, Means],
    objectives: Sequence[str],
    weights: Mapping[str, float],
    by: Scalarisation,
) -> Comparison:
    """Compare models. Raises ComparisonError if fewer than one can be compared."""
    known = {model.id: _values(model, usage, means.get(model.id, Means())) for model in models}
    names = sorted(set(objectives), key=list(MAXIMISED).index) or _objectives(known)
    if len(names) > 3:
        raise ComparisonError("at most three objectives can be compared at once")
    unknown = {
        model: lacking
        for model, values in known.items()
        if (lacking := [name for name in names if values[name] is None])
    }
    ids = [model for model in known if model not in unknown]
    if not ids:
        raise ComparisonError(
            f"no model can be compared by {', '.join(names)}: "
            + ("none fulfils the conditions" if not known else "too little is known of them")
        )
    if not any(weights[name] for name in names):
        raise ComparisonError(f"none of {', '.join(names)} has a positive weight")
    values = np.array([[known[model][name] for name in names] for model in ids], dtype=np.float64)
    maximise = [MAXIMISED[name] for name in names]
    front = non_dominated(values, maximise)
    lost = losses(values, maximise)
    reference = np.full(len(names), 1.0 + MARGIN)
    minimise = [False] * len(names)
    share = np.zeros(len(ids))
    parts = contributions(lost[front], reference, minimise)
    share[front] = parts / hypervolume(lost[front], reference, minimise)
    beaten_by = dominators(values, maximise)
    compared = [
        Compared(
            model,
            dict(zip(names, values[index].tolist(), strict=True)),
            dict(zip(names, lost[index].tolist(), strict=True)),
            float(share[index]),
            [ids[other] for other in beaten_by[index]],
        )
        for index, model in enumerate(ids)
    ]
    on_front = [one for one, is_front in zip(compared, front, strict=True) if is_front]
    beaten = [one for one, is_front in zip(compared, front, strict=True) if not is_front]
    choice = chosen(lost[front], [weights[name] for name in names], by)
    bend = knee(lost[front])
    return Comparison(
        names,
        {name: weights[name] for name in names},
        sorted(on_front, key=_best_first),
        sorted(beaten, key=_best_first),
        unknown,
        None if choice is None else on_front[choice].model,
        None if bend is None else on_front[bend].model,
    )


def _best_first(one: Compared) -> tuple[float, ...]:
    return tuple(one.losses.values())


def as_json(result: Comparison) -> dict[str, Any]:
    """The result as JSON has it."""
    return {
        "objectives": result.objectives,
        "weights": result.weights,
        "front": [
            {"model": one.model, **one.values, "hypervolume_share": one.share}
            for one in result.front
        ],
        "choice": result.choice,
        "knee": result.knee,
        "beaten": [
            {"model": one.model, **one.values, "beaten_by": one.beaten_by} for one in result.beaten
        ],
        "not_compared": [
            {"model": model, "unknown": lacking} for model, lacking in result.unknown.items()
        ],
    }


def _values(model: ModelEntry, usage: Usage, means: Means) -> dict[str, float | None]:
    weights = PriorWeights()
    cost = predicted_cost_usd(model.price, usage)
    latency = predicted_latency_ms(model.latency, usage.output_tokens)
    window = model.context_window
    return {
        "quality": means.quality,
        "cost": _blend(cost, weights.cost, means.cost_usd, means.count),
        "latency": _blend(latency, weights.latency, means.latency_ms, means.count),
        "context": None if window is None else float(window),
    }


def _blend(
    declared: float | None, weight: float, observed: float | None, count: int | None
) -> float | None:
    if observed is not None and count is None:
        return observed
    return Estimate(declared, weight, observed, count or 0).value


def _objectives(known: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Quality if it is known of any model, else context; cost; latency if known of all of those."""
    first = "quality" if any(one["quality"] is not None for one in known.values()) else "context"
    candidates = [one for one in known.values() if one[first] is not None]
    latency = candidates and all(one["latency"] is not None for one in candidates)
    return sorted([first, "cost", *(["latency"] if latency else [])], key=list(MAXIMISED).index)


def _pair(text: str, form: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    if not equals or not name:
        raise ComparisonError(f"{text!r} is not of the form {form}")
    return name, _number(value, text)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0.0):
        raise ComparisonError(f"{where}: expected a number of 0 or more, found {text!r}")
    return value


def _known(name: str, registry: Registry, where: str) -> None:
    try:
        registry.get(name)
    except UnknownModelError as error:
        raise ComparisonError(f"{where}: {error}; --models FILE adds models") from error
