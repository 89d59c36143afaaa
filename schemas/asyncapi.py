"""The AsyncAPI 3.0 document: what thalweg reads and writes, topic by topic."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from schemas.examples import EXAMPLES
from schemas.json_schema import RECORDS, Schema, schema_parts

VERSION: Final = "1.0.0"
"""Of the wire format: raise the last part for additions, the first for breaking changes."""


class Topic(NamedTuple):
    """One channel, as thalweg sees it."""

    address: str
    action: Literal["receive", "send"]
    operation: str
    record: str
    title: str
    description: str
    compacted: bool = False


TOPICS: Final = (
    Topic(
        "llm.requests",
        "receive",
        "decide",
        "request",
        "Requests",
        "Proxies ask which arm serves a request. Each gets exactly one answer on llm.decisions.",
    ),
    Topic(
        "llm.rewards",
        "receive",
        "learn",
        "reward",
        "Rewards",
        "What was observed after the call, in one part or several, joined by request_id.",
    ),
    Topic(
        "llm.policies",
        "receive",
        "configure",
        "policy",
        "Policies",
        "The configuration of each route; the highest version holds, an empty value withdraws it.",
        compacted=True,
    ),
    Topic(
        "llm.decisions",
        "send",
        "answer",
        "decision",
        "Decisions",
        "One answer per request: a decision or a rejection, told apart by status. A redelivery "
        "repeats it with equal content.",
    ),
    Topic(
        "llm.drift",
        "send",
        "alert",
        "alert",
        "Alerts",
        "The events of incidents, from their opening to their end, and notices. A redelivery "
        "repeats an event with the same alert_id.",
    ),
    Topic(
        "llm.dead-letters",
        "send",
        "refuse",
        "dead-letter",
        "Dead letters",
        "Messages that can neither act nor be answered, with the reason.",
    ),
)


def asyncapi_document() -> Schema:
    """The whole document, as a JSON value."""
    roots, definitions = schema_parts(list(RECORDS), "#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "thalweg",
            "version": VERSION,
            "description": (
                "Events of LLM proxies in, decisions and alerts out. Every topic is keyed by "
                "route and has the same number of partitions (murmur2 partitioner). Payloads are "
                "JSON in UTF-8; unknown fields are ignored, except in policies, where they are "
                "errors. Times are RFC 3339 or milliseconds since 1970, money is in USD, latency "
                "in ms."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.record: _channel(topic) for topic in TOPICS},
        "operations": {topic.operation: _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {topic.record: _message(topic, roots[topic.record]) for topic in TOPICS},
            "schemas": definitions,
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    kafka: dict[str, Any] = {"topic": topic.address, "bindingVersion": "0.5.0"}
    if topic.compacted:
        kafka["topicConfiguration"] = {"cleanup.policy": ["compact"]}
    return {
        "address": topic.address,
        "title": topic.title,
        "description": topic.description,
        "messages": {topic.record: {"$ref": f"#/components/messages/{topic.record}"}},
        "bindings": {"kafka": kafka},
    }


def _operation(topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{topic.record}"
    return {
        "action": topic.action,
        "channel": {"$ref": channel},
        "title": topic.operation.capitalize(),
        "summary": topic.description,
        "messages": [{"$ref": f"{channel}/messages/{topic.record}"}],
    }


def _message(topic: Topic, payload: Schema) -> dict[str, Any]:
    return {
        "name": topic.record,
        "title": topic.title,
        "contentType": "application/json",
        "payload": payload,
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The route, in UTF-8."},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"payload": example} for example in EXAMPLES[topic.record]],
    }
