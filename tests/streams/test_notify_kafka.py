"""``thalweg notify`` while its Kafka goes away and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from streams.local_kafka import LocalKafka
from tests.notify.alerts import drift_topic, make_alert, publish
from tests.notify.hook import hooked
from tests.notify.process import Notify


def test_a_kafka_that_restarts_is_waited_for(topic_prefix: str, tmp_path: Path) -> None:
    def kafka(port: int = 0) -> LocalKafka:
        return LocalKafka(port=port, data_dir=tmp_path / "kafka", heap="384m", quick_start=True)

    async def main() -> None:
        first = kafka()
        await asyncio.to_thread(first.start)
        try:
            brokers = first.bootstrap
            async with drift_topic(brokers, topic_prefix) as made, hooked() as hook:
                receiver = {"kind": "webhook", "url": hook.url}
                with Notify(brokers, topic_prefix, tmp_path, [receiver]) as notify:
                    await notify.ready()
                    await publish(made, make_alert("a", 1))
                    await hook.until(lambda: hook.accepted_ids == ["a.1"])
                    await asyncio.to_thread(first.stop)
                    await asyncio.sleep(2)
                    first = kafka(int(brokers.rpartition(":")[2]))
                    await asyncio.to_thread(first.start)
                    await publish(made, make_alert("a", 2))
                    await hook.until(lambda: hook.accepted_ids[-1] == "a.2")
                    notify.terminate()
                    assert await notify.ended() == 0
                assert list(dict.fromkeys(hook.accepted_ids)) == ["a.1", "a.2"]
        finally:
            await asyncio.to_thread(first.stop)

    asyncio.run(main())
