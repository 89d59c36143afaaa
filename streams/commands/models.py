"""``thalweg models``: what is known of models, what requests cost, which are worth considering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
import orjson

from core.models.cost import Usage, predicted_cost_usd
from core.models.registry import Needs, Registry, UnknownModelError, status_at
from core.reward import PRESETS
from schemas.models import Capability, ModelEntry, Tier
from streams.documents import DocumentError
from streams.models import load_registry

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


def registry_option(function: F) -> F:
    """``--models FILE``, as ``files``."""
    return click.option(
        "--models", "files", multiple=True, type=FILE,
        help="Models of your own, over the default ones by id; may be repeated.",
    )(function)  # fmt: skip


def registry_of(files: tuple[Path, ...]) -> Registry:
    """The default models and those of the files; a wrong file ends the command."""
    try:
        return load_registry(files)
    except DocumentError as error:
        raise click.ClickException(str(error)) from error


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


def _needs_options(function: F) -> F:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
        click.option("--region", help="Served in that region."),
        click.option(
            "--on", "day", type=click.DateTime(["%Y-%m-%d"]),
            help="Answering on that day.  [default: today]",
        ),
        click.option("--all", "all_days", is_flag=True, help="Retired and announced ones, too."),
        click.option(
            "--capability", "capabilities", multiple=True, type=click.Choice(get_args(Capability)),
            help="With that capability; may be repeated: with all of them.",
        ),
        click.option("--provider", "providers", multiple=True, help="Of that provider; or these."),
        click.option(
            "--tier", "tiers", multiple=True, type=click.Choice(get_args(Tier)),
            help="Of that tier; may be repeated: of any of them.",
        ),
        registry_option,
    ):  # fmt: skip
        function = option(function)
    return function


def _needs(given: Mapping[str, Any], input_tokens: int = 0, output_tokens: int = 0) -> Needs:
    day = given["day"].date() if given["day"] else today()
    return Needs(
        tiers=frozenset(given["tiers"]),
        providers=frozenset(given["providers"]),
        capabilities=frozenset(given["capabilities"]),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        day=None if given["all_days"] else day,
        region=given["region"],
    )


@click.group()
def models() -> None:
    """What is known of models: prices, limits, and which are worth considering.

    Prices are public list prices of the day that each entry names. They change: correct and extend
    them with files of your own, --models FILE, of the form that `thalweg models default` prints.
    """


@models.command()
def default() -> None:
    """Print the registry file that comes with thalweg, to copy from."""
    from streams.models import DEFAULT_FILE

    click.echo(DEFAULT_FILE.read_text(), nl=False)


@models.command("list")
@click.option("--context", "context", default=0, type=click.IntRange(min=0), metavar="TOKENS",
              help="That many tokens of prompt and answer fit.")  # fmt: skip
@_needs_options
def list_models(context: int, files: tuple[Path, ...], *, as_json: bool, **given: Any) -> None:
    """List models that fulfil all conditions, with prices per million tokens.

    Exit code: 0, or 1 where there is none.
    """
    from streams.models import tables

    registry = registry_of(files)
    _check_providers(given["providers"], registry)
    found = registry.meeting(_needs(given, input_tokens=context))
    day = given["day"].date() if given["day"] else today()
    if as_json:
        click.echo(_json([{**_fields(model), "status": status_at(model.availability, day)}
                          for model in found]))  # fmt: skip
    else:
        tables.show_models(found, day)
    if not found:
        raise SystemExit(1)


@models.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@registry_option
def show(model: str, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Show all that is known of MODEL."""
    from streams.models import tables

    try:
        entry = registry_of(files).get(model)
    except UnknownModelError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(_json(_fields(entry)))
        return
    tables.show_model(entry, today())


def _usage_options(input_tokens: int, output_tokens: int) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in (
            click.option(
                "--cached-tokens", default=0, show_default=True, type=click.IntRange(min=0),
                help="How many of the input tokens the provider has cached.",
            ),
            click.option(
                "--output-tokens", default=output_tokens, show_default=True,
                type=click.IntRange(min=0), help="Tokens of the answer.",
            ),
            click.option(
                "--input-tokens", default=input_tokens, show_default=True,
                type=click.IntRange(min=0), help="Tokens of the prompt, cached ones among them.",
            ),
        ):  # fmt: skip
            function = option(function)
        return function

    return decorate


