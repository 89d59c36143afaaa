import pytest

from schemas.features import (
    DEFAULT_FEATURES,
    context_dim,
    feature_dim,
    features_of,
    features_text,
    is_context_field,
)
from schemas.policy import (
    ContextSpec,
    CyclicalFeature,
    Feature,
    HashedFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
)


@pytest.mark.parametrize(
    ("feature", "dim"),
    [
        (LogFeature(field="input_tokens"), 1),
        (ScaledFeature(field="priority"), 1),
        (OneHotFeature(field="region", values=["a", "b", "c"]), 4),
        (HashedFeature(field="user_id", buckets=7), 7),
        (CyclicalFeature(field="hour"), 2),
    ],
)
def test_dimensions(feature: Feature, dim: int) -> None:
    assert feature_dim(feature) == dim
    assert context_dim(ContextSpec(features=[feature, feature])) == 1 + 2 * dim


def test_the_default_list_stands_for_none_alone() -> None:
    assert context_dim(ContextSpec()) == 27
    assert features_of(ContextSpec()) is DEFAULT_FEATURES
    assert context_dim(ContextSpec(features=[])) == 1


@pytest.mark.parametrize("name", ["hour", "task_type", "metadata.x", "metadata.a.b"])
def test_known_fields(name: str) -> None:
    assert is_context_field(name)


@pytest.mark.parametrize("name", ["", "metadata", "metadata.", "Hour", "candidates", "timestamp"])
def test_unknown_fields(name: str) -> None:
    assert not is_context_field(name)


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
