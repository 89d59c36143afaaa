"""The benchmark's job on stock Faust, as its documentation would have it.

An agent per topic, ``async for event in stream.events()``, tables on RocksDB that every agent reads
and writes as a dict, answers by ``await topic.send(...)``, at least once. Serializers are raw and
orjson does the JSON, which is faster than Faust's own records. The tables' RocksDB cache is bounded
(Faust's own default is 2 GiB for each partition).
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import faust
import orjson

from tests.benchmarks.bandit_peer import LinUCB, answer, encoded, open_decision, split_decision


def new_app(args: argparse.Namespace) -> faust.App:
    """The application."""
    app = faust.App(
        args.name,
        broker=f"kafka://{args.brokers}",
        store="rocksdb://",
        datadir=args.data_dir,
        topic_partitions=args.partitions,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
        web_enabled=False,
    )
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}
    requests = app.topic(f"{args.prefix}requests", **raw)
    rewards = app.topic(f"{args.prefix}rewards", **raw)
    decisions = app.topic(f"{args.prefix}decisions", **raw)
    stored: dict[str, Any] = {
        "partitions": args.partitions,
        "key_type": bytes,
        "value_type": bytes,
        "options": {"block_cache_size": 64 * 1024 * 1024, "write_buffer_size": 16 * 1024 * 1024},
    }
    arms = app.Table("arms", **stored)
    opened = app.Table("open", **stored)
    bandit = LinUCB(args.arms, args.dim)
    suffixes = [b"/%d" % arm for arm in range(args.arms)]

    @app.agent(requests)
    async def decide(stream: Any) -> None:
        async for event in stream.events():
            request = orjson.loads(event.value)
            key = request["request_id"].encode()
            earlier = opened.get(key)
            if earlier is None:
                route = event.key
                x = bandit.context(request["context"])
                states = [arms.get(route + suffix) or bandit.new for suffix in suffixes]
                arm = bandit.choose(states, x)
                opened[key] = open_decision(arm, x)
            else:
                arm = split_decision(earlier)[0]
            message = answer(request["request_id"], request["route"], arm)
            await decisions.send(key=event.key, value=encoded(message))

    @app.agent(rewards)
    async def learn(stream: Any) -> None:
        async for event in stream.events():
            reward = orjson.loads(event.value)
            key = reward["request_id"].encode()
            earlier = opened.get(key)
            if earlier is None:
                continue  # a repeated reward
            arm, x = split_decision(earlier)
            name = event.key + suffixes[arm]
            arms[name] = bandit.learn(arms.get(name) or bandit.new, x, reward["quality"])
            del opened[key]

    return app


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--brokers", "--name", "--prefix", "--data-dir"):
        parser.add_argument(option, required=True)
    for option in ("--partitions", "--arms", "--dim"):
        parser.add_argument(option, type=int, required=True)
    app = new_app(parser.parse_args())
    sys.argv = ["faust", "worker", "--loglevel=warn", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
