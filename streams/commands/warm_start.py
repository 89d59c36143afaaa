"""``thalweg warm-start``: put what a log knows into a policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import yaml

from streams.documents import DocumentError, read_json

if TYPE_CHECKING:
    from schemas.policy import Policy
    from streams.offline.outcomes import CallLog
    from streams.offline.teaching import Taught

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("warm-start")
@click.argument("policy_file", type=FILE)
@click.argument("log_files", type=FILE, nargs=-1, required=True)
@click.option(
    "--weight", default=200.0, show_default=True,
    type=click.FloatRange(min=0.0, min_open=True, max=1e9),
    help="How many rewards the log is worth per arm, at most: what it has beyond is scaled down.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the policy to this file, as YAML if its name ends in .yaml or .yml.  "
    "[default: JSON to standard output]",
)  # fmt: skip
def warm_start(
    policy_file: Path, log_files: tuple[Path, ...], weight: float, output: Path | None
) -> None:
    """Start the arms of a policy from what a log of past calls knows of them.

    LOG_FILES are JSON lines, or CSV with a header (*.csv). A row has the arm that served, the
    outcome as in a reward event (quality, cost_usd, latency_ms, success, reward, signals.rating,
    ...), and for algorithms that look at contexts the context fields as in a request event
    (task_type, input_tokens, metadata.framework, ...) and the timestamp. Or the files are logs of
    the events themselves, requests, decisions and rewards, in any order: they are joined by
    request_id.

    Arms learn from the rows in their order, as a worker would have learned, with the policy's
    algorithm, features and objective. A warm start counts when an arm is first met, in every
    segment; arms that have rewards already keep those. Features with a vocabulary are written out
    as one_hot of the log's values. What was read goes to standard error.
    """
    from schemas.decode import InvalidMessage, decode_policy
    from streams.offline.outcomes import CallLog
    from streams.offline.rows import LogError, read_rows
    from streams.offline.teaching import Teacher, TeachingError, with_evidence
    from streams.offline.vocabulary import with_context, written_out

    try:
        data = read_json(policy_file)
        policy = decode_policy(data)
        log = CallLog(policy.route)
        for path in log_files:
            log.read(read_rows(path))
        calls = list(log.calls())
        spelled = written_out(policy, calls)
        teacher = Teacher(spelled, log.skipped)
        teacher.learn(calls)
        taught = teacher.taught()
        click.echo(_report(policy, log, taught), err=True)
        if not any(lesson.rewards for lesson in taught.values()):
            raise click.ClickException("no row taught any arm, so no policy was written")
        document = with_evidence(msgspec.json.decode(data), taught, weight)
        if spelled is not policy:
            document = with_context(document, spelled)
        decode_policy(msgspec.json.encode(document))
    except InvalidMessage as error:
        hint = (
            "; the evidence grows with the square of the context's components, and with a sliding "
            "window's blocks: use fewer features or buckets"
            if error.reason == "too_large"
            else ""
        )
        raise click.ClickException(f"{policy_file}: {error}{hint}") from error
    except (DocumentError, LogError) as error:
        raise click.ClickException(str(error)) from error
    except TeachingError as error:
        raise click.ClickException(f"{policy_file}: {error}") from error
    _write(document, output)


def _write(document: dict[str, Any], output: Path | None) -> None:
    if output is not None and output.suffix in (".yaml", ".yml"):
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=2**20)
    else:
        text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"{output}: cannot be written ({error.strerror}): choose another --output"
        ) from error
    click.echo(f"wrote {output}; publish it with a version above the one in force", err=True)


def _report(policy: Policy, log: CallLog, taught: dict[str, Taught]) -> str:
    """What was learned and what was not, with a reason for each row of the log."""
    width = max(len("arm"), *(len(arm) for arm in taught))
    lines = [f"{'arm':{width}}  {'rewards':>9}  {'mean':>6}  95 % interval"]
    for arm, lesson in taught.items():
        low, high = lesson.interval
        known = (
            f"{lesson.mean:6.3f}  {low:.3f} to {high:.3f}"
            if lesson.rewards
            else f"{'':6}  begins as without a log"
        )
        lines.append(f"{arm:{width}}  {lesson.rewards:>9,}  {known}")
    lines.append(f"{log.rows:,} rows read, {sum(log.skipped.counts.values()):,} of them skipped")
    for reason, count in sorted(log.skipped.counts.items()):
        lines.append(f"  {reason}: {count:,}, e.g. {log.skipped.examples[reason]}")
    if log.ignored:
        names = ", ".join(sorted(log.ignored)[:20])
        lines.append(f"  fields that the events do not have, ignored: {names}")
    if policy.context.segment_by:
        lines.append("every segment begins with what all rows together say")
    return "\n".join(lines)
