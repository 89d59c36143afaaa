"""Goes through the worlds: all of them breadth-first, or some of them at random."""

from __future__ import annotations

import random
from collections import deque
from typing import NamedTuple

from tests.model.lineage import ViolationError
from tests.model.model import Action, Model
from tests.model.world import World


class Result(NamedTuple):
    """What an exploration saw."""

    states: int
    steps: int
    violation: ViolationError | None = None
    trace: tuple[Action, ...] = ()

    def __str__(self) -> str:
        seen = f"{self.states} states, {self.steps} steps"
        if self.violation is None:
            return seen
        lines = "\n  ".join(" ".join(map(str, action)) for action in self.trace)
        return f"{seen}: {self.violation}\n  {lines}"


def exhaust(model: Model, most: int = 10_000_000) -> Result:
    """Every world that the bounds allow, by the shortest way."""
    first = model.start()
    parents: dict[int, tuple[int, Action] | None] = {hash(first.key()): None}
    queue: deque[tuple[int, World]] = deque([(hash(first.key()), first)])
    steps = 0
    while queue and len(parents) < most:
        here, world = queue.popleft()
        actions = model.actions(world)
        try:
            action: Action = ("finish",)
            if not actions:
                model.finish(world)
            for action in actions:
                steps += 1
                new = model.step(world, action)
                key = hash(new.key())
                if key not in parents:
                    parents[key] = (here, action)
                    queue.append((key, new))
        except ViolationError as violation:
            trace = [action]
            while (parent := parents[here]) is not None:
                here, action = parent
                trace.append(action)
            return Result(len(parents), steps, violation, tuple(reversed(trace)))
    return Result(len(parents), steps)


def walk(model: Model, seed: int, walks: int) -> Result:
    """Random walks to the ends; the kind of a step is drawn first, so that rare ones happen."""
    rng = random.Random(seed)
    seen: set[int] = set()
    steps = 0
    for _ in range(walks):
        world, trace = model.start(), []
        try:
            while actions := model.actions(world):
                kind = rng.choice(sorted({action[0] for action in actions}))
                action = rng.choice([action for action in actions if action[0] == kind])
                trace.append(action)
                steps += 1
                world = model.step(world, action)
                seen.add(hash(world.key()))
            trace.append(("finish",))
            model.finish(world)
        except ViolationError as violation:
            return Result(len(seen), steps, violation, tuple(trace))
    return Result(len(seen), steps)
