"""The policy that a route without one gets by itself: the arms that its requests have named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute
from core.routing.memory import Memory
from schemas.policy import ArmSpec, Policy
from schemas.request import Request
from schemas.state import policy_key

MAX_IMPLICIT_ARMS: Final = 64
_encode_policy = msgspec.json.Encoder(order="deterministic").encode


def implicit_policy(
    memory: Memory,
    route: LiveRoute | None,
    compiled: CompiledPolicy | None,
    request: Request,
    flush: Callable[[], None],
) -> tuple[LiveRoute, CompiledPolicy]:
    """The route's default policy, with the request's candidates among its arms.

    ``flush`` decides what waits under the policy as it was.
    """
    route = route or memory.new_route(request.route)
    known = [] if compiled is None else list(compiled.policy.arms)
    names = {arm.id for arm in known}
    fresh = [name for name in dict.fromkeys(request.candidates or ()) if name not in names]
    fresh = fresh[: MAX_IMPLICIT_ARMS - len(known)]
    if compiled is not None and not fresh:
        return route, compiled
    flush()
    arms = known + [ArmSpec(id=name, model=name) for name in fresh]
    # Version 0 is below every version that can be published.
    policy = Policy(route=request.route, version=0, arms=arms)
    memory.replace_policy(route)
    memory.put(policy_key(route.name, 0), _encode_policy(policy))
    compiled = route.policies[0] = memory.compile(policy)
    route.record.current = 0
    memory.touch(route)
    return route, compiled
