"""An explained decision in words and tables, and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson
from rich.console import Console
from rich.text import Text

from core.routing.explained import Belief, Explanation, RewardEvent
from schemas.decision import Rejection
from streams.audit.explain import Explained
from streams.audit.explained_circumstances import heading, show_budget, show_shadow, show_trial
from streams.console import make_table, paragraph, print_table

_STANDINGS: Final = {
    "equal": "It stands on the decision topic like that, bit for bit.",
    "different": "But the decision topic holds SOMETHING ELSE: `thalweg replay` shows it.",
    "absent": "It is not on the decision topic: deleted by now, or not published yet.",
}
_VERDICTS: Final = {
    "learned": "counted, and the arm learned from it",
    "counted": "counted, but no arm learned from it: the objective gives no reward, or the policy "
    "has changed what arms learn or which there are",
    "part": "a part, kept until the final one",
    "late": "refused: after the reward window",
    "duplicate": "repeats what was counted; ignored",
    "contradicting": "refused: another reward was counted already",
    "refused": "refused; the decision stays open for a corrected one",
}
_SOURCES: Final = {
    "algorithm": "by the algorithm",
    "forced_exploration": "by forced exploration, evenly among the arms that are owed a pull",
    "search": "by the search, among the parameter sets in play",
    "session": "by the session, which keeps its arm",
    "fallback": "by the guardrails: their fallback stands in, as they set aside every arm that the "
    "request could get",
}


def show(console: Console, found: Explained) -> None:
    """Print why the request got its answer."""
    answer, why = found.answer, found.explanation
    if isinstance(answer, Rejection):
        console.print(f"{answer.request_id} of {answer.route} was rejected: {answer.code}")
        paragraph(console, Text(answer.reason))
    else:
        console.print(
            f"{answer.request_id} of {answer.route}: {answer.arm} ({answer.model}), with "
            f"probability {answer.propensity:.6g}"
        )
    at = _time(answer.timestamp)
    paragraph(
        console, Text(f"Partition {found.partition}, state version {answer.state_version}, {at}.")
    )
    paragraph(console, Text(_STANDINGS[found.published]))
    for note in _notes(found):
        paragraph(console, Text(note))
    if why is None:
        return
    _show_policy(console, why)
    if why.features is not None:
        _show_features(console, why.features)
    _show_arms(console, why)
    show_budget(console, why)
    show_trial(console, why)
    _show_draw(console, why)
    show_shadow(console, why)
    _show_rewards(console, found.rewards)


def _notes(found: Explained) -> list[str]:
    notes = []
    if found.assumed:
        notes.append(
            f"Compaction has removed stamps before it: the place of {found.assumed:,} inputs was "
            "told by their timestamps."
        )
    if found.others:
        listed = ", ".join(map(str, found.others))
        notes.append(f"The id was used again: there are other answers at state version {listed}.")
    return notes


def _show_policy(console: Console, why: Explanation) -> None:
    algorithm = _settings(why.algorithm)
    heading(console, f"Policy version {why.policy_version}: {algorithm}")
    if why.forgetting is not None:
        paragraph(console, Text(f"Forgetting: {_settings(why.forgetting)}."))
    paragraph(console, Text(f"Segment: {why.segment or 'the only one'}."))
    paragraph(console, Text(f"Decided {_SOURCES[why.source]}."))
    if why.guardrails is not None:
        paragraph(console, Text(f"Guardrails: {_listed(why.guardrails)}."))
    if why.session is not None:
        one = why.session
        paragraph(
            console,
            Text(
                f"Session {one.value!r} ({one.by}) has been on {why.arm} since state version "
                f"{one.since}; its last request before this one came at {_time(one.last_ms)}."
            ),
        )


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds")


def _listed(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_compact(value)}" for name, value in fields.items())


def _settings(fields: dict[str, Any]) -> str:
    shown = _listed({name: value for name, value in fields.items() if name != "name"})
    return f"{fields['name']}{f' ({shown})' if shown else ''}"


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _show_features(console: Console, features: dict[str, float]) -> None:
    present = {name: value for name, value in features.items() if value}
    absent = len(features) - len(present)
    heading(console, f"Context, {len(features)} components; {absent} of them are 0:")
    table = make_table("component", "value", text=1)
    for name, value in present.items():
        table.add_row(name, f"{value:.6g}")
    print_table(console, table)


def _show_arms(console: Console, why: Explanation) -> None:
    if why.sets:
        heading(console, "Parameter sets in play:")
        table = make_table("set", "parameters", "rewards", "mean", "probability", text=2)
        for one in why.sets:
            mean = "-" if one.mean is None else f"{one.mean:.4f}"
            table.add_row(
                one.arm, _compact(one.params), f"{one.rewards:,}", mean, f"{one.probability:.6g}"
            )
        print_table(console, table)
        return
    heading(console, "Arms, as they were just before:")
    scored = any(one.score is not None for one in why.arms)
    priced = why.budget is not None
    columns = ["arm", "rewards", "mean", "95 % interval", *(["score"] if scored else [])]
    columns += ["USD, expected"] if priced else []
    table = make_table(*columns, "probability", text=1)
    for arm in why.arms:
        row = [
            arm.arm,
            f"{arm.belief.rewards:,.6g}",
            f"{arm.belief.mean:.4f}",
            _interval(arm.belief),
        ]
        row += ["-" if arm.score is None else f"{arm.score:.4f}"] if scored else []
        row += ["-" if arm.cost_usd is None else f"{arm.cost_usd:.6g}"] if priced else []
        table.add_row(*row, f"{arm.probability:.6g}" if arm.barred is None else "barred")
    print_table(console, table)
    if scored:
        paragraph(console, Text(f"Score: the {why.score}."))
    for arm in why.arms:
        if arm.barred is not None:
            paragraph(console, Text(f"{arm.arm}: {arm.barred}"), bullet=True)
        elif arm.guardrail is not None:
            standing = "only probed"
            if why.guardrails is not None and arm.arm == why.guardrails.get("fallback"):
                standing = "the fallback" if why.source == "fallback" else standing
            paragraph(console, Text(f"{arm.arm}: {standing}; {arm.guardrail}"), bullet=True)
    floor = 0.0 if why.guardrails is None else why.guardrails.get("min_share", 0.0)
    if floor and why.source == "algorithm":
        paragraph(
            console,
            Text(
                f"The probabilities have the floor mixed in: {floor:g} (min_share) of every arm "
                "that may be chosen, the rest by the algorithm."
            ),
        )


def _interval(belief: Belief) -> str:
    if belief.low is None or belief.high is None:
        return "-"
    return f"{belief.low:.4f} to {belief.high:.4f}"


def _show_draw(console: Console, why: Explanation) -> None:
    if why.session is not None:
        return
    heading(console, f"Draw: {why.draw:.16f}, a hash of route, request id and policy version")
    table = make_table("", "arm", "from", "below", text=2)
    for share in (share for share in why.shares if share.probability):
        mark = "→" if share.arm == why.arm else ""
        table.add_row(mark, share.arm, f"{share.low:.6g}", f"{share.high:.6g}")
    print_table(console, table)


def _show_rewards(console: Console, rewards: list[RewardEvent]) -> None:
    if not rewards:
        heading(console, "Reward: none was applied yet, or ever")
        return
    heading(console, "Reward:")
    for event in rewards:
        outcome = ", ".join(f"{name} {_compact(value)}" for name, value in event.outcome.items())
        text = f"state version {event.state_version}: {outcome or 'nothing measured'}"
        why = f" ({event.refused})" if event.verdict == "refused" else ""
        paragraph(console, Text(f"{text}; {_VERDICTS[event.verdict]}{why}"), bullet=True)
        if event.ignored:
            paragraph(console, Text(f"unknown fields, ignored: {event.ignored}"), bullet=True)
        if event.reward is not None:
            paragraph(console, Text(f"reward {event.reward:.6g} for {event.arm}"), bullet=True)
        if event.after is not None:
            before = "nothing known" if event.before is None else _known(event.before)
            paragraph(console, Text(f"{event.arm}: {before}; then {_known(event.after)}"),
                      bullet=True)  # fmt: skip


def _known(belief: Belief) -> str:
    interval = "" if belief.low is None else f" ({_interval(belief)})"
    many = "" if belief.rewards == 1.0 else "s"
    return f"mean {belief.mean:.4f}{interval} from {belief.rewards:,.6g} reward{many}"


def as_json(found: Explained) -> bytes:
    """Everything that is known of it."""
    document = {
        "partition": found.partition,
        "replayed_from": found.replayed_from,
        "assumed_places": found.assumed,
        "answer": msgspec.to_builtins(found.answer),
        "published": found.published,
        "other_state_versions": found.others,
        "why": msgspec.to_builtins(found.explanation),
        "rewards": msgspec.to_builtins(found.rewards),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
