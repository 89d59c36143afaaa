"""``thalweg models``, and the registry files that it reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from core.models.registry import status_at
from streams.cli import main
from streams.documents import DocumentError
from streams.models import DEFAULT_FILE, load_registry, read_models

OWN = """
as_of: 2026-05-01
sources: {house: the price list of the house}
models:
  - id: house/fast
    provider: house
    tier: economy
    sources: [house]
    price: {input_per_mtok: 1, output_per_mtok: 2}
    context_window: 1000
    latency: {first_token_ms: 100, ms_per_output_token: 1}
  - id: house/good
    provider: house
    tier: premium
    as_of: 2026-06-01
    sources: [https://house.example/prices]
    price: {input_per_mtok: 10, output_per_mtok: 20, cached_per_mtok: 1}
    context_window: 100000
    capabilities: [text, vision]
    latency: {p50_ms: 900}
  - id: house/poor
    provider: house
    tier: standard
    sources: [house]
    price: {input_per_mtok: 20, output_per_mtok: 20}
    context_window: 100000
    latency: {p50_ms: 2000}
    availability: {status: retired, retired_from: 2026-04-01}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    return file


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(main, ["models", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(*arguments: str | Path) -> str:
    result = CliRunner().invoke(main, ["models", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code != 0
    return result.stderr


def json(*arguments: str | Path) -> list[dict[str, object]]:
    return orjson.loads(run(*arguments, "--json"))


def test_the_default_models_are_valid_and_say_where_their_figures_stood() -> None:
    registry = load_registry()
    assert len(registry) > 20
    for model in registry:
        assert model.id.startswith(f"{model.provider}/")
        assert all(source.startswith("https://") for source in model.sources)
        assert date(2025, 1, 1) < model.as_of < date(2027, 1, 1)
        assert 0 < model.price.input_per_mtok <= model.price.output_per_mtok
        if model.price.cached_per_mtok is not None:
            assert model.price.cached_per_mtok < model.price.input_per_mtok


def test_default_prints_a_file_that_can_be_read_again(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text(run("default"))
    assert read_models(copy) == read_models(DEFAULT_FILE)


def test_an_entry_of_ones_own_replaces_the_default_one(tmp_path: Path) -> None:
    assert load_registry().get("openai/gpt-5").context_window is not None
    file = tmp_path / "own.json"
    entry = {
        "id": "openai/gpt-5",
        "provider": "openai",
        "tier": "standard",
        "price": {"input_per_mtok": 1.0, "output_per_mtok": 9.0},
        "sources": ["my contract"],
    }
    file.write_bytes(orjson.dumps({"as_of": "2026-11-20", "models": [entry]}))
    replaced = load_registry([file]).get("openai/gpt-5")
    assert replaced.price.output_per_mtok == 9.0
    assert replaced.context_window is None
    assert replaced.as_of == date(2026, 11, 20)
    assert len(load_registry([file])) == len(load_registry())


def test_list_filters(own: Path) -> None:
    house = ["list", "--models", own, "--provider", "house"]
    assert [model["id"] for model in json(*house)] == ["house/fast", "house/good"]
    assert [model["id"] for model in json(*house, "--capability", "vision")] == ["house/good"]
    assert [model["id"] for model in json(*house, "--context", "1001")] == ["house/good"]
    assert [model["id"] for model in json(*house, "--tier", "economy")] == ["house/fast"]
    assert [model["id"] for model in json(*house, "--all", "--tier", "standard")] == ["house/poor"]
    assert [m["status"] for m in json(*house, "--on", "2026-03-31")] == ["available"] * 3
    table = run(*house)
    assert "house/fast" in table
    assert "house/poor" not in table


def test_an_empty_list_is_a_failure_for_scripts(own: Path) -> None:
    nothing = ["--models", own, "--provider", "house", "--capability", "audio"]
    for command in ("list", "cost"):
        for format_ in ([], ["--json"]):
            arguments = ["models", command, *map(str, nothing), *format_]
            result = CliRunner().invoke(main, arguments, catch_exceptions=False)
            assert result.exit_code == 1
            expected = "[]" if format_ else "no model fulfils all conditions"
            assert expected in result.stdout


def test_a_provider_that_has_no_model_is_a_mistake() -> None:
    assert "no model is of provider 'opnai'; known are anthropic, google" in fails(
        "list", "--provider", "opnai"
    )


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("gpt-5", "openai/gpt-5"),
        ("GPT-5.4-Mini", "openai/gpt-5.4-mini"),
        ("openai/gpt5.4", "openai/gpt-5.4"),
        ("azure/gpt-4o", "openai/gpt-4o"),
        ("gemini-2.5-profi", "google/gemini-2.5-pro"),
    ],
)
def test_a_model_that_is_nearly_known_is_suggested(asked: str, meant: str) -> None:
    assert f"did you mean {meant!r}?" in fails("show", asked)


def test_a_model_like_no_other_is_only_called_unknown() -> None:
    assert "did you mean" not in fails("show", "house/oracle")


def test_show(own: Path) -> None:
    text = run("show", "house/good", "--models", own)
    for part in ("premium", "$10.00 ($1.00 cached) in", "100,000", "2026-06-01", "900 ms"):
        assert part in text
    assert "the price list of the house" in run("show", "house/fast", "--models", own)
    assert "did you mean 'house/good'?" in fails("show", "house/godo", "--models", own)


def test_cost_is_sorted_and_leaves_out_what_does_not_fit(own: Path) -> None:
    cost = ["cost", "--models", own, "--provider", "house"]
    small = json(*cost, "--input-tokens", "800", "--output-tokens", "200")
    assert small == [
        {"model": "house/fast", "cost_usd": pytest.approx(0.0012)},
        {"model": "house/good", "cost_usd": pytest.approx(0.012)},
    ]
    large = ["--input-tokens", "2000", "--output-tokens", "100", "--cached-tokens", "1500"]
    assert json(*cost, *large) == [
        {"model": "house/good", "cost_usd": pytest.approx(0.005 + 0.0015 + 0.002)}
    ]
    assert "$0.0085" in run(*cost, *large)
    assert "part of the input" in fails(*cost, "--input-tokens", "1", "--cached-tokens", "2")


def test_pareto_without_qualities_compares_the_context_instead(own: Path) -> None:
    result = json("pareto", "--models", own, "--provider", "house", "--all",
                  "--input-tokens", "100", "--output-tokens", "100")  # fmt: skip
    assert result["objectives"] == ["cost", "latency", "context"]
    assert [one["model"] for one in result["front"]] == ["house/fast", "house/good"]
    assert result["front"][0]["latency"] == 200.0
    (beaten,) = result["beaten"]
    assert (beaten["model"], beaten["beaten_by"]) == ("house/poor", ["house/good"])


QUALITIES = ["--quality", "house/fast=0.6", "--quality", "house/good=0.9"]


def test_pareto_with_qualities_chooses_by_weights(own: Path) -> None:
    pareto = ["pareto", "--models", own, "--provider", "house", "--input-tokens", "100", *QUALITIES]
    for weights, choice in ((["quality=1"], "house/good"), (["cost=2", "quality=1"], "house/fast")):
        options = [part for weight in weights for part in ("--weight", weight)]
        result = json(*pareto, "--objective", "quality", "--objective", "cost", *options)
        assert result["choice"] == choice
        assert result["knee"] is None
        # The boxes of the two extremes up to 1.1 overlap in a square of 0.1.
        assert [one["hypervolume_share"] for one in result["front"]] == [
            pytest.approx(0.1 / 0.21)
        ] * 2
    text = run(*pareto)
    assert "The Pareto front" in text
    assert "choice" in text


def test_pareto_blends_measured_means_with_declared_ones(own: Path, tmp_path: Path) -> None:
    table = tmp_path / "measured.csv"
    table.write_text(
        "model,quality,cost_usd,latency_ms,count\nhouse/fast,0.7,0.003,,20\nhouse/good,0.9,,400,\n"
    )
    result = json("pareto", "--models", own, "--provider", "house", "--measured", table,
                  "--quality", "house/fast=0.75", "--input-tokens", "400",
                  "--output-tokens", "300")  # fmt: skip
    assert result["objectives"] == ["quality", "cost", "latency"]
    fast = next(one for one in result["front"] if one["model"] == "house/fast")
    good = next(one for one in result["front"] if one["model"] == "house/good")
    assert fast["quality"] == 0.75
    assert fast["cost"] == pytest.approx((0.001 + 0.003) / 2)
    assert fast["latency"] == 400.0
    assert good["latency"] == 400.0
    assert good["cost"] == pytest.approx(0.01)


def test_pareto_says_what_is_not_known(own: Path) -> None:
    result = json("pareto", "--models", own, "--provider", "house",
                  "--quality", "house/fast=.6", "--input-tokens", "10")  # fmt: skip
    assert result["not_compared"] == [{"model": "house/good", "unknown": ["quality"]}]
    assert result["choice"] == result["knee"] == "house/fast"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--quality", "house/fast"], "MODEL=VALUE"),
        (["--quality", "house/fast=good"], "expected a number"),
        (["--quality", "house/fast=1.5"], "between 0 and 1"),
        (["--quality", "house/fats=.5"], "did you mean 'house/fast'?"),
        (["--weight", "speed=1"], "'speed' is not an objective"),
        (["--weight", "latency=1", "--objective", "cost"], "positive weight"),
        (["--objective", "quality"], "too little is known"),
        (["--tier", "reasoning"], "none fulfils the conditions"),
        ([part for name in ("quality", "cost", "latency", "context")
          for part in ("--objective", name)], "at most three"),
    ],
)  # fmt: skip
def test_pareto_refuses_what_it_cannot_compare(own: Path, options: list[str], part: str) -> None:
    assert part in fails("pareto", "--models", own, "--provider", "house", *options)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("quality\n0.5\n", "the first line must name the columns"),
        ("model,speed\nhouse/fast,1\n", "found model, speed"),
        ("model,quality\nhouse/fast,high\n", "line 2, quality: expected a number"),
        ("model,quality\nhouse/fast,7\n", "line 2: the quality 7.0 is above 1"),
        ("model,quality\nhouse/fast,.7\nhouse/fast,.8\n", "line 3: house/fast stands in an earl"),
        ("model,quality,count\nhouse/fast,.7,1.5\n", "not a whole number"),
        ("model,quality\nunheard/of,.7\n", "no model 'unheard/of'"),
    ],
)
def test_a_wrong_table_of_measured_means_is_refused(
    own: Path, tmp_path: Path, text: str, part: str
) -> None:
    table = tmp_path / "measured.csv"
    table.write_text(text)
    message = fails("pareto", "--models", own, "--measured", table)
    assert part in message
    assert "Traceback" not in message


