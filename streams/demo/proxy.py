"""The proxy: asks which arm should serve, replays that arm's recorded answer, reports the outcome.

It does what a proxy in front of LLMs does, but for the call itself: the outcome is looked up, and
goes out as soon as the decision is read. Nobody waits for the made-up latency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from time import perf_counter
from typing import Any, Final, Self

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition

from core.context.encoder import segment_of
from schemas.decision import Answer, Decision
from schemas.encode import decode_alert, decode_answer, decode_dead_letter
from schemas.request import Context, Request
from schemas.reward import Reward
from streams.demo.alerts import SeenAlert
from streams.demo.errors import DemoError
from streams.demo.routes import DemoRoute
from streams.demo.tally import Tally
from streams.demo.workload import DemoRequest
from streams.settings import Topics

MOST_OPEN: Final = 500
"""Requests under way at most: when a worker falls behind, the proxy slows down."""
CATCH_UP_S: Final = 0.1
"""How much of a lost while is made up for by sending faster."""
PROBE_S: Final = 0.5
READY_S: Final = 90.0
ANSWER_S: Final = 30.0
"""How long the last answers are waited for, and how long none may come before it is an error."""
STOP_S: Final = 3.0
QUIET_S: Final = 2.0
"""How long after the last reward an alert may still come."""

Record = ConsumerRecord[Any, Any]
_json = msgspec.json.Encoder().encode


class Proxy:
    """One run of a workload. Use as ``async with``; then `prepare`, then `play`."""

    def __init__(
        self,
        brokers: str,
        topics: Topics,
        partitions: int,
        routes: Sequence[DemoRoute],
        requests: Sequence[DemoRequest],
        tally: Tally,
        *,
        rate: float,
        on_alert: Callable[[SeenAlert], None],
        from_end: bool = False,
    ) -> None:
        """``rate`` is in requests per second; ``on_alert`` must not block. In topics that hold the
        events of others, ``from_end`` leaves out what is there already.
        """
        self._brokers = brokers
        self._topics = topics
        self._partitions = partitions
        self._routes = {route.name: route for route in routes}
        self._specs = {route.name: route.policy().context for route in routes}
        self._requests = requests
        self._by_id = {request.request_id: request for request in requests}
        self._tally = tally
        self._rate = rate
        self._on_alert = on_alert
        self._from_end = from_end
        self._sent_at: dict[str, float] = {}
        self._ready: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._probes = 0
        self._start = 0.0
        self._heard = 0.0
        self._failure: BaseException | None = None
        self._stack = AsyncExitStack()
        self._producer: AIOKafkaProducer
        self._readers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Connect. Raises DemoError when the brokers cannot be reached."""
        try:
            producer = AIOKafkaProducer(bootstrap_servers=self._brokers, acks="all")
            self._stack.push_async_callback(_stop, producer.stop)
            await producer.start()
            self._producer = producer
            await self._read_from(self._answers, self._topics.decisions)
            await self._read_from(self._watch, self._topics.drift, self._topics.dead_letters)
        except BaseException as error:
            await self._stack.aclose()
            if isinstance(error, KafkaError):
                raise DemoError(f"no connection to Kafka at {self._brokers}: {error}") from error
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading, and disconnect."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self._stack.aclose()

    async def prepare(self) -> None:
        """Publish the policies and wait until a worker decides by each of them.

        Raises DemoError when one does not within `READY_S`.
        """
        for route in self._routes.values():
            await self._publish(self._topics.policies, route.name, orjson.dumps(route.event()))
        deadline = perf_counter() + READY_S
        while missing := self._routes.keys() - self._ready:
            self._check()
            if perf_counter() > deadline:
                raise DemoError(
                    _not_ready(sorted(missing), self._refusals, self._tally), ask_worker=True
                )
            for name in sorted(missing):
                self._probes += 1
                await self._request(name, f"warm-up-{self._probes}", self._context_of(name))
            await self._until(lambda: self._routes.keys() <= self._ready, PROBE_S)

    async def play(self) -> None:
        """Send all requests, and wait for their answers and for the alerts that follow.

        Raises DemoError when no answer comes for `ANSWER_S` or Kafka refuses a record.
        """
        self._start = self._heard = due = perf_counter()
        for request in self._requests:
            due = max(due + 1.0 / self._rate, perf_counter() - CATCH_UP_S)
            await asyncio.sleep(max(0.0, due - perf_counter()))
            while self._tally.unanswered >= MOST_OPEN:
                self._check_heard()
                await asyncio.sleep(0.005)
            self._check()
            self._tally.sent += 1
            self._sent_at[request.request_id] = perf_counter()
            context = _context(request)
            await self._request(request.route, request.request_id, context)
        await self._until(lambda: self._tally.unanswered == 0, ANSWER_S)
        await self._producer.flush()
        await asyncio.sleep(QUIET_S)
        self._check()

    @property
    def elapsed(self) -> float:
        """Seconds since the first request."""
        return perf_counter() - self._start

    async def _request(self, route: str, request_id: str, context: Context) -> None:
        event = _json(Request(request_id, route, context=context))
        await self._publish(self._topics.requests, route, event)

    async def _publish(self, topic: str, route: str, value: bytes) -> None:
        future = await self._producer.send(topic, key=route.encode(), value=value)
        future.add_done_callback(self._delivered)

    def _delivered(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failure = error

    def _check(self) -> None:
        if self._failure is not None:
            raise DemoError(f"Kafka or the proxy failed: {self._failure!r}") from self._failure

    def _check_heard(self) -> None:
        self._check()
        if perf_counter() - self._heard > ANSWER_S:
            raise DemoError(
                f"no decision came for {ANSWER_S:.0f} s, while {self._tally.unanswered} requests "
                "were waiting for one",
                ask_worker=True,
            )

    async def _until(self, done: Callable[[], bool], within: float) -> None:
        deadline = perf_counter() + within
        while not done() and perf_counter() < deadline:
            self._check()
            await asyncio.sleep(0.02)

    def _context_of(self, route: str) -> Context:
        """The context of the route's first request, for its probes."""
        first = next((one for one in self._requests if one.route == route), None)
        return Context() if first is None else _context(first)

    async def _read_from(self, read: Callable[[Record], Awaitable[None]], *topics: str) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._brokers, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._stack.push_async_callback(_stop, consumer.stop)
        await consumer.start()
        numbers = range(self._partitions)
        places = [TopicPartition(topic, number) for topic in topics for number in numbers]
        consumer.assign(places)
        if self._from_end:
            # Explicit offsets: what is sent from here on must not be passed by.
            for place, end in (await consumer.end_offsets(places)).items():
                consumer.seek(place, end)
        self._readers.append(asyncio.create_task(self._loop(consumer, read)))

    async def _loop(
        self, consumer: AIOKafkaConsumer, read: Callable[[Record], Awaitable[None]]
    ) -> None:
        try:
            while True:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for record in records:
                        await read(record)
        except Exception as error:  # noqa: BLE001 - raised where the run is awaited
            self._failure = error

    async def _answers(self, record: Record) -> None:
        now = perf_counter()
        answer = decode_answer(record.value or b"")
        request = self._by_id.get(answer.request_id)
        if request is None:
            self._probed(answer)
            return
        sent_at = self._sent_at.pop(answer.request_id, None)
        arm = answer.arm if isinstance(answer, Decision) else ""
        if sent_at is None:
            same = self._tally.chosen.get(request.index, "") == arm
            self._tally.repeated += same
            self._tally.contradicted += not same
            return
        self._heard = now
        if not isinstance(answer, Decision):
            self._tally.rejected[answer.code] += 1
            return
        self._tally.decided(request, arm, now - sent_at, now - self._start)
        await self._reward(request, arm)

    async def _reward(self, request: DemoRequest, arm: str) -> None:
        route = self._routes[request.route]
        outcome = route.outcome(request.played[arm])
        context = Request(request.request_id, request.route, context=_context(request))
        self._tally.reward(request, arm, segment_of(self._specs[request.route], context, 0))
        event = Reward(
            request.request_id,
            request.route,
            quality=outcome.quality,
            cost_usd=outcome.cost_usd,
            latency_ms=outcome.latency_ms,
            success=outcome.success,
        )
        await self._publish(self._topics.rewards, request.route, _json(event))

    def _probed(self, answer: Answer) -> None:
        if isinstance(answer, Decision):
            self._ready.add(answer.route)
        else:
            self._refusals[answer.route] = answer.reason

    async def _watch(self, record: Record) -> None:
        if record.topic == self._topics.drift:
            alert = decode_alert(record.value or b"")
            if alert.event != "resolved":
                self._on_alert(self._tally.alert(alert, self.elapsed))
        else:
            letter = decode_dead_letter(record.value or b"")
            self._tally.dead_letters[f"{letter.reason}: {letter.message}"] += 1


async def _stop(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Disconnect; a Kafka that is gone is not waited for."""
    with suppress(TimeoutError, KafkaError):
        await asyncio.wait_for(stop(), STOP_S)


def _context(request: DemoRequest) -> Context:
    prompt = request.prompt
    return Context(input_tokens=prompt.input_tokens, task_type=prompt.task_type)


def _not_ready(missing: list[str], refusals: dict[str, str], tally: Tally) -> str:
    reasons = [f"{name}: {refusals[name]}" for name in missing if name in refusals]
    reasons += list(tally.dead_letters)
    why = "\n  ".join(reasons) if reasons else "no answer at all"
    return f"after {READY_S:.0f} s no worker decides for {', '.join(missing)}; it says:\n  {why}"
