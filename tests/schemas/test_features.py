import pytest

from schemas.features import (
    DEFAULT_FEATURES,
    context_dim,
    feature_dim,
    features_of,
    features_text,
    is_context_field,
    is_number_field,
    simple_features,
)
from schemas.policy import (
    ContextSpec,
    CyclicalFeature,
    EmbeddingFeature,
    Feature,
    HashedFeature,
    InteractionFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
    VocabularyFeature,
)


@pytest.mark.parametrize(
    ("feature", "dim"),
    [
        (LogFeature(field="input_tokens"), 1),
        (ScaledFeature(field="priority"), 1),
        (OneHotFeature(field="region", values=["a", "b", "c"]), 4),
        (HashedFeature(field="user_id", buckets=7), 7),
        (CyclicalFeature(field="hour"), 2),
        (VocabularyFeature(field="region", size=5), 6),
        (EmbeddingFeature(dim=12), 12),
        (EmbeddingFeature(dim=12, project=5), 5),
        (
            InteractionFeature(
                left=VocabularyFeature(field="region", size=5), right=CyclicalFeature(field="hour")
            ),
            12,
        ),
    ],
)
def test_dimensions(feature: Feature, dim: int) -> None:
    assert feature_dim(feature) == dim
    assert context_dim(ContextSpec(features=[feature, feature])) == 1 + 2 * dim


def test_the_default_list_stands_for_none_alone() -> None:
    assert context_dim(ContextSpec()) == 28
    assert features_of(ContextSpec()) is DEFAULT_FEATURES
    assert context_dim(ContextSpec(features=[])) == 1
    assert context_dim(ContextSpec(preset="fixed_10")) == 10


@pytest.mark.parametrize("name", ["hour", "task_type", "metadata.x", "metadata.a.b"])
def test_known_fields(name: str) -> None:
    assert is_context_field(name)


@pytest.mark.parametrize("name", ["", "metadata", "metadata.", "Hour", "candidates", "timestamp"])
def test_unknown_fields(name: str) -> None:
    assert not is_context_field(name)


@pytest.mark.parametrize("name", ["input_tokens", "input_chars", "priority", "metadata.x"])
def test_fields_that_hold_numbers(name: str) -> None:
    assert is_number_field(name)


@pytest.mark.parametrize("name", ["region", "hour", "metadata.", "metadata", "Priority", ""])
def test_fields_that_hold_none(name: str) -> None:
    assert not is_number_field(name)


def test_interactions_are_taken_apart() -> None:
    log, hour = LogFeature(field="priority"), CyclicalFeature(field="hour")
    listed: list[Feature] = [hour, InteractionFeature(left=log, right=hour), log]
    assert list(simple_features(listed)) == [
        ("[0]", hour),
        ("[1].left", log),
        ("[1].right", hour),
        ("[2]", log),
    ]
    assert list(simple_features(features_of(ContextSpec(preset="fixed_10")))) == []


def test_equal_lists_have_equal_texts_and_defaults_are_written_out() -> None:
    short = ContextSpec(features=[HashedFeature(field="region")])
    full = ContextSpec(features=[HashedFeature(field="region", buckets=16)], max_segments=5)
    other = ContextSpec(features=[HashedFeature(field="region", buckets=17)])
    assert (
        features_text(short)
        == features_text(full)
        == ('[["hashed",{"buckets":16,"field":"region"}]]')
    )
    assert features_text(other) != features_text(short)
    assert features_text(ContextSpec()) == features_text(ContextSpec(features=[*DEFAULT_FEATURES]))
    assert features_text(ContextSpec(preset="fixed_10")) == '[["fixed_10",{}]]'


def test_the_sides_of_an_interaction_are_written_out_with_their_tags() -> None:
    left = VocabularyFeature(field="region")
    right = EmbeddingFeature(dim=8)
    text = features_text(ContextSpec(features=[InteractionFeature(left=left, right=right)]))
    assert text == (
        '[["interaction",{"left":["vocabulary",{"field":"region","size":16}],'
        '"right":["embedding",{"dim":8,"project":null}]}]]'
    )
