"""Sessions and the arms they stay on: bounded, and forgotten when they have gone quiet."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from core.routing.agenda import Agenda
from core.routing.memory import Scan
from core.routing.partition import Partition
from schemas.state import SESSION, Session, decode_session, encode_state, split_key


class Sessions:
    """The sessions of one partition, by key."""

    def __init__(self, state: Partition) -> None:
        self._state = state
        self._per_route: Counter[str] = Counter()
        self.agenda: Agenda[bytes] = Agenda(state)

    def restore(self, scan: Scan) -> None:
        """Rebuild the index from the stored sessions."""
        for key, value in scan(SESSION):
            self._per_route[split_key(key)[0]] += 1
            self.agenda.add(decode_session(value).deadline, key)

    def find(self, key: bytes, now_ms: int) -> Session | None:
        """A session that has not gone quiet yet."""
        stored = self._state.memory.get(key)
        session = None if stored is None else decode_session(stored)
        return session if session is not None and now_ms <= session.deadline else None

    def keep(self, key: bytes, session: Session, most: int) -> None:
        """Remember a session, unless its route has ``most`` others.

        One that is remembered never ends earlier for a request with an older timestamp: else it
        would be forgotten at another moment after a restart, when the agenda is made of what is
        stored.
        """
        stored = self._state.memory.get(key)
        if stored is None:
            route = split_key(key)[0]
            if self._per_route[route] >= most:
                return
            self._per_route[route] += 1
            self.agenda.add(session.deadline, key)
        else:
            latest = max(session.deadline, decode_session(stored).deadline)
            session = replace(session, deadline=latest)
        self._state.memory.put(key, encode_state(session))

    def expire(self, clock: int) -> bool:
        """Forget the sessions whose time ``clock`` has passed.

        Returns False if the part was full before that was done.
        """
        return self.agenda.run(clock, self._forget)

    def _forget(self, _: int, key: bytes, clock: int) -> None:
        memory = self._state.memory
        stored = memory.get(key)
        if stored is None:
            return
        deadline = decode_session(stored).deadline
        if deadline >= clock:
            self.agenda.add(deadline, key)
            return
        memory.put(key, None)
        self._per_route[split_key(key)[0]] -= 1
