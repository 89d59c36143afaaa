"""The models as tables and lines on the console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rich.text import Text

from core.models.cost import Usage
from core.models.registry import StatusAt, status_at
from schemas.models import ModelEntry
from streams.console import make_console, make_table, paragraph, print_table
from streams.models.comparison import Compared, Comparison

STYLES: dict[StatusAt, str] = {"deprecated": "yellow", "retired": "red", "announced": "yellow"}


def show_models(models: Sequence[ModelEntry], day: date) -> None:
    """A line for each model."""
    table = make_table("model", "tier", "status", "$/M in", "cached", "out", "context", text=3)
    for model in models:
        status = status_at(model.availability, day)
        price = model.price
        table.add_row(
            model.id,
            model.tier,
            Text(status, STYLES.get(status, "")),
            _usd(price.input_per_mtok),
            "-" if price.cached_per_mtok is None else _usd(price.cached_per_mtok),
            _usd(price.output_per_mtok),
            _tokens(model.context_window),
        )
    console = make_console()
    if models:
        print_table(console, table)
        oldest = min(model.as_of for model in models)
        note = f"{len(models)} models; list prices as of {oldest} or later, see `models show`"
    else:
        note = "no model fulfils all conditions"
    console.print(Text(note, "dim"))


def show_model(model: ModelEntry, day: date) -> None:
    """All that is known of one model."""
    console = make_console()
    price, availability = model.price, model.availability
    status = status_at(availability, day)
    console.print(Text(model.id, "bold"))
    lines: list[tuple[str, str | Text]] = [
        ("tier", f"{model.tier}, of {model.provider}"),
        ("status", Text(status, STYLES.get(status, "green"))),
        ("price", _price(price.input_per_mtok, price.cached_per_mtok, price.output_per_mtok)),
        ("context", f"{_tokens(model.context_window)}, answer {_tokens(model.max_output_tokens)}"),
        ("can", ", ".join(model.capabilities)),
    ]
    if price.per_request:
        lines.append(("fee", f"{_usd(price.per_request)} per request"))
    if price.long_prompt is not None:
        long = price.long_prompt
        rates = _price(long.input_per_mtok, long.cached_per_mtok, long.output_per_mtok)
        lines.append(("long", f"{rates} for prompts above {long.above_tokens:,} tokens"))
    for name, on in (
        ("from", availability.available_from),
        ("deprecated", availability.deprecated_from),
        ("retired", availability.retired_from),
    ):
        if on is not None:
            lines.append((name, on.isoformat()))
    if availability.regions:
        lines.append(("regions", ", ".join(availability.regions)))
    for name, value in (
        ("p50", model.latency.p50_ms),
        ("p95", model.latency.p95_ms),
        ("first token", model.latency.first_token_ms),
        ("per token", model.latency.ms_per_output_token),
    ):
        if value is not None:
            lines.append((name, f"{value:,.6g} ms"))
    if model.note:
        lines.append(("note", model.note))
    lines.append(("as of", model.as_of.isoformat()))
    lines.extend(("source", source) for source in model.sources)
    for name, text in lines:
        console.print(Text(f"  {name:12}").append_text(Text.assemble(text)), soft_wrap=True)


def show_costs(costs: Sequence[tuple[ModelEntry, float]], usage: Usage) -> None:
    """A line for each model, and how it compares with the cheapest."""
    console = make_console()
    cached = f" ({usage.cached_tokens:,} of them cached)" if usage.cached_tokens else ""
    console.print(
        Text(f"{usage.input_tokens:,} input tokens{cached}, {usage.output_tokens:,} output tokens")
    )
    if not costs:
        console.print(Text("no model fulfils all conditions", "dim"))
        return
    table = make_table("model", "tier", "$/request", "$/1,000", "times", text=2)
    least = costs[0][1]
    for model, usd in costs:
        times = f"{usd / least:.1f}" if least else "-"
        table.add_row(model.id, model.tier, _usd(usd), _usd(1_000 * usd), times)
    print_table(console, table)


def show_comparison(result: Comparison) -> None:
    """The front, what was chosen, and who is behind."""
    console = make_console()
    console.print(Text("The Pareto front: no other model is better in all", "bold"))
    table = make_table("model", *result.objectives, "share", "", text=1)
    for one in result.front:
        marks = [
            name
            for name, model in (("choice", result.choice), ("knee", result.knee))
            if model == one.model
        ]
        table.add_row(
            one.model, *_values(one, result), f"{one.share:.3f}", Text(", ".join(marks), "green")
        )
    print_table(console, table)
    weights = ", ".join(f"{name} {weight:g}" for name, weight in result.weights.items())
    console.print()
    paragraph(console, Text(f"choice: {result.choice}, by the weights {weights}"))
    bend = result.knee or "none, the front has no bend"
    paragraph(console, Text(f"knee: {bend}"))
    paragraph(
        console,
        Text(
            "share: of the hypervolume, what would be lost without the model (reference point: a "
            "tenth of the front's range behind its worst values)",
            "dim",
        ),
    )
    if result.beaten:
        console.print(Text("\nBehind the front", "bold"))
        table = make_table("model", *result.objectives, "beaten by", text=1)
        table.columns[-1].justify = "left"
        for one in result.beaten:
            more = f" and {len(one.beaten_by) - 1} more" if len(one.beaten_by) > 1 else ""
            table.add_row(one.model, *_values(one, result), f"{one.beaten_by[0]}{more}")
        print_table(console, table)
    if result.unknown:
        console.print(Text("\nNot compared", "bold"))
        for lacking in sorted(set(map(tuple, result.unknown.values()))):
            ids = [model for model, of in result.unknown.items() if tuple(of) == lacking]
            paragraph(console, Text(f"{' and '.join(lacking)} not known: {', '.join(ids)}"))


def _values(one: Compared, result: Comparison) -> list[str]:
    return [_value(name, one.values[name]) for name in result.objectives]


def _value(name: str, value: float) -> str:
    if name == "cost":
        return _usd(value)
    if name == "latency":
        return f"{value:,.0f} ms"
    return _tokens(int(value)) if name == "context" else f"{value:.3f}"


def _price(fresh: float, cached: float | None, output: float) -> str:
    cheaper = "" if cached is None else f" ({_usd(cached)} cached)"
    return f"{_usd(fresh)}{cheaper} in, {_usd(output)} out per million tokens"


def _usd(value: float) -> str:
    """At least two decimals, and four significant digits."""
    text = f"{value:.4g}"
    if "e" in text:
        text = f"{value:.8f}".rstrip("0")
    decimals = len(text.partition(".")[2])
    return f"${value:,.2f}" if decimals < 2 else f"${text}"


def _tokens(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"
