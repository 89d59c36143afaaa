"""Policy events: validated as a whole, versioned; an invalid one changes nothing."""

from __future__ import annotations

from core.routing.part import InputRecord
from core.routing.partition import Partition, wrong_key
from core.routing.watching.watching import Watching
from schemas.decode import InvalidMessage, decode_policy
from schemas.policy import Policy
from schemas.state import policy_key

TOPIC = "policies"


class Policies:
    """Applies the records of the policy topic."""

    def __init__(self, state: Partition, watching: Watching) -> None:
        self._state = state
        self._watching = watching

    def apply(self, record: InputRecord) -> None:
        """Take one record."""
        state = self._state
        if record.offset < state.next_policy:
            return
        state.next_policy = record.offset + 1
        state.version += 1
        if not record.value:
            self._withdraw(record)
            return
        try:
            policy = decode_policy(record.value)
        except InvalidMessage as error:
            state.refuse(TOPIC, record, error.reason, str(error))
            return
        if record.key != policy.route.encode():
            state.refuse(TOPIC, record, "wrong_key", wrong_key(record.key, policy.route))
            return
        memory = state.memory
        route = memory.route(policy.route) or memory.new_route(policy.route)
        current = memory.current(route)
        if current is not None and policy == current.policy:
            return
        if policy.version <= route.record.latest:
            state.refuse(TOPIC, record, "stale_policy", _stale(route.record.latest, policy))
            return
        try:
            compiled = memory.compile(policy)
        except ValueError as error:
            state.refuse(TOPIC, record, "invalid_policy", str(error))
            return
        if compiled.problems:
            state.refuse(TOPIC, record, "invalid_policy", "; ".join(compiled.problems))
            return
        memory.replace_policy(route)
        memory.put(policy_key(route.name, policy.version), record.value)
        previous = route.record.current
        route.policies[policy.version] = compiled
        route.record.current = route.record.latest = policy.version
        route.scales.retain(compiled.arms)
        memory.touch(route)
        self._watching.configured(route, current, compiled)
        if previous >= 0:
            self.drop_unused(route.name, previous)

    def _withdraw(self, record: InputRecord) -> None:
        """A record without a value withdraws the policy; what the arms learned stays."""
        state = self._state
        name = "" if record.key is None else record.key.decode("utf-8", "replace")
        route = state.memory.route(name)
        if route is None or route.record.current < 1:
            state.refuse(
                TOPIC,
                record,
                "invalid_policy",
                "the record has no value, which withdraws a policy, but its key names no route "
                "for which one was published",
            )
            return
        previous = route.record.current
        current = state.memory.current(route)
        state.memory.replace_policy(route)
        route.record.current = -1
        state.memory.touch(route)
        self._watching.configured(route, current, None)
        self.drop_unused(name, previous)

    def drop_unused(self, route: str, version: int) -> None:
        """Delete a replaced policy version unless a stored decision was made under it."""
        if not self._state.open.in_use(route, version):
            self._state.memory.put(policy_key(route, version), None)


def _stale(latest: int, policy: Policy) -> str:
    return (
        f"route {policy.route!r} had policy version {latest} already, and this one has version "
        f"{policy.version}: publish it with version {latest + 1} or higher"
    )
