import json
from typing import Any

import msgspec
import pytest

from schemas.decode import InvalidMessage, decode_policy
from schemas.policy import (
    ContextSpec,
    EmbeddingFeature,
    InteractionFeature,
    LogFeature,
    Policy,
    VocabularyFeature,
)


def policy(**context: Any) -> bytes:
    arms = [{"id": "x", "model": "m"}]
    return json.dumps({"route": "a", "version": 1, "arms": arms, "context": context}).encode()


def features(*listed: dict[str, Any]) -> bytes:
    return policy(features=list(listed))


def interaction(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {"encode": "interaction", "left": left, "right": right}


REGION = {"encode": "vocabulary", "field": "region"}
TOKENS = {"encode": "log", "field": "input_tokens"}


def test_every_kind_of_feature_arrives() -> None:
    data = features(
        REGION,
        {"encode": "log", "field": "metadata.turns", "high": 50},
        {"encode": "embedding", "dim": 384, "project": 32},
        interaction(TOKENS, {"encode": "vocabulary", "field": "task_type", "size": 4}),
    )
    decoded = decode_policy(data)
    assert decoded.context == ContextSpec(
        features=[
            VocabularyFeature(field="region", size=16),
            LogFeature(field="metadata.turns", high=50.0),
            EmbeddingFeature(dim=384, project=32),
            InteractionFeature(
                left=LogFeature(field="input_tokens"),
                right=VocabularyFeature(field="task_type", size=4),
            ),
        ]
    )
    assert msgspec.json.decode(msgspec.json.encode(decoded), type=Policy) == decoded


# Case: the bytes, and what the message must say.
INVALID: dict[str, tuple[bytes, list[str]]] = {
    "encoding": (
        features({"encode": "vocab", "field": "region"}),
        ["context.features[0].encode", "'vocab'", "did you mean vocabulary?", "embedding"],
    ),
    "size": (
        features({**REGION, "size": 65}),
        ["context.features[0].size", "<= 64", "found 65"],
    ),
    "no room": (features({**REGION, "size": 0}), ["context.features[0].size", ">= 1", "found 0"]),
    "misspelt size": (
        features({**REGION, "sizes": 3}),
        ["context.features[0]", "`sizes`", "did you mean size?"],
    ),
    "vocabulary field": (
        features({"encode": "vocabulary", "field": "user"}),
        ["context.features[0].field", "'user'", "did you mean 'user_id'?"],
    ),
    "number that is none": (
        features({"encode": "log", "field": "region"}),
        [
            "context.features[0].field",
            "'region' is not a number",
            "input_tokens, input_chars, priority or metadata.<key>",
        ],
    ),
    "hour as a number": (
        features({"encode": "linear", "field": "hour"}),
        ["context.features[0].field", "'hour' is not a number"],
    ),
    "misspelt number": (
        features({"encode": "linear", "field": "input_char"}),
        ["context.features[0].field", "did you mean 'input_chars'?"],
    ),
    "number in no metadata": (
        features({"encode": "log", "field": "metadata."}),
        ["context.features[0].field", "'metadata.'", "metadata.<key>"],
    ),
    "endless range": (
        features({"encode": "linear", "field": "priority", "low": -1e308, "high": 1e308}),
        ["context.features[0]", "too far apart"],
    ),
    "side of an interaction": (
        features(REGION, interaction(TOKENS, {"encode": "hashed", "field": "regoin"})),
        ["context.features[1].right.field", "'regoin'", "did you mean 'region'?"],
    ),
    "value twice in a side": (
        features(
            interaction({"encode": "one_hot", "field": "region", "values": ["a", "a"]}, TOKENS)
        ),
        ["context.features[0].left.values", "'a'", "more than once"],
    ),
    "missing side": (
        features({"encode": "interaction", "left": TOKENS}),
        ["context.features[0]", "`right`", '"left"'],
    ),
    "interaction of interactions": (
        features(interaction(TOKENS, interaction(TOKENS, REGION))),
        ["context.features[0].right.encode", "'interaction'", "known are log, linear, one_hot"],
    ),
    "interaction twice": (
        features(interaction(TOKENS, REGION), interaction({**REGION, "size": 16}, TOKENS)),
        ["context.features[1]", "the same as context.features[0]"],
    ),
    "many products": (
        features(interaction(REGION, {"encode": "vocabulary", "field": "task_type"})),
        ["context.features", "290 components", "256", "fewer values or buckets"],
    ),
    "large embedding": (
        features({"encode": "embedding", "dim": 384}),
        ["context.features", "385 components", "256", "project the embedding, e.g. to 32"],
    ),
    "no reduction": (
        features({"encode": "embedding", "dim": 32, "project": 32}),
        ["context.features[0]", "project (32) must be less than dim (32)", "leave it out"],
    ),
    "huge embedding": (
        features({"encode": "embedding", "dim": 4_097, "project": 32}),
        ["context.features[0].dim", "<= 4096", "found 4097"],
    ),
    "embedding without dim": (
        features({"encode": "embedding", "dims": 384}),
        ["context.features[0]", '"dims" a misspelt dim'],
    ),
    "two lengths": (
        features(
            {"encode": "embedding", "dim": 384, "project": 16},
            TOKENS,
            interaction({"encode": "embedding", "dim": 256, "project": 2}, TOKENS),
        ),
        [
            "context.features[2].left.dim",
            "expected 384 as in context.features[0], found 256",
            "a request has one embedding",
        ],
    ),
    "preset": (
        policy(preset="fixed10"),
        ["context.preset", "'fixed10'", "did you mean fixed_10?"],
    ),
    "preset and features": (
        policy(preset="fixed_10", features=[TOKENS]),
        ["context", "at most one of preset and features"],
    ),
    "preset as a feature": (
        features({"encode": "fixed_10"}),
        ["context.features[0].encode", "'fixed_10'", "known are log, linear"],
    ),
    "segment": (
        policy(segment_by=["embedding"]),
        ["context.segment_by[0]", "'embedding' is not a context field", "input_chars"],
    ),
}


@pytest.mark.parametrize(("data", "parts"), INVALID.values(), ids=INVALID)
def test_an_invalid_context_says_where_and_what(data: bytes, parts: list[str]) -> None:
    with pytest.raises(InvalidMessage) as caught:
        decode_policy(data)
    assert caught.value.reason == "invalid_policy"
    for part in parts:
        assert part in caught.value.message
    assert "problems" not in caught.value.message


LIMITS = {
    "largest vocabulary": features({**REGION, "size": 64}),
    "255 products": features(
        interaction({"encode": "hashed", "field": "region", "buckets": 85}, {**REGION, "size": 2})
    ),
    "255 coordinates": features({"encode": "embedding", "dim": 255}),
    "largest embedding": features({"encode": "embedding", "dim": 4_096, "project": 128}),
    "one length twice": features(
        {"encode": "embedding", "dim": 64, "project": 16},
        interaction({"encode": "embedding", "dim": 64, "project": 4}, REGION),
    ),
    "square": features(interaction(TOKENS, TOKENS), TOKENS),
    "preset": policy(preset="fixed_10", segment_by=["input_chars"]),
}


@pytest.mark.parametrize("data", LIMITS.values(), ids=LIMITS)
def test_what_lies_within_the_limits_is_taken(data: bytes) -> None:
    assert decode_policy(data).route == "a"
