"""The memory of one partition: live objects read on demand, written back when a part ends.

``read`` gives the stored bytes of a key, including those of parts that are not durable yet; the
objects of the least recently used routes are dropped when there are too many, and read again when
they are needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from core.context.vocabulary import Vocabularies
from core.routing.choice import Choice, guarded
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution
from core.routing.live import Live, LiveArm, LiveRoute, LiveSegment
from core.routing.live_search import LiveSearch
from core.routing.trial import VARIANT_MARK, LiveTrial, Trial, TrialPolicy
from core.search import Solver
from schemas.decode import decode_stored_policy
from schemas.policy import ContextSpec, Policy
from schemas.request import Request
from schemas.state import (
    RouteRecord,
    arm_key,
    decode_route,
    decode_segments,
    encode_state,
    policy_key,
    route_key,
    scales_key,
    search_key,
    segments_key,
    trial_key,
    vocabularies_key,
)

Read = Callable[[bytes], bytes | None]
Scan = Callable[[bytes], Iterator[tuple[bytes, bytes]]]
"""The stored items whose key begins with a prefix."""
NO_CONTEXT: Final = np.zeros((1, 0))
OTHER_SEGMENT: Final = "*"


class Memory:
    """The live objects of one partition, and the puts that their changes make."""

    def __init__(self, read: Read, max_routes: int, solver: Solver) -> None:
        self._read = read
        self._solver = solver
        self._max_routes = max_routes
        self._routes: OrderedDict[str, LiveRoute] = OrderedDict()
        self._dirty: list[Live] = []
        self.puts: dict[bytes, bytes | None] = {}
        self.size = 0

    def get(self, key: bytes) -> bytes | None:
        """The value of a key as of now, puts of the open part included."""
        if key in self.puts:
            return self.puts[key]
        return self._read(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set or delete a key in the open part."""
        self.puts[key] = value
        self.size += len(key) + (len(value) if value is not None else 0) + 16

    def touch(self, live: Live) -> None:
        """Note that ``live`` has changed."""
        if not live.dirty:
            live.dirty = True
            self._dirty.append(live)
            self.size += live.size

    def settle(self) -> None:
        """Turn the changes of live objects into puts."""
        for live in self._dirty:
            live.dirty = False
            live.size = live.write(self.puts)
        self._dirty.clear()

    def drain(self) -> dict[bytes, bytes | None]:
        """End the open part: its puts; a new one begins."""
        self.settle()
        puts, self.puts, self.size = self.puts, {}, 0
        while len(self._routes) > self._max_routes:
            self._routes.popitem(last=False)
        return puts

    def route(self, name: str) -> LiveRoute | None:
        """The route, if it was ever configured."""
        live = self._routes.get(name)
        if live is not None:
            self._routes.move_to_end(name)
            return live
        stored = self.get(route_key(name))
        if stored is None:
            return None
        return self._keep(LiveRoute(name, decode_route(stored), self.get(scales_key(name))))

    def new_route(self, name: str) -> LiveRoute:
        """A route that was not known before."""
        return self._keep(LiveRoute(name, RouteRecord(), None))

    def _keep(self, live: LiveRoute) -> LiveRoute:
        self._routes[live.name] = live
        return live

    def policy(self, route: LiveRoute, version: int) -> CompiledPolicy | None:
        """One version of the route's policy, if it is still kept."""
        compiled = route.policies.get(version)
        if compiled is None:
            stored = self.get(policy_key(route.name, version))
            if stored is None:
                return None
            compiled = route.policies[version] = self.compile(decode_stored_policy(stored))
        return compiled

    def compile(self, policy: Policy) -> CompiledPolicy:
        """A policy made ready."""
        tried = policy.experiment is not None or policy.rollout is not None
        kind = TrialPolicy if tried else CompiledPolicy
        return kind(policy, policy.version, self._solver)

    def trial(self, route: LiveRoute, trial: Trial, now_ms: int) -> LiveTrial:
        """The state of the route's experiment or rollout, which begins ``now_ms`` if it is new."""
        if route.trial is None:
            key = trial_key(route.name, trial.name)
            route.trial = LiveTrial(key, trial, self.get(key), now_ms)
            self.touch(route.trial)
        return route.trial

    def current(self, route: LiveRoute) -> CompiledPolicy | None:
        """The policy in force, or None where it was withdrawn."""
        version = route.record.current
        return None if version < 0 else self.policy(route, version)

    def encode(
        self, route: LiveRoute, compiled: CompiledPolicy, request: Request, at_ms: int
    ) -> bytes:
        """The request's context as a vector; raises ContextError, and then nothing has changed."""
        encoder = compiled.encoder
        if not encoder.learns:
            return encoder.encode(request, at_ms)
        key = vocabularies_key(route.name)
        if route.vocabularies is None:
            stored = self.get(key)
            route.vocabularies = Vocabularies() if stored is None else Vocabularies.decode(stored)
        x = encoder.encode(request, at_ms, route.vocabularies)
        if route.vocabularies.grown:
            self.put(key, route.vocabularies.encode())
        return x

    def segment(self, route: LiveRoute, name: str, spec: ContextSpec) -> LiveSegment:
        """The segment of that name, or the shared one when the route has too many."""
        segment = route.segments.get(name)
        if segment is None:
            if spec.segment_by and name != OTHER_SEGMENT:
                name = self._admit(route, name, spec.max_segments)
            segment = route.segments.setdefault(name, LiveSegment(name))
        return segment

    def variant_segment(self, route: LiveRoute, name: str) -> LiveSegment:
        """A variant's part of a segment that was admitted."""
        segment = route.segments.get(name)
        if segment is None:
            segment = route.segments[name] = LiveSegment(name)
        return segment

    def stored_segment(self, route: LiveRoute, name: str, spec: ContextSpec) -> LiveSegment:
        """The segment that a decision names: one of the route's, or a variant's part of one."""
        # No field is named like a variant's mark.
        if name.rpartition("|")[2].startswith(VARIANT_MARK):
            return self.variant_segment(route, name)
        return self.segment(route, name, spec)

    def _admit(self, route: LiveRoute, name: str, most: int) -> str:
        if route.known is None:
            stored = self.get(segments_key(route.name))
            route.known = [] if stored is None else decode_segments(stored)
        if name in route.known:
            return name
        if len(route.known) >= most:
            return OTHER_SEGMENT
        route.known.append(name)
        self.put(segments_key(route.name), encode_state(route.known))
        return name

    def arm(
        self, route: LiveRoute, segment: LiveSegment, compiled: CompiledPolicy, arm: str
    ) -> LiveArm:
        """The state of one arm of the policy in force."""
        live = segment.arms.get(arm)
        if live is None:
            key = arm_key(route.name, segment.name, arm)
            live = segment.arms[arm] = LiveArm(key, compiled, arm)
            if not live.load(self.get(key)):
                like = compiled.donor(arm)
                live.begin(None if like is None else self.arm(route, segment, compiled, like))
                if like is not None:
                    self.touch(live)  # the donor goes on learning, so this moment must be kept
        return live

    def states(
        self,
        route: LiveRoute,
        segment: LiveSegment,
        compiled: CompiledPolicy,
        arms: Sequence[str],
    ) -> list[Any]:
        """The algorithm's states of some arms."""
        return [self.arm(route, segment, compiled, arm).state for arm in arms]

    def other_states(
        self,
        route: LiveRoute,
        segment: LiveSegment,
        compiled: CompiledPolicy,
        arms: Sequence[str],
    ) -> list[Any]:
        """Those of all other arms of the policy, where the algorithm looks at them."""
        if not compiled.bandit.pooled:
            return []
        rest = [arm for arm in compiled.arms if arm not in arms]
        return self.states(route, segment, compiled, rest)

    def owed(
        self,
        route: LiveRoute,
        segment: LiveSegment,
        compiled: CompiledPolicy,
        arms: Sequence[str],
    ) -> list[LiveArm]:
        """The arms that forced exploration has not chosen often enough."""
        pulls = compiled.policy.cold_start.pulls
        if not pulls:
            return []
        live = (self.arm(route, segment, compiled, arm) for arm in arms)
        return [arm for arm in live if arm.pulls < pulls]

    def distribution(
        self,
        route: LiveRoute,
        segment: LiveSegment,
        compiled: CompiledPolicy,
        choice: Choice,
    ) -> Distribution:
        """The distribution of an algorithm that looks at no context, kept until an arm learns."""
        found = segment.distributions.get(choice)
        if found is None:
            states = self.states(route, segment, compiled, choice.arms)
            others = self.other_states(route, segment, compiled, choice.arms)
            row = compiled.bandit.distribution(states, NO_CONTEXT, others)[0]
            found = segment.distributions[choice] = guarded(choice, compiled, row.tolist())
        return found

    def search(
        self, route: LiveRoute, segment: LiveSegment, compiled: CompiledPolicy
    ) -> LiveSearch:
        """The parameter search of a policy that is one."""
        if segment.search is None:
            key = search_key(route.name, segment.name)
            segment.search = LiveSearch(key, compiled, self.get(key))
        return segment.search

    def replace_policy(self, route: LiveRoute) -> None:
        """Write back what the old policy's objects hold, and read them anew under the new one."""
        self.settle()
        route.segments.clear()
        route.windows.clear()
        route.mixes.clear()
        route.trial = None
