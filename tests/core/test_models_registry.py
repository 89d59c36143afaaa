from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.models.arm_prices import with_prices
from core.models.cost import Usage, predicted_cost_usd, predicted_latency_ms
from core.models.registry import Needs, Registry, UnknownModelError, status_at
from schemas.models import Availability, Latency, LongPromptPrice, ModelEntry, ModelPrice
from schemas.policy import ArmSpec, Policy, Price


def model(model_id: str = "house/base", **changes: object) -> ModelEntry:
    entry = ModelEntry(
        id=model_id,
        provider="house",
        tier="standard",
        price=ModelPrice(2.0, 8.0),
        sources=["the house"],
        as_of=date(2026, 5, 1),
        context_window=10_000,
        max_output_tokens=2_000,
        capabilities=["text", "tools"],
    )
    return replace(entry, **changes)


EDGES = Availability("deprecated", date(2026, 1, 10), date(2026, 6, 1), date(2026, 9, 1), ["eu"])


@pytest.mark.parametrize(
    ("availability", "day", "status"),
    [
        (EDGES, date(2026, 1, 9), "announced"),
        (EDGES, date(2026, 1, 10), "available"),
        (EDGES, date(2026, 5, 31), "available"),
        (EDGES, date(2026, 6, 1), "deprecated"),
        (EDGES, date(2026, 8, 31), "deprecated"),
        (EDGES, date(2026, 9, 1), "retired"),
        (Availability(), date(1999, 1, 1), "available"),
        (Availability("deprecated"), date(2026, 1, 1), "deprecated"),
        (Availability("deprecated", retired_from=date(2026, 9, 1)), date(2026, 8, 1), "deprecated"),
        (Availability("retired"), date(2026, 1, 1), "retired"),
        (Availability("retired", retired_from=date(2026, 9, 1)), date(2026, 8, 1), "available"),
        (Availability("retired", retired_from=date(2026, 9, 1)), date(2026, 9, 1), "retired"),
    ],
)
def test_the_status_on_a_day(availability: Availability, day: date, status: str) -> None:
    assert status_at(availability, day) == status


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        (Needs(), None),
        (Needs(tiers=frozenset({"standard", "premium"})), None),
        (Needs(tiers=frozenset({"economy", "premium"})), "tier standard"),
        (Needs(providers=frozenset({"other"})), "provider house"),
        (Needs(capabilities=frozenset({"text", "tools"})), None),
        (Needs(capabilities=frozenset({"text", "vision", "audio"})), "lacks audio, vision"),
        (Needs(input_tokens=8_000, output_tokens=2_000), None),
        (Needs(input_tokens=8_001, output_tokens=2_000), "context window of 10,000"),
        (Needs(output_tokens=2_001), "at most 2,000"),
        (Needs(day=date(2026, 8, 31)), None),
        (Needs(day=date(2026, 9, 1)), "retired on 2026-09-01"),
        (Needs(day=date(2026, 1, 1)), "announced on 2026-01-01"),
        (Needs(region="eu"), None),
        (Needs(region="us"), "in eu only"),
    ],
)
def test_each_need_is_checked(needs: Needs, why: str | None) -> None:
    entry = model(availability=EDGES)
    unmet = needs.unmet(entry)
    assert (unmet is None) == (why is None)
    assert why is None or why in (unmet or "")
    assert Registry([entry]).meeting(needs) == ([entry] if why is None else [])


def test_an_unknown_limit_fulfils_no_need_for_tokens() -> None:
    open_end = model(context_window=None, max_output_tokens=None)
    assert Needs().unmet(open_end) is None
    assert "unknown" in (Needs(input_tokens=1).unmet(open_end) or "")
    assert "unknown" in (Needs(output_tokens=1).unmet(model(max_output_tokens=None)) or "")


def test_a_registry_finds_by_id_and_says_what_is_near() -> None:
    registry = Registry([model("b/two"), model("a/one")])
    assert [one.id for one in registry] == ["a/one", "b/two"]
    assert registry.get("a/one").id == "a/one"
    assert registry.find("a/three") is None
    with pytest.raises(UnknownModelError, match=r"'A/on'; did you mean 'a/one'\?"):
        registry.get("A/on")
    with pytest.raises(ValueError, match="'x' occurs more than once"):
        Registry([model("x"), model("x")])


