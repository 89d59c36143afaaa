"""``thalweg simulate``: policies run over recorded answers, before they meet traffic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

if TYPE_CHECKING:
    from core.evaluation.playing import Cases
    from schemas.policy import Policy

_WORTH_A_PROCESS: Final = 10_000
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("policy_files", type=FILE, nargs=-1, required=True)
@click.option(
    "--data", type=FILE,
    help="A CSV file with the outcome of every arm for every request.  "
    "[default: the demo's recorded answers]",
)  # fmt: skip
@click.option(
    "--map", "mappings", multiple=True, metavar="FIELD=COLUMN",
    help="Which column holds a field, where it is not called like it: task_type=task, or "
    "quality={arm}_score for one column per arm.",
)  # fmt: skip
@click.option(
    "--requests", type=click.IntRange(1, 10_000_000),
    help="Of each run.  [default: as many as are recorded]",
)  # fmt: skip
@click.option(
    "--seeds", default=20, show_default=True, type=click.IntRange(1, 10_000),
    help="How many runs of each policy, each with an order of the requests and draws of its own.",
)  # fmt: skip
@click.option("--first-seed", default=1, show_default=True, type=click.IntRange(0))
@click.option(
    "--delay", default=0, show_default=True, type=click.IntRange(0, 100_000),
    help="How many more requests come before a request's reward does.",
)  # fmt: skip
@click.option(
    "--level", default=0.95, show_default=True,
    type=click.FloatRange(0.5, 1.0, max_open=True), help="Of the intervals.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1, 256),
    help="Processes that share the runs.  [default: one per processor, where it is worth it]",
)  # fmt: skip
@click.option(
    "--plot", "plot_file", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw regret and cost over the requests into this file: .svg, .png or .pdf.",
)  # fmt: skip
@click.option(
    "--write-log", "log_file", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the first policy's first run to this file, as `thalweg evaluate --log` reads it.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(
    policy_files: tuple[Path, ...],
    data: Path | None,
    mappings: tuple[str, ...],
    requests: int | None,
    seeds: int,
    first_seed: int,
    delay: int,
    level: float,
    jobs: int | None,
    plot_file: Path | None,
    log_file: Path | None,
    as_json: bool,
) -> None:
    """Run policies over recorded requests of which every arm's outcome is known.

    The decisions are the router's own, by the code that serves. Each run has the requests in
    another order; run n of every policy has the same, so policies are compared run by run. All
    rewards are measured by the objective of the first policy.

    The data has a row per request, with the columns <arm>_quality, <arm>_cost_usd,
    <arm>_latency_ms, <arm>_success or <arm>_reward for each arm, and context fields (task_type,
    input_tokens, metadata.framework, ...). See docs/evaluation.md.
    """
    from core.evaluation.playing import PlayError, check_playable, play
    from core.evaluation.yardstick import NoRewardError, Yardstick
    from streams.console import make_console
    from streams.evaluation.log_writing import LogWritingError, write_log
    from streams.evaluation.plot import PlotError, check_plot, plot
    from streams.evaluation.progress import progress_bar
    from streams.evaluation.simulating import simulate as simulated
    from streams.evaluation.simulation_tables import show, summarise
    from streams.models import load_registry
    from streams.offline.rows import LogError
    from streams.policy_file import PolicyFileError, compile_file

    try:
        registry = load_registry()
        policies = [compile_file(path, registry).policy for path in policy_files]
        if plot_file is not None:
            check_plot(plot_file)
        cases = _cases(data, policies, _mapping(mappings))
        for path, policy in zip(policy_files, policies, strict=True):
            try:
                check_playable(policy, cases)
            except PlayError as error:
                raise click.ClickException(f"{path}: {error}") from error
        by = Yardstick.of(policies[0], cases)
        steps = requests or len(cases.rows)
        total = steps * seeds * len(policies)
        with progress_bar("requests", total) as tick:
            done = simulated(
                policies,
                cases,
                steps=steps,
                seeds=range(first_seed, first_seed + seeds),
                delay=delay,
                jobs=min(jobs or _jobs(total), seeds * len(policies)),
                tick=tick,
            )
        runs = dict(zip(_names(policy_files), done, strict=True))
        source = "the demo's recorded answers" if data is None else str(data)
        found = summarise(runs, by, cases.arms, data=source, delay=delay, level=level)
        if plot_file is not None:
            plot(plot_file, runs, by, list(cases.arms), level)
        if log_file is not None:
            order = done[0].orders[0].tolist()
            again = play(policies[0], cases, order, run=f"seed-{first_seed}", delay=delay)
            write_log(log_file, cases, order, again)
    except (PolicyFileError, LogError, LogWritingError, PlotError, PlayError) as error:
        raise click.ClickException(str(error)) from error
    except NoRewardError as error:
        raise click.ClickException(f"{policy_files[0]}: {error}") from error
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        show(make_console(), found)
    for written in (plot_file, log_file):
        if written is not None:
            click.echo(f"wrote {written}", err=True)


def _jobs(total: int) -> int:
    """As many processes as processors, if there is more to do than their starts take."""
    return (os.cpu_count() or 1) if total > _WORTH_A_PROCESS else 1


def _cases(data: Path | None, policies: list[Policy], mapping: dict[str, str]) -> Cases:
    from streams.evaluation.recorded import demo_cases, read_cases

    if data is None:
        if mapping:
            raise click.UsageError("--map names columns of --data")
        return demo_cases()
    arms = dict.fromkeys(arm.id for policy in policies for arm in policy.arms)
    return read_cases(data, list(arms), mapping)


def _mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise click.BadParameter(f"{pair!r}: expected FIELD=COLUMN", param_hint="--map")
        if field in found:
            raise click.BadParameter(f"{field!r} is given twice", param_hint="--map")
        found[field] = column
    return found


def _names(files: tuple[Path, ...]) -> list[str]:
    """What the policies are called: by their files' names, as far as these tell them apart."""
    stems = [path.stem for path in files]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in files]
    if len(set(names)) < len(names):
        raise click.UsageError("a policy file is given twice")
    return names