WRONG = {
    "no date": ("models: []", ["missing required field `as_of`"]),
    "unknown field of the head": ("as_of: 2026-01-01\nmodel: []", ["unknown field `model`"]),
    "no list": ("as_of: 2026-01-01\nmodels: 7", ["models", "found 7"]),
    "not a day": ("as_of: 05/2026\nmodels: []", ["as_of", "date"]),
    "unknown field": (
        OWN.replace("context_window: 1000\n", "context_windw: 1000\n"),
        ["models[0] (house/fast): ", "`context_windw`", "did you mean context_window?"],
    ),
    "missing price": (
        OWN.replace("{input_per_mtok: 1, output_per_mtok: 2}", "{input_per_mtok: 1}"),
        ["models[0] (house/fast): price: ", "`output_per_mtok`"],
    ),
    "negative price": (
        OWN.replace("input_per_mtok: 10", "input_per_mtok: -10"),
        ["models[1] (house/good): price.input_per_mtok: ", ">= 0", "found -10"],
    ),
    "tier": (
        OWN.replace("tier: premium", "tier: premuim"),
        ["models[1] (house/good): tier: ", "did you mean premium?"],
    ),
    "no source": (OWN.replace("sources: [house]", "sources: []"), ["sources", "length >= 1"]),
    "unnamed source": (
        OWN.replace("sources: [house]", "sources: [home]", 1),
        ["models[0] (house/fast): sources: 'home'", "known are house"],
    ),
    "limits": (
        OWN.replace(
            "context_window: 1000\n", "context_window: 1000\n    max_output_tokens: 1001\n"
        ),
        ["models[0] (house/fast): max_output_tokens: 1001"],
    ),
    "percentiles": (
        OWN.replace("{p50_ms: 900}", "{p50_ms: 900, p95_ms: 800}"),
        ["models[1] (house/good): latency: p95_ms (800.0) is less than p50_ms (900.0)"],
    ),
    "capability twice": (OWN.replace("[text, vision]", "[text, text]"), ["capabilities: one occ"]),
    "retired or not": (
        OWN.replace("status: retired, retired_from: 2026-04-01", "retired_from: 2026-04-01"),
        ["models[2] (house/poor): availability: ", "'available'", "2026-04-01"],
    ),
    "dates": (
        OWN.replace("status: retired,", "status: retired, deprecated_from: 2026-04-02,"),
        ["availability: retired_from (2026-04-01) is before deprecated_from (2026-04-02)"],
    ),
    "twice": (
        OWN.replace("id: house/good", "id: house/fast"),
        ["models[1] (house/fast): the id stands in models[0] (house/fast) already"],
    ),
}


@pytest.mark.parametrize(("text", "parts"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_with_file_entry_and_field(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(DocumentError) as error:
        read_models(file)
    for part in (f"{file}: ", *parts):
        assert part in str(error.value)


def test_all_wrong_entries_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(OWN.replace("tier: economy", "tier: cheap").replace("{p50_ms: 900}", "{p: 1}"))
    message = fails("list", "--models", file)
    assert "models[0] (house/fast): tier" in message
    assert "models[1] (house/good): latency" in message
    assert "Traceback" not in message


def test_the_statuses_of_the_default_models_follow_the_day() -> None:
    gpt_5 = load_registry().get("openai/gpt-5").availability
    assert status_at(gpt_5, date(2026, 1, 1)) == "available"
    assert status_at(gpt_5, date(2026, 12, 11)) == "retired"
