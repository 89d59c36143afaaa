"""Reward events: each joins its decision once, and teaches the arm that served."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from core.routing.agenda import Agenda
from core.routing.compiled import CompiledPolicy
from core.routing.held import TOPIC, HeldRewards
from core.routing.live import LiveRoute
from core.routing.memory import NO_CONTEXT
from core.routing.part import InputRecord
from core.routing.partition import Partition, wrong_key
from core.routing.results import count_outcome
from core.routing.shadow import score_shadow
from core.routing.spending import settle
from core.routing.watching.watching import Watching
from schemas.decode import InvalidMessage, decode_reward
from schemas.fields import duration_ms
from schemas.policy import RewardSpec
from schemas.reward import Outcome, Reward
from schemas.state import (
    DecisionRecord,
    decision_key,
    decode_decision,
    encode_state,
    split_key,
)

_NO_CONTEXT_ROW: Final = NO_CONTEXT[0]
_DEFAULTS: Final = RewardSpec()
_DEFAULT_HOLD_MS: Final = duration_ms(_DEFAULTS.hold)


class Learning:
    """Applies the records of the reward topic."""

    def __init__(self, state: Partition, held: HeldRewards, watching: Watching) -> None:
        self._state = state
        self._held = held
        self._watching = watching
        self.agenda: Agenda[bytes] = Agenda(state)
        """When the windows of decisions close that have only got parts of their reward."""

    def expect(self, key: bytes, decision: DecisionRecord) -> None:
        """Note a stored decision, if it has got only parts of its reward."""
        if decision.parts is not None and not decision.joined:
            self.agenda.add(decision.deadline, key)

    def apply(self, record: InputRecord) -> None:
        """Take one record."""
        state = self._state
        if record.offset < state.next_reward:
            return
        state.reward_clock = max(state.reward_clock, record.timestamp)
        state.next_reward = record.offset + 1
        state.version += 1
        try:
            reward = decode_reward(record.value or b"")
        except InvalidMessage as error:
            state.refuse(TOPIC, record, error.reason, str(error))
            return
        if record.key != reward.route.encode():
            state.refuse(TOPIC, record, "wrong_key", wrong_key(record.key, reward.route))
            return
        key = decision_key(reward.route, reward.request_id)
        route = state.memory.route(reward.route)
        stored = state.memory.get(key)
        if route is not None and stored is not None:
            decision = decode_decision(stored)
            if state.remembers(decision, route.record.decided):
                self._join(route, key, decision, reward, record)
                return
        self._hold(key, route, record)

    def release(self, key: bytes) -> None:
        """Join the rewards that waited for the decision just made."""
        memory = self._state.memory
        for record in self._held.take(key):
            reward = decode_reward(record.value)
            route = memory.route(reward.route)
            stored = memory.get(key)
            assert route is not None, "the decision was just made"
            assert stored is not None, "the decision was just made"
            self._join(route, key, decode_decision(stored), reward, record)

    def _hold(self, key: bytes, route: LiveRoute | None, record: InputRecord) -> None:
        """Keep a reward that came before its request, if that can still come."""
        state = self._state
        compiled = None if route is None else state.memory.current(route)
        hold_ms = _DEFAULT_HOLD_MS if compiled is None else compiled.hold_ms
        most = (_DEFAULTS if compiled is None else compiled.policy.reward).max_held
        deadline = record.timestamp + hold_ms
        if deadline < max(state.request_clock, state.reward_clock):
            self._held.refuse_unknown(record)
        elif not self._held.hold(key, record, deadline, most):
            state.refuse(
                TOPIC,
                record,
                "held_rewards_full",
                f"the reward's request has not been read yet, and {most} rewards of the route wait "
                "already: send rewards only after reading the decision, or raise reward.max_held",
            )

    def _join(
        self,
        route: LiveRoute,
        key: bytes,
        decision: DecisionRecord,
        reward: Reward,
        record: InputRecord,
    ) -> None:
        state, counts = self._state, route.record
        state.memory.touch(route)
        served = reward.arm or decision.served
        if served == decision.arm:
            served = ""
        parts = decision.parts
        outcome = reward.outcome() if parts is None else parts.merged(reward.outcome())
        if decision.joined:
            if not reward.final or decision.joined == _digest(outcome, served):
                counts.duplicates += 1
                if state.observer is not None:
                    state.observer.repeated(route.name, record.timestamp)
                return
            counts.contradicting += 1
            state.refuse(
                TOPIC,
                record,
                "contradicting_reward",
                "another reward was already counted for this request, and this one differs: send "
                "one final reward per request, and parts of it with final: false before",
            )
        elif record.timestamp > decision.deadline:
            counts.late += 1
            state.refuse(
                TOPIC,
                record,
                "late_reward",
                f"the reward came {record.timestamp - decision.deadline} ms after the decision's "
                "reward window had closed: send rewards sooner, or raise reward.window",
            )
        elif reward.arm is not None and not self._names(route, decision, reward.arm):
            # It says something that cannot be: the decision stays open for a corrected one.
            state.refuse(
                TOPIC,
                record,
                "unknown_arm",
                f"the reward says that arm {reward.arm!r} served, but neither the policy in force "
                "nor that of the decision has such an arm, so the reward was not counted: send it "
                "again with an arm of the policy, or without one if the decided arm served",
            )
        elif not reward.final:
            changed = msgspec.structs.replace(decision, parts=outcome, served=served)
            state.memory.put(key, encode_state(changed))
            if parts is None:
                self.expect(key, changed)
        else:
            self._count(route, key, decision, outcome, served, record)

    def close_windows(self, clock: int) -> bool:
        """Count what parts there are where the window has closed without a final one.

        Returns False if the part was full before that was done.
        """
        return self.agenda.run(clock, self._close_window)

    def _close_window(self, deadline: int, key: bytes, _: int) -> None:
        memory = self._state.memory
        stored = memory.get(key)
        decision = None if stored is None else decode_decision(stored)
        route = memory.route(split_key(key)[0])
        if (
            route is not None
            and decision is not None
            and decision.parts is not None
            and decision.deadline == deadline
            and not decision.joined
            and route.record.decided < decision.last_serial
        ):
            memory.touch(route)
            self._count(route, key, decision, decision.parts, decision.served, None)

    def _count(
        self,
        route: LiveRoute,
        key: bytes,
        decision: DecisionRecord,
        outcome: Outcome,
        served: str,
        record: InputRecord | None,  # noqa: ARG002 - for those who look on
    ) -> None:
        """Join an outcome to its decision and learn from it. ``record`` is None for parts alone."""
        state, memory = self._state, self._state.memory
        route.record.joined += 1
        joined = msgspec.structs.replace(
            decision, joined=_digest(outcome, served), served=served, x=b""
        )
        memory.put(key, encode_state(joined))
        current = memory.current(route)
        compiled = None if current is None else current.owner(decision.variant)
        chosen = served or decision.arm
        arm_id = chosen if compiled is None else compiled.declared(chosen)
        if current is not None:
            settle(route, current, current.declared(chosen), decision, outcome)
        if current is None or compiled is None:
            # A later policy has taken away the variant: nobody is left to learn.
            route.record.unlearned += 1
            return
        if arm_id in current.arms:
            route.scales.observe(arm_id, outcome)
        # By the arms of the whole policy: rewards of variants must be comparable.
        value = compiled.reward(outcome, *_scales(route, current, compiled))
        count_outcome(state, route, current, decision, outcome, value)
        if current.shadow is not None:
            score_shadow(state, route, current, decision, arm_id, outcome, value)
        if arm_id not in compiled.arms:
            # One that the policy has no more, or that another than the variant's has served.
            route.record.unlearned += 1
            return
        segment = memory.stored_segment(route, decision.segment, compiled.policy.context)
        arm = memory.arm(route, segment, compiled, arm_id)
        if value is not None and self._same_statistics(route, compiled, decision):
            # A context may be there for the shadow's sake alone.
            looks = compiled.bandit.contextual and decision.x
            x = compiled.encoder.unpack(decision.x) if looks else _NO_CONTEXT_ROW
            others = memory.other_states(route, segment, compiled, (arm_id,))
            compiled.bandit.learn(arm.state, x, value, others)
            segment.distributions.clear()
            memory.touch(arm)
            if compiled.search is not None:
                search = memory.search(route, segment, compiled)
                if search.learn(chosen, value):
                    memory.touch(search)
                else:
                    route.record.unlearned += 1
        else:
            route.record.unlearned += 1
        if arm.health is not None and compiled.policy.guardrails is not None:
            quality = compiled.reward.quality(outcome)
            arm.health.observe(outcome, quality, state.reward_clock, compiled.policy.guardrails)
            memory.touch(arm)
        self._watching.rewarded(route, current, compiled, segment, arm, decision, outcome, value)
        if state.observer is not None:
            delay_ms = max(0, state.reward_clock - decision.timestamp)
            state.observer.rewarded(
                route.name, segment.name, arm.id, outcome, value, delay_ms, state.reward_clock
            )

    def _names(self, route: LiveRoute, decision: DecisionRecord, arm: str) -> bool:
        """Whether an arm is one of the decision's policy, or of the one in force."""
        memory = self._state.memory
        policies = memory.policy(route, decision.policy_version), memory.current(route)
        return any(one is not None and one.declared(arm) in one.arms for one in policies)

    def _same_statistics(
        self, route: LiveRoute, compiled: CompiledPolicy, decision: DecisionRecord
    ) -> bool:
        """Whether what the decision was made under still counts under the policy in force."""
        if decision.policy_version == compiled.version:
            return True
        then = self._state.memory.policy(route, decision.policy_version)
        own = None if then is None else then.owner(decision.variant)
        return own is not None and own.learning == compiled.learning


def _scales(
    route: LiveRoute, current: CompiledPolicy, compiled: CompiledPolicy
) -> tuple[float | None, float | None]:
    """At which cost (USD) and latency (ms) a reward is 0, where its function asks."""
    arms, objective = current.policy.arms, current.policy.objective
    function, scales = compiled.reward, route.scales
    return (
        scales.cost_scale(arms, objective) if function.looks_at_cost else None,
        scales.latency_scale(arms, objective) if function.looks_at_latency else None,
    )


def _digest(outcome: Outcome, served: str) -> bytes:
    """What tells a repeated reward from one that contradicts."""
    return blake2b(encode_state((outcome, served)), digest_size=8).digest()
