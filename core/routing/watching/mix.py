"""The request mix: whether a route is asked for other things than it used to be."""

from __future__ import annotations

from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute
from core.routing.partition import Partition
from core.routing.watching.detectors import mix_of_categories, mix_of_numbers
from core.routing.watching.incidents import About, Finding, Incidents
from core.routing.watching.plan import MixField
from core.routing.watching.scale import in_units, number, scaled, share
from schemas.alert import Level, Severity
from schemas.request import Request


class Mix:
    """Watches fields of the requests: shares of categories, and means of numbers.

    A change is no trouble by itself, so it is never critical.
    """

    def __init__(self, state: Partition, incidents: Incidents) -> None:
        self._state = state
        self._incidents = incidents

    def asked(
        self, route: LiveRoute, compiled: CompiledPolicy, request: Request, at_ms: int
    ) -> None:
        """Show a request to the detectors of its route."""
        for field in compiled.watch.mix:
            found = self._look(route, compiled, field, request, at_ms)
            if found is not None:
                of, finding = found
                self._incidents.detect(
                    About(route.name, "mix", "", "", "mix", of),
                    finding,
                    self._state.request_clock,
                    repeat_ms=compiled.watch.repeat_ms,
                    cooldown_ms=compiled.watch.cooldown_ms,
                )

    def _look(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        field: MixField,
        request: Request,
        at_ms: int,
    ) -> tuple[str, Finding] | None:
        memory = self._state.memory
        if field.number is not None:
            value = field.number(request.context)
            if value is None:
                return None
            live = mix_of_numbers(memory, route, compiled, field.name)
            cut = live.detector.update(scaled("tokens", max(float(value), 0.0)))
            memory.touch(live)
            if cut is None:
                return None
            before = in_units("tokens", cut.before_mean)
            after = in_units("tokens", cut.after_mean)
            what = f"mean {field.name} (geometric)"
            told = (
                f"{number(before)} over {cut.before_n:,} requests, then {number(after)} of the "
                f"last {cut.after_n:,}"
            )
            levels = Level(before, cut.before_n), Level(after, cut.after_n)
            return field.name, _finding(route, cut.level, levels, what, told)
        assert field.category is not None, "it is one or the other"
        category = field.category(request.context, at_ms)
        if category is None:
            return None
        mix = mix_of_categories(memory, route, compiled, field.name)
        shift = mix.detector.update(category)
        memory.touch(mix)
        if shift is None:
            return None
        name = "all other values" if shift.category is None else repr(shift.category)
        what = f"share of {name} in {field.name}"
        told = (
            f"{share(shift.before)} of {shift.before_n:,} requests, then {share(shift.after)} of "
            f"the last {shift.after_n:,}"
        )
        levels = Level(shift.before, shift.before_n), Level(shift.after, shift.after_n)
        return field.name, _finding(route, shift.level, levels, what, told)


def _finding(
    route: LiveRoute, level: str, levels: tuple[Level, Level], what: str, told: str
) -> Finding:
    fell, suspected = levels[1].mean < levels[0].mean, level == "warning"
    moved = "fell" if fell else "rose"
    if suspected:
        moved = "may have fallen" if fell else "may have risen"
    severity: Severity = "info" if suspected else "warning"
    message = f"request mix of route {route.name}: the {what} {moved}: {told}"
    return Finding("drift", severity, "adwin", *levels, message)
