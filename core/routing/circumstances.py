"""What a decision was made under, besides its arms: a budget, a session, a trial, a shadow.

Everything is asked of what has just been asked for the decision itself, so looking changes nothing.
"""

from __future__ import annotations

from core.context.encoder import segment_of
from core.context.fields import category
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution, uniform
from core.routing.explained import BudgetView, SessionView, ShadowView, TrialView, VariantView
from core.routing.live import LiveRoute
from core.routing.meeting import Met, Side, side_of
from core.routing.memory import Memory
from core.routing.refusals import none_left
from core.routing.shadow import against
from core.routing.spending import Affordable
from core.routing.trial import trial_of
from core.routing.waiting import Waiting
from schemas.fields import epoch_ms
from schemas.request import Request
from schemas.state import Session, split_key


def budget_view(compiled: CompiledPolicy, found: Affordable | None) -> BudgetView | None:
    """The ledger that a decision is about to be charged to."""
    if found is None or compiled.policy.budget is None:
        return None
    pacer = found.pacer
    return BudgetView(
        pacer.worth_usd,
        pacer.debt,
        compiled.policy.budget.burst,
        pacer.price,
        pacer.requests,
        pacer.spent_usd,
    )


def session_view(compiled: CompiledPolicy, key: bytes, session: Session) -> SessionView | None:
    """The session that keeps its arm."""
    if compiled.policy.sticky is None:
        return None
    _, value = split_key(key)
    last_ms = session.deadline - compiled.session_ms
    return SessionView(compiled.policy.sticky.by, value, session.version, last_ms)


def trial_view(
    memory: Memory, route: LiveRoute, met: Met, request: Request, one: Waiting
) -> TrialView | None:
    """The experiment or the rollout, with what each variant would have done."""
    base = memory.current(route)
    trial = None if base is None else trial_of(base)
    if base is None or trial is None:
        return None
    at_ms = one.timestamp if request.timestamp is None else epoch_ms(request.timestamp)
    x = memory.encode(route, base, request, at_ms) if trial.contextual else b""
    segment = segment_of(base.policy.context, request, at_ms)
    variants = []
    for index, (share, (name, compiled)) in enumerate(
        zip(met.live.shares(), trial.variants, strict=True)
    ):
        if not share:
            variants.append(VariantView(name, 0.0, {}))
            continue
        own = memory.variant_segment(route, trial.segment(segment, index))
        context = x if compiled.bandit.contextual else b""
        side = side_of(memory, route, own, compiled, request, context, one.timestamp)
        if isinstance(side, Side):
            found = side.distribution
            shares = dict(zip(found.arms, found.probabilities, strict=True))
            variants.append(VariantView(name, share, shares))
        else:
            variants.append(VariantView(name, share, {}, none_left(compiled, side)))
    value = None if trial.unit is None else category(trial.unit)(request.context, at_ms)
    unit = one.request_id if value is None else value
    return TrialView(
        kind="rollout" if base.policy.experiment is None else "experiment",
        name=trial.name,
        unit=unit,
        draw=uniform(f"{route.name}\0{trial.name}", unit, 0),
        variant=met.name,
        variants=variants,
        mix=dict(met.propensities),
    )


def shadow_view(
    memory: Memory, route: LiveRoute, distribution: Distribution, arm: str, one: Waiting
) -> ShadowView | None:
    """How the policy's shadow would draw; ``arm`` is what ``distribution`` is drawn to."""
    base = memory.current(route)
    if base is None or base.policy.shadow is None:
        return None
    name, found = base.policy.shadow.name, one.shadow
    if found is None:
        return ShadowView(name, {}, None, None)
    shares = dict(zip(found.arms, found.probabilities, strict=True))
    if one.stays is not None:
        return ShadowView(name, shares, None, None)
    share, support = against(found, arm, distribution if one.met is None else one.met.propensities)
    return ShadowView(name, shares, share, support)
