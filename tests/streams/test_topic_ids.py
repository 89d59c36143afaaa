"""Topics are told apart from others that have had their names."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import IncompatibleBrokerVersion

from streams.topic_ids import NO_ID, topic_ids


def test_a_recreated_topic_has_another_id(brokers: str, topic_prefix: str) -> None:
    name, other, missing = (f"{topic_prefix}{end}" for end in ("one", "other", "missing"))

    async def main() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, 2, 1), NewTopic(other, 1, 1)])
            first = await _both(admin)
            assert first == await topic_ids(admin, [name, other, missing])
            assert len({UUID(first[name]), UUID(first[other])}) == 2
            await admin.delete_topics([name])
            while name in await topic_ids(admin, [name]):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.1)
            assert await topic_ids(admin, [missing]) == {}, "asking creates nothing"
            await admin.create_topics([NewTopic(name, 2, 1)])
            second = await _both(admin)
            assert second[other] == first[other]
            assert second[name] != first[name]
        finally:
            await admin.close()

    async def _both(admin: AIOKafkaAdminClient) -> dict[str, str]:
        while len(found := await topic_ids(admin, [name, other])) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return found

    asyncio.run(main())


def test_a_kafka_without_ids_tells_none() -> None:
    class Old:
        async def _send_request(self, _request: Any) -> Any:
            raise IncompatibleBrokerVersion

    found = asyncio.run(topic_ids(cast(AIOKafkaAdminClient, Old()), ["a", "b"]))
    assert found == {"a": NO_ID, "b": NO_ID}
