"""The models that are known, and which of them fit what a request needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Literal

from schemas.models import Availability, Capability, ModelEntry, Tier

StatusAt = Literal["announced", "available", "deprecated", "retired"]


class UnknownModelError(LookupError):
    """The registry has no such model; the message names the nearest one."""


def status_at(availability: Availability, day: date) -> StatusAt:
    """The status on a day.

    The dates decide where they are given. Where they are not, the entry's own status holds for
    all days; but a model that is retired from a given day was available before it.
    """
    if availability.retired_from is not None and day >= availability.retired_from:
        return "retired"
    if availability.available_from is not None and day < availability.available_from:
        return "announced"
    if availability.deprecated_from is not None and day >= availability.deprecated_from:
        return "deprecated"
    if availability.status == "retired" and availability.retired_from is None:
        return "retired"
    if availability.status == "deprecated" and availability.deprecated_from is None:
        return "deprecated"
    return "available"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model must fulfil; an empty or absent part is fulfilled by all."""

    tiers: frozenset[Tier] = frozenset()
    """Any one of these."""
    providers: frozenset[str] = frozenset()
    """Any one of these."""
    capabilities: frozenset[Capability] = frozenset()
    """All of these."""
    input_tokens: int = 0
    output_tokens: int = 0
    """Both must fit the context window together, and the answer the longest output."""
    day: date | None = None
    """Calls must be answered on that day."""
    region: str | None = None

    def unmet(self, model: ModelEntry) -> str | None:
        """The first need that the model does not fulfil, in words; None if it fulfils all.

        A limit that the registry does not know fulfils no need for tokens.
        """
        availability = model.availability
        if self.tiers and model.tier not in self.tiers:
            return f"is of tier {model.tier}"
        if self.providers and model.provider not in self.providers:
            return f"is of provider {model.provider}"
        lacking = self.capabilities - frozenset(model.capabilities)
        if lacking:
            return f"lacks {', '.join(sorted(lacking))}"
        tokens = self.input_tokens + self.output_tokens
        if tokens and not _fits(tokens, model.context_window):
            return f"has a context window of {_limit(model.context_window)}, needed are {tokens:,}"
        if self.output_tokens and not _fits(self.output_tokens, model.max_output_tokens):
            limit = _limit(model.max_output_tokens)
            return f"answers with at most {limit}, needed are {self.output_tokens:,}"
        if self.day is not None:
            status = status_at(availability, self.day)
            if status not in ("available", "deprecated"):
                return f"is {status} on {self.day}"
        regions = availability.regions
        if self.region is not None and regions and self.region not in regions:
            return f"is served in {', '.join(regions)} only"
        return None


class Registry:
    """Models by their id, in the order of the ids."""

    __slots__ = ("_models",)

    def __init__(self, models: Iterable[ModelEntry]) -> None:
        """Raises ValueError for an id that occurs more than once."""
        self._models: dict[str, ModelEntry] = {}
        for model in sorted(models, key=lambda model: model.id):
            if model.id in self._models:
                raise ValueError(f"the model {model.id!r} occurs more than once")
            self._models[model.id] = model

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._models.values())

    def find(self, model_id: str) -> ModelEntry | None:
        """The model of that id, or None."""
        return self._models.get(model_id)

    def get(self, model_id: str) -> ModelEntry:
        """The model of that id. Raises UnknownModelError."""
        model = self._models.get(model_id)
        if model is None:
            near = self.nearest(model_id)
            hint = f"; did you mean {near!r}?" if near else ""
            raise UnknownModelError(f"the registry has no model {model_id!r}{hint}")
        return model

    def nearest(self, model_id: str) -> str | None:
        """The id that is most likely meant, with or without the provider; None for no idea."""
        asked = model_id.lower()
        for known in self._models:
            if known.endswith(f"/{asked}"):
                return known
        near = get_close_matches(asked, self._models, n=1, cutoff=0.8)
        if near:
            return near[0]
        names = {known.partition("/")[2]: known for known in self._models}
        near = get_close_matches(asked.rpartition("/")[2], names, n=1, cutoff=0.8)
        return names[near[0]] if near else None

    def merged(self, over: Registry) -> Registry:
        """These models and those of ``over``, whose entries replace those of the same id whole."""
        return Registry((self._models | over._models).values())

    def meeting(self, needs: Needs) -> list[ModelEntry]:
        """The models that fulfil all needs, in the order of their ids."""
        return [model for model in self if needs.unmet(model) is None]


def _fits(tokens: int, limit: int | None) -> bool:
    return limit is not None and tokens <= limit


def _limit(limit: int | None) -> str:
    return "an unknown number of tokens" if limit is None else f"{limit:,} tokens"
