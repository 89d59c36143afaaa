"""Request events: exactly one answer each, a decision or a rejection with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.context.encoder import ContextError, segment_of
from core.experiments.clusters import bucket_of
from core.routing.choice import Choice, guarded
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution, uniform
from core.routing.held import HeldRewards
from core.routing.implicit import implicit_policy
from core.routing.learning import Learning
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.meeting import Met, meet
from core.routing.part import Answered, InputRecord
from core.routing.partition import Partition, wrong_key
from core.routing.refusals import Refusals, no_policy, none_left
from core.routing.rejecting import answer_invalid, reject
from core.routing.remembered import Remembered
from core.routing.results import count_assignment
from core.routing.screening import choice_of
from core.routing.sessions import Sessions
from core.routing.shadow import against, shadowed
from core.routing.spending import affordable, priced
from core.routing.trial import trial_of
from core.routing.waiting import Waiting
from core.routing.watching.watching import Watching
from schemas.decode import InvalidMessage, decode_request
from schemas.fields import epoch_ms
from schemas.request import Request
from schemas.state import (
    DecisionRecord,
    Session,
    decision_key,
    decode_decision,
    session_key,
)

TOPIC: Final = "requests"


_Group = tuple[LiveRoute, CompiledPolicy, LiveSegment, Choice, list[Waiting]]


class Deciding:
    """Applies the records of the request topic."""

    def __init__(
        self,
        state: Partition,
        remembered: Remembered,
        held: HeldRewards,
        learning: Learning,
        watching: Watching,
    ) -> None:
        self._state = state
        self._watching = watching
        self._remembered = remembered
        self._groups: dict[tuple[str, str, Choice], _Group] = {}
        self._waiting: set[bytes] = set()
        self.sessions = Sessions(state)
        self._held = held
        self._learning = learning

    def apply(self, record: InputRecord) -> None:
        """Take one record."""
        state = self._state
        if record.offset < state.next_request:
            return
        timestamp = record.timestamp
        state.request_clock = max(state.request_clock, timestamp)
        state.next_request = record.offset + 1
        state.version += 1
        try:
            request = decode_request(record.value or b"")
        except InvalidMessage as error:
            answer_invalid(state, TOPIC, record, error)
            return
        route_bytes = request.route.encode()
        if record.key != route_bytes:
            state.refuse(TOPIC, record, "wrong_key", wrong_key(record.key, request.route))
            return
        self._answer(request, timestamp)

    def _answer(self, request: Request, timestamp: int) -> None:
        state, memory = self._state, self._state.memory
        key = decision_key(request.route, request.request_id)
        if key in self._waiting:
            self.flush()
        route = memory.route(request.route)
        stored = memory.get(key)
        if stored is not None and route is not None:
            earlier = decode_decision(stored)
            known = state.remembers(earlier, route.record.decided)
            if known and timestamp <= earlier.deadline:
                self._remembered.repeat(request.route, request.request_id, earlier)
                return
            if earlier.version > state.emitted:
                # Its record makes room for a new decision, so its answer must go out by itself.
                self._remembered.repeat(request.route, request.request_id, earlier)
        compiled = None if route is None else memory.current(route)
        never_published = route is None or route.record.latest == 0
        if request.candidates is not None and never_published:
            route, compiled = implicit_policy(memory, route, compiled, request, self.flush)
        if route is None or compiled is None:
            latest = 0 if route is None else route.record.latest
            reason = no_policy(request.route, latest)
            reject(state, request, "unknown_route", reason, timestamp)
            return
        spec = compiled.policy.context
        at_ms = timestamp if request.timestamp is None else epoch_ms(request.timestamp)
        trial = trial_of(compiled)
        contextual = compiled.bandit.contextual if trial is None else trial.contextual
        shadow = compiled.shadow
        looks = contextual or (shadow is not None and shadow.bandit.contextual)
        try:
            x = memory.encode(route, compiled, request, at_ms) if looks else b""
        except ContextError as error:
            if contextual:
                reject(state, request, "invalid_request", str(error), timestamp)
                return
            x = b""  # only the shadow would have looked at it
        segment = memory.segment(route, segment_of(spec, request, at_ms), spec)
        choice: Choice | Met | Refusals
        if trial is None:
            choice = choice_of(memory, route, segment, compiled, request, timestamp)
        else:
            choice = meet(memory, route, trial, segment, request, x, at_ms, timestamp)
        if isinstance(choice, Refusals):
            reject(state, request, "no_eligible_arm", none_left(compiled, choice), timestamp)
            return
        route.record.decided += 1
        memory.touch(route)
        self._watching.asked(route, compiled, request, at_ms, timestamp)
        one = Waiting(
            key,
            request.request_id,
            state.version,
            route.record.decided,
            timestamp,
            x,
            replaces=stored is not None,
        )
        if compiled.session_of is not None:
            name = compiled.session_of(request.context, at_ms)
            one.session = b"" if name is None else session_key(route.name, name)
        if shadow is not None:
            one.shadow = shadowed(memory, route, compiled, segment, request, x, timestamp)
        if isinstance(choice, Met):
            self._meet(route, compiled, choice, one)
            self._release(key)
            return
        budget = one.budget = affordable(route, compiled, choice, request, timestamp)
        if budget is not None:
            choice = budget.choice
        owed = memory.owed(route, segment, compiled, choice.arms)
        if compiled.search is not None:
            search = memory.search(route, segment, compiled)
            self._decide(route, compiled, segment, search.distribution(), one)
        elif self._stay(route, compiled, segment, choice.arms, one):
            pass
        elif owed:
            self._explore(route, compiled, segment, owed, one)
        elif budget is not None:
            # Each decision moves the price that the next one sees, so they cannot wait together.
            own = x if contextual else b""
            distribution = priced(memory, route, segment, compiled, budget, own)
            one.charge(self._decide(route, compiled, segment, distribution, one))
        elif contextual:
            self._wait((route, compiled, segment, choice, []), one)
            if one.session:
                self.flush()  # the session's next request must see its arm
        else:
            distribution = memory.distribution(route, segment, compiled, choice)
            self._decide(route, compiled, segment, distribution, one)
        self._release(key)

    def _release(self, key: bytes) -> None:
        """Count the rewards that came before their request."""
        if key in self._held:
            self.flush()
            self._learning.release(key)

    def _meet(self, route: LiveRoute, compiled: CompiledPolicy, met: Met, one: Waiting) -> None:
        """Decide for the variant that the request meets, and count the meeting."""
        side = met.side
        one.met, one.budget = met, side.budget
        shadow = compiled.shadow
        if not (side.compiled.bandit.contextual or (shadow and shadow.bandit.contextual)):
            one.x = b""
        if self._stay(route, side.compiled, side.segment, side.arms, one):
            pass
        elif side.owed:
            self._explore(route, side.compiled, side.segment, side.owed, one)
        else:
            one.charge(self._decide(route, side.compiled, side.segment, side.distribution, one))
        count_assignment(self._state, route, compiled, met, one.timestamp)

    def _stay(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        arms: Sequence[str],
        one: Waiting,
    ) -> bool:
        """Decide for the arm that the request's session has met; False if there is none to keep."""
        session = self.sessions.find(one.session, one.timestamp) if one.session else None
        if session is None or session.arm not in arms:
            return False
        arm = self._state.memory.arm(route, segment, compiled, session.arm)
        if arm.restarted > session.version:
            return False
        one.stays = session
        one.charge(self._decide(route, compiled, segment, Distribution([arm.id], [1.0]), one))
        return True

    def _wait(self, group: _Group, one: Waiting) -> None:
        route, _, segment, choice, _ = group
        self._groups.setdefault((route.name, segment.name, choice), group)[4].append(one)
        self._waiting.add(one.key)
        self._state.memory.size += 2 * len(one.key) + len(one.x) + 256

    def flush(self) -> None:
        """Decide the requests that wait to be decided together."""
        if not self._groups:
            return
        memory = self._state.memory
        for route, compiled, segment, choice, waiting in self._groups.values():
            rows = compiled.bandit.distribution(
                memory.states(route, segment, compiled, choice.arms),
                compiled.encoder.matrix([one.x for one in waiting]),
                memory.other_states(route, segment, compiled, choice.arms),
            ).tolist()
            for one, row in zip(waiting, rows, strict=True):
                self._decide(route, compiled, segment, guarded(choice, compiled, row), one)
        self._groups.clear()
        self._waiting.clear()

    def _explore(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        owed: list[LiveArm],
        one: Waiting,
    ) -> None:
        """Choose one of the arms that forced exploration owes a pull, each as likely."""
        even = Distribution([arm.id for arm in owed], [1.0 / len(owed)] * len(owed))
        chosen = self._decide(route, compiled, segment, even, one)
        one.charge(chosen)
        for arm in owed:
            if arm.id == chosen:
                arm.pulls += 1
                self._state.memory.touch(arm)

    def _decide(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        distribution: Distribution,
        one: Waiting,
    ) -> str:
        """Draw, remember and answer; returns the arm."""
        state = self._state
        arm, propensity = distribution.pick(uniform(route.name, one.request_id, compiled.version))
        variant, step, cluster, covariate = "", 0, 0, None
        if one.met is not None:
            variant, step = one.met.name, one.met.step
            cluster, covariate = bucket_of(one.met.unit), one.met.covariate
            if one.stays is None:
                propensity = one.met.propensities[arm]
        share = support = None
        if one.shadow is not None and one.stays is None:
            true = distribution if one.met is None else one.met.propensities
            share, support = against(one.shadow, arm, true)
        deadline = one.timestamp + compiled.window_ms
        last_serial = one.serial + compiled.policy.reward.max_open
        record = DecisionRecord(
            version=one.version,
            policy_version=compiled.version,
            timestamp=one.timestamp,
            deadline=deadline,
            last_serial=last_serial,
            arm=arm,
            propensity=propensity,
            segment=segment.name,
            x=one.x,
            reserved=None if one.budget is None else one.budget.costs[arm],
            variant=variant,
            step=step,
            params=b"" if segment.search is None else segment.search.params(arm),
            cluster=cluster,
            covariate=covariate,
            shadow=share,
            support=support,
        )
        if one.session and compiled.policy.sticky is not None:
            drawn = one.version if one.stays is None else one.stays.version
            session = Session(arm, one.timestamp + compiled.session_ms, drawn)
            self.sessions.keep(one.session, session, compiled.policy.sticky.max_sessions)
        self._remembered.add(route.name, one.key, record, one.serial, replaces=one.replaces)
        payload = compiled.answer(one.request_id, record)
        state.decisions.append(Answered(route.name_bytes, payload))
        if compiled.watch.scopes or state.observer is not None:
            self._tell(route, compiled, segment, distribution, arm, record)
        return arm

    def _tell(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        distribution: Distribution,
        arm: str,
        record: DecisionRecord,
    ) -> None:
        """Show a decision to those who watch."""
        explored = not distribution.likeliest(arm)
        declared, at_ms = compiled.declared(arm), record.timestamp
        self._watching.decided(route, compiled, declared, at_ms, explored=explored)
        observer = self._state.observer
        if observer is not None:
            observer.decided(
                route.name, segment.name, declared, record.propensity, at_ms, explored=explored
            )