def test_a_merged_registry_takes_whole_entries_of_the_later_one() -> None:
    cheap = model("a", price=ModelPrice(1.0, 1.0), note="", context_window=None)
    merged = Registry([model("a", note="old"), model("b")]).merged(Registry([cheap, model("c")]))
    assert [one.id for one in merged] == ["a", "b", "c"]
    assert merged.get("a") == cheap


TIERED = ModelPrice(2.0, 12.0, 0.2, 0.001, LongPromptPrice(200_000, 4.0, 18.0, 0.4))


@pytest.mark.parametrize(
    ("price", "usage", "usd"),
    [
        (ModelPrice(2.0, 8.0), Usage(1_000, 500), 0.002 + 0.004),
        (ModelPrice(2.0, 8.0, 0.5), Usage(1_000, 500, 800), 0.0004 + 0.0004 + 0.004),
        (ModelPrice(2.0, 8.0), Usage(1_000, 500, 800), 0.002 + 0.004),
        (ModelPrice(2.0, 8.0, 0.0), Usage(1_000, 0, 1_000), 0.0),
        (ModelPrice(0.0, 0.0, per_request=0.01), Usage(0, 0), 0.01),
        (TIERED, Usage(200_000, 1_000), 0.001 + 0.4 + 0.012),
        (TIERED, Usage(200_001, 1_000), 0.001 + 0.800004 + 0.018),
        (TIERED, Usage(300_000, 1_000, 300_000), 0.001 + 0.12 + 0.018),
    ],
)
def test_the_predicted_cost(price: ModelPrice, usage: Usage, usd: float) -> None:
    assert predicted_cost_usd(price, usage) == pytest.approx(usd, rel=1e-12)


tokens = st.integers(0, 10**7)
rates = st.floats(0, 100)


@given(rates, rates, rates, tokens, tokens, tokens)
def test_more_tokens_never_cost_less_and_a_cheaper_cache_never_more(
    fresh: float, output: float, cached: float, n_in: int, n_out: int, n_cached: int
) -> None:
    price = ModelPrice(fresh, output, min(fresh, cached))
    n_cached = min(n_cached, n_in)
    cost = predicted_cost_usd(price, Usage(n_in, n_out, n_cached))
    assert cost <= predicted_cost_usd(price, Usage(n_in, n_out)) * (1 + 1e-12)
    assert cost <= predicted_cost_usd(price, Usage(n_in + 1, n_out + 1, n_cached)) * (1 + 1e-12)


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (5, 0, 6)])
def test_numbers_of_tokens_that_cannot_be_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="tokens"):
        Usage(*numbers)


def test_the_predicted_latency_follows_the_answer_where_it_can() -> None:
    assert predicted_latency_ms(Latency(), 100) is None
    assert predicted_latency_ms(Latency(p50_ms=800.0, p95_ms=2_000.0), 100) == 800.0
    whole = Latency(p50_ms=800.0, first_token_ms=300.0, ms_per_output_token=10.0)
    assert predicted_latency_ms(whole, 100) == 1_300.0
    assert predicted_latency_ms(Latency(ms_per_output_token=10.0), 100) == 1_000.0


def test_arms_without_a_price_get_their_models() -> None:
    registry = Registry([model("m", price=TIERED)])
    free = Price()
    policy = Policy(
        route="r",
        version=3,
        arms=[
            ArmSpec(id="bare", model="m", params={"temperature": 0.5}),
            ArmSpec(id="own", model="m", price=free),
            ArmSpec(id="strange", model="unheard-of"),
        ],
    )
    filled = with_prices(policy, registry)
    assert [arm.price for arm in filled.arms] == [Price(2.0, 12.0, 0.2, 0.001), free, None]
    assert replace(filled, arms=policy.arms) == policy
    assert with_prices(filled, registry) == filled
