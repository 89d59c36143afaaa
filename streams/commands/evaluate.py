"""``thalweg evaluate``: what a policy would have earned on the traffic of another one."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from streams.settings import DEFAULT_BROKERS

if TYPE_CHECKING:
    from streams.evaluation.decision_log import DecisionLog

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("policy_file", type=FILE)
@click.option(
    "--log", "log_files", type=FILE, multiple=True,
    help="Logged decisions: JSON lines, CSV with a header (*.csv) or Parquet (*.parquet).",
)  # fmt: skip
@click.option("--from-topics", is_flag=True, help="Read what the topics still have of the route.")
@click.option(
    "--brokers", envvar="THALWEG_BROKERS", default=DEFAULT_BROKERS, show_default=True,
    help="Kafka servers, HOST:PORT with commas, for --from-topics.",
)  # fmt: skip
@click.option(
    "--topic-prefix", default="llm.", show_default=True, help="Stands before all topics.",
)  # fmt: skip
@click.option(
    "--fixed", is_flag=True,
    help="Evaluate the policy as it begins, with its priors and warm starts, and do not let it "
    "learn from the log.",
)  # fmt: skip
@click.option(
    "--interval", type=click.Choice(["normal", "bootstrap"]), default="normal", show_default=True,
    help="How the intervals are made.",
)  # fmt: skip
@click.option(
    "--level", default=0.95, show_default=True,
    type=click.FloatRange(0.5, 1.0, max_open=True), help="Of the intervals.",
)  # fmt: skip
@click.option(
    "--cap", type=click.FloatRange(min=0.0, min_open=True),
    help="The largest weight that clipped and switch_dr keep.  [default: the root of the rows]",
)  # fmt: skip
@click.option(
    "--accept-quantile", default=0.05, show_default=True, type=click.FloatRange(0.0, 1.0),
    help="Which quantile of the log's propensities is the rate at which rows become the "
    "candidate's history. 0 is exact; a higher one gives a longer history.",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of the chance in that.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    policy_file: Path,
    log_files: tuple[Path, ...],
    from_topics: bool,
    brokers: str,
    topic_prefix: str,
    fixed: bool,
    interval: Literal["normal", "bootstrap"],
    level: float,
    cap: float | None,
    accept_quantile: float,
    seed: int,
    as_json: bool,
) -> None:
    """Estimate what a policy would have earned, from the decisions of another one.

    The log's rows are the events themselves, requests, decisions and rewards in any order and any
    number of files, joined by request_id; or one row per decision with arm, propensity, outcome
    (quality, cost_usd, latency_ms, success, reward, signals.rating, ...) and context fields. The
    propensities must be exact, as a worker's are.

    A policy that learns is evaluated as it would have learned, on the rows that it might have lived
    through; see docs/evaluation.md for what each estimator assumes.
    """
    from core.evaluation.candidate import CandidateError
    from streams.console import make_console
    from streams.evaluation.decision_log import DecisionLog
    from streams.evaluation.evaluating import EvaluationError, Options
    from streams.evaluation.evaluating import evaluate as evaluated
    from streams.evaluation.evaluation_tables import show
    from streams.evaluation.findings import findings
    from streams.evaluation.progress import progress_bar
    from streams.models import load_registry
    from streams.offline.rows import LogError
    from streams.policy_file import PolicyFileError, compile_file

    if bool(log_files) == from_topics:
        raise click.UsageError("give either --log, once or more, or --from-topics")
    try:
        policy = compile_file(policy_file, load_registry()).policy
        log = DecisionLog(policy.route)
        if from_topics:
            _read_topics(log, policy.route, brokers, topic_prefix)
        else:
            _read_files(log, log_files)
        decisions = log.decisions()
        options = Options(not fixed, accept_quantile, cap, seed)
        with progress_bar("deciding anew", len(decisions)) as tick:
            found = evaluated(policy, decisions, log.skipped, options, lambda _: tick(1))
    except (PolicyFileError, LogError) as error:
        raise click.ClickException(str(error)) from error
    except CandidateError as error:
        raise click.ClickException(f"{policy_file}: {error}") from error
    except EvaluationError as error:
        raise click.ClickException(f"{error}{_reasons(log, policy.route)}") from error
    told = findings(policy, log, found, level, interval)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
    else:
        show(make_console(), told, log)


def _read_files(log: DecisionLog, files: tuple[Path, ...]) -> None:
    from streams.evaluation.parquet import read_log
    from streams.evaluation.progress import progress_bar

    with progress_bar("files read", len(files)) as tick:
        for path in files:
            log.read(read_log(path))
            tick(1)


def _read_topics(log: DecisionLog, route: str, brokers: str, prefix: str) -> None:
    from streams.evaluation.logged_topics import read_topics
    from streams.evaluation.progress import progress_bar
    from streams.settings import Topics

    # It logs what is told once more, and better, by the error that ends the command.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with progress_bar("records read", None) as tick:
        log.read(asyncio.run(read_topics(brokers, Topics.prefixed(prefix), route, tick)))


def _reasons(log: DecisionLog, route: str) -> str:
    """Why rows could not be used, a line for each reason."""
    if not log.rows:
        return f": it has nothing of route {route!r}"
    lines = [
        f"\n  {reason}: {count:,}, e.g. {log.skipped.examples[reason]}"
        for reason, count in sorted(log.skipped.counts.items())
    ]
    return "".join(lines)
