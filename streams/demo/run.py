"""One demonstration from start to end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.text import Text

from streams.console import paragraph
from streams.demo.data import recorded_prompts
from streams.demo.display import Display
from streams.demo.environment import Environment
from streams.demo.errors import DemoError
from streams.demo.proxy import Proxy
from streams.demo.report import Report, as_json, make_report
from streams.demo.routes import ROUTES
from streams.demo.tables import show
from streams.demo.tally import Tally
from streams.demo.workload import DemoRequest, Drop, workload

DROPPED: Final = "mistral-large"
FACTOR: Final = 0.6
TICK_S: Final = 0.1
CHECK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    requests: int
    rate: float
    seed: int
    brokers: str | None
    json_file: Path | None
    keep: bool


def run(options: Options, console: Console) -> Report:
    """Run the demo; whatever happens, nothing of it is left behind.

    Raises DemoError, with the end of the worker's log where there is one, and KeyboardInterrupt.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it warns of what it then repairs
    drop = Drop(DROPPED, FACTOR, options.requests // 2)
    routes = [route.name for route in ROUTES]
    requests = workload(recorded_prompts(), routes, options.requests, options.seed, drop)
    tally = Tally(drop)
    _introduce(console, options)

    def say(line: str) -> None:
        paragraph(console, Text(line))

    with Environment(options.brokers, say) as environment:
        try:
            asyncio.run(_play(environment, options, requests, tally, console))
        except DemoError as error:
            raise DemoError(_with_log(error, environment)) from error
        report = make_report(
            ROUTES,
            requests,
            tally,
            seed=options.seed,
            rate=options.rate,
            own_kafka=environment.own_kafka,
        )
        show(console, report)
        if options.json_file is not None:
            options.json_file.write_bytes(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2))
            console.print(Text(f"\nThe report as JSON: {options.json_file}"), soft_wrap=True)
        if options.keep:
            _keep(environment, console)
        kafka = " and Kafka" if environment.own_kafka else ""
        console.print(Text(f"\nStopping the worker{kafka}"))
    return report


def _introduce(console: Console, options: Options) -> None:
    seconds = options.requests / options.rate
    console.print(Text("thalweg demo", "bold"))
    story = (
        "For every request a proxy asks, through Kafka, a worker which of three models should "
        "serve it. It looks up what that model really answered, and sends back how good that was, "
        "what it cost and how long it took; from this the worker learns. Half-way one model gets "
        f"worse. {options.requests:,} requests, {options.rate:,.0f} a second: about {seconds:.0f} "
        "seconds, and some more to set up."
    )
    paragraph(console, Text(story))
    console.print(Text("\nThe routes, what they want, and how they decide", "bold"))
    for route in ROUTES:
        console.print(Text(f"  {route.name:15}{route.story}"))
    console.print(Text("\nSetting up", "bold"))


async def _play(
    environment: Environment,
    options: Options,
    requests: list[DemoRequest],
    tally: Tally,
    console: Console,
) -> None:
    partitions = await environment.make_topics()
    environment.start_worker()
    settings = environment.settings
    paragraph(console, Text(f"Kafka is ready at {settings.brokers}; starting a worker"))
    routes = [route.name for route in ROUTES]
    display = Display(console, tally, routes, len(requests))
    proxy = Proxy(
        settings.brokers,
        settings.topics,
        partitions,
        ROUTES,
        requests,
        tally,
        rate=options.rate,
        on_alert=display.alert,
    )

    async def script() -> None:
        async with proxy:
            await proxy.prepare()
            paragraph(console, Text(f"the worker has all {len(routes)} policies"))
            paragraph(console, Text(f"watch it live, on the worker's page: {_web(environment)}/"))
            console.print(Text("\nRunning", "bold"))
            with display:
                ticking = asyncio.create_task(_tick(display))
                try:
                    await proxy.play()
                finally:
                    ticking.cancel()
                    display.tick()

    await _first_of(script(), _watch(environment))


async def _tick(display: Display) -> None:
    while True:
        display.tick()
        await asyncio.sleep(TICK_S)


async def _watch(environment: Environment) -> None:
    """Raise DemoError as soon as Kafka or the worker ends."""
    while True:
        environment.check()
        await asyncio.sleep(CHECK_S)


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one returns or raises; end the others, then do as that one did."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _with_log(error: DemoError, environment: Environment) -> str:
    tail = environment.worker_tail() if error.ask_worker else ""
    if not tail:
        return str(error)
    indented = "\n".join(f"  {line}" for line in tail.splitlines())
    return f"{error}\nThe end of the worker's log:\n{indented}"


def _web(environment: Environment) -> str:
    return f"http://{environment.settings.host}:{environment.settings.port}"


def _keep(environment: Environment, console: Console) -> None:
    """Wait for Ctrl-C, and say what there is to see until then."""
    settings = environment.settings
    prefix = settings.topics.requests.removesuffix("requests")
    web = _web(environment)
    for line in (
        "\nKafka and the worker keep running until Ctrl-C:",
        f"  page      {web}/",
        f"  worker    process {environment.worker_pid}, metrics: {web}/metrics",
        f"  its log   {environment.worker_log}",
        f"  Kafka     {settings.brokers}",
        f"  topics    {prefix}requests, .rewards, .policies, .decisions, .drift, .dead-letters",
        f"  group     {settings.name}",
    ):
        console.print(Text(line))
    try:
        while True:
            environment.check()
            time.sleep(CHECK_S)
    except KeyboardInterrupt:
        console.print()
