import numpy as np
from hypothesis import given

from core.context.encoder import Encoder
from core.context.vocabulary import Vocabularies
from schemas.features import feature_dim
from schemas.policy import (
    ContextSpec,
    HashedFeature,
    InteractionFeature,
    LogFeature,
    OneHotFeature,
    ScaledFeature,
    SimpleFeature,
    VocabularyFeature,
)
from schemas.request import Context, Request
from tests.core.contexts import contexts, moments, simple, vector


@given(simple, simple, contexts, moments)
def test_an_interaction_is_the_outer_product_in_row_major_order(
    left: SimpleFeature, right: SimpleFeature, context: Context, at_ms: int
) -> None:
    known = Vocabularies()
    request = Request("r", "a", context=context)
    both = Encoder(ContextSpec(features=[InteractionFeature(left=left, right=right)]))
    x = both.unpack(both.encode(request, at_ms, known))[1:]
    sides = []
    for feature in (left, right):
        encoder = Encoder(ContextSpec(features=[feature]))
        sides.append(encoder.unpack(encoder.encode(request, at_ms, known))[1:])
    assert x.shape == (feature_dim(left) * feature_dim(right),)
    # The product is rounded to float32 once, the two factors before they are multiplied here.
    np.testing.assert_allclose(x, np.outer(*sides).ravel(), rtol=4e-7, atol=1e-30)


def test_one_slope_per_category() -> None:
    feature = InteractionFeature(
        left=OneHotFeature(field="task_type", values=["code", "chat"]),
        right=ScaledFeature(field="priority"),
    )
    assert vector(feature, task_type="code", priority=5) == [0.5, 0, 0]
    assert vector(feature, task_type="chat", priority=2.5) == [0, 0.25, 0]
    assert vector(feature, task_type="prose", priority=10) == [0, 0, 1]
    assert vector(feature, task_type="code") == [0, 0, 0]
    assert vector(feature, priority=5) == [0, 0, 0]


def test_products_with_nothing_are_a_plain_zero() -> None:
    feature = InteractionFeature(
        left=HashedFeature(field="user_id", buckets=2), right=LogFeature(field="priority")
    )
    for user in map(str, range(8)):
        assert not np.signbit(vector(feature, user_id=user)).any()


def test_a_vocabulary_grows_in_the_order_of_the_features() -> None:
    known = Vocabularies()
    inner = VocabularyFeature(field="task_type", size=3)
    square = InteractionFeature(left=inner, right=VocabularyFeature(field="region", size=1))
    assert vector(square, known=known, task_type="code", region="eu") == [1, 0, 0, 0, 0, 0, 0, 0]
    assert vector(square, known=known, task_type="chat", region="us") == [0, 0, 0, 1, 0, 0, 0, 0]
    assert vector(inner, known=known, task_type="chat") == [0, 1, 0, 0]
    assert known.values("task_type") == ("code", "chat")
    assert known.values("region") == ("eu",)