def _usage(input_tokens: int, output_tokens: int, cached_tokens: int) -> Usage:
    try:
        return Usage(input_tokens, output_tokens, cached_tokens)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@models.command()
@_usage_options(1_000, 500)
@_needs_options
def cost(
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    files: tuple[Path, ...],
    *,
    as_json: bool,
    **given: Any,
) -> None:
    """Predict what one request costs with each model, the cheapest first.

    A model whose known limits the request does not fit is left out. Exit code: 0, or 1 where none
    is left.
    """
    from streams.models import tables

    usage = _usage(input_tokens, output_tokens, cached_tokens)
    registry = registry_of(files)
    _check_providers(given["providers"], registry)
    costs = [
        (model, predicted_cost_usd(model.price, usage))
        for model in registry.meeting(_needs(given))
        if not _too_long(model, usage)
    ]
    costs.sort(key=lambda pair: (pair[1], pair[0].id))
    if as_json:
        click.echo(_json([{"model": model.id, "cost_usd": usd} for model, usd in costs]))
    else:
        tables.show_costs(costs, usage)
    if not costs:
        raise SystemExit(1)


@models.command()
@click.option(
    "--quality", "qualities", multiple=True, metavar="MODEL=VALUE",
    help="The quality of a model, in [0, 1]; may be repeated.",
)  # fmt: skip
@click.option(
    "--measured", "measured_file", type=FILE, metavar="CSV",
    help="Measured means: columns model, and any of quality, cost_usd, latency_ms, count. With a "
    "count, that many observations are weighed against what is declared.",
)  # fmt: skip
@click.option(
    "--objective", "objectives", multiple=True,
    type=click.Choice(["quality", "cost", "latency", "context"]),
    help="What counts; may be repeated.  [default: quality if given, else context; cost; latency "
    "if known of all]",
)  # fmt: skip
@click.option(
    "--weight", "weights", multiple=True, metavar="OBJECTIVE=VALUE",
    help="How much an objective counts in the choice; may be repeated.  [default: the preset's]",
)  # fmt: skip
@click.option(
    "--preset", default="balanced", show_default=True, type=click.Choice(sorted(PRESETS)),
    help="The weights of a policy's preset; context counts as its quality.",
)  # fmt: skip
@click.option(
    "--by", default="sum", show_default=True, type=click.Choice(["sum", "chebyshev"]),
    help="Whether the weighted sum or the greatest weighted loss decides.",
)  # fmt: skip
@_usage_options(1_000, 500)
@_needs_options
def pareto(
    qualities: tuple[str, ...],
    measured_file: Path | None,
    objectives: tuple[str, ...],
    weights: tuple[str, ...],
    preset: str,
    by: str,
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    files: tuple[Path, ...],
    *,
    as_json: bool,
    **given: Any,
) -> None:
    """Find the models that no other model beats in every objective, and choose among them.

    Quality and context are the better the more, cost and latency the better the less. Cost and
    latency are predicted for the given tokens, unless they were measured.
    """
    from streams.models import comparison, tables

    usage = _usage(input_tokens, output_tokens, cached_tokens)
    registry = registry_of(files)
    _check_providers(given["providers"], registry)
    candidates = [model for model in registry.meeting(_needs(given)) if not _too_long(model, usage)]
    try:
        result = comparison.compare(
            candidates,
            usage,
            comparison.read_means(measured_file, qualities, registry),
            objectives,
            comparison.weights_of(preset, weights),
            "chebyshev" if by == "chebyshev" else "sum",
        )
    except comparison.ComparisonError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(_json(comparison.as_json(result)))
        return
    tables.show_comparison(result)


def _check_providers(asked: tuple[str, ...], registry: Registry) -> None:
    """Raise UsageError for a provider of which the registry has no model."""
    known = sorted({model.provider for model in registry})
    for name in asked:
        if name not in known:
            raise click.BadParameter(
                f"no model is of provider {name!r}; known are {', '.join(known)}",
                param_hint="--provider",
            )


def _too_long(model: ModelEntry, usage: Usage) -> bool:
    """Whether the request exceeds a limit that is known."""
    window, longest = model.context_window, model.max_output_tokens
    return (window is not None and usage.input_tokens + usage.output_tokens > window) or (
        longest is not None and usage.output_tokens > longest
    )


def _fields(model: ModelEntry) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(model)
    return fields


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
