from fractions import Fraction
from math import fsum, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.context.embedding import _GRID, _signs, projected, unit
from core.context.encoder import ContextError, Encoder
from core.context.vocabulary import Vocabularies
from schemas.policy import (
    ContextSpec,
    EmbeddingFeature,
    Feature,
    InteractionFeature,
    VocabularyFeature,
)
from tests.core.contexts import request, vector

coordinates = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40)


def test_an_embedding_without_projection_is_scaled_to_length_1() -> None:
    feature = EmbeddingFeature(dim=3)
    assert vector(feature, embedding=[3.0, 0.0, -4.0]) == [np.float32(0.6), 0, np.float32(-0.8)]
    assert vector(feature, embedding=[0.0, 0.0, 0.0]) == [0, 0, 0]
    assert vector(feature) == [0, 0, 0]
    assert vector(EmbeddingFeature(dim=3, project=2)) == [0, 0]
    assert vector(EmbeddingFeature(dim=3, project=2), embedding=[0.0] * 3) == [0, 0]


@given(coordinates)
def test_the_length_is_1_whatever_the_scale(v: list[float]) -> None:
    u = unit(v).tolist()
    if not any(v):
        assert u == v
        return
    assert fsum(x * x for x in u) == pytest.approx(1.0, abs=1e-14)
    # Exact arithmetic as the oracle: u is v over its length.
    total = sum(Fraction(x) ** 2 for x in v)
    for x, scaled in zip(v, u, strict=True):
        assert scaled * scaled == pytest.approx(float(Fraction(x) ** 2 / total), abs=1e-15)
        assert scaled * x >= 0.0


@given(coordinates.filter(lambda v: len(v) > 2), st.integers(2, 20))
def test_the_projection_is_exact_so_that_no_order_of_summation_matters(
    v: list[float], components: int
) -> None:
    whole = [round(x * _GRID) for x in unit(v).tolist()]
    signs = _signs(len(v), components)
    assert set(np.unique(signs)) <= {-1.0, 1.0}
    for row, y in zip(signs.tolist(), projected(v, components), strict=True):
        total = sum(int(sign) * number for sign, number in zip(row, whole, strict=True))
        assert y == min(1.0, max(-1.0, total / (_GRID * sqrt(components))))


def test_the_projection_is_linear_with_signs_over_the_root_of_the_components() -> None:
    dim, components = 40, 16
    columns = np.array([projected(np.eye(dim)[i].tolist(), components) for i in range(dim)]).T
    assert np.array_equal(np.abs(columns), np.full((components, dim), 0.25))
    v = np.random.default_rng(0).normal(size=dim)
    y = projected((7.0 * v).tolist(), components)
    assert y == pytest.approx(columns @ (v / np.linalg.norm(v)), abs=1e-11)


def test_the_signs_never_change_and_do_not_depend_on_the_other_components() -> None:
    # Learned weights belong to them: other ones need another version of the encoding.
    # The bits of BLAKE2b("projection/0/0"), 0a58..., and of BLAKE2b("projection/1/0"), c776...
    for row, bits in enumerate((0x0A58, 0xC776)):
        expected = [1 if digit == "1" else -1 for digit in f"{bits:016b}"]
        assert _signs(16, 2)[row].tolist() == expected
    # After 512 bits follows BLAKE2b("projection/1/1"), b8...
    assert _signs(520, 2)[1, -8:].tolist() == [1, -1, 1, 1, 1, -1, -1, -1]
    assert np.array_equal(_signs(600, 32)[:2, :16], _signs(16, 2))


def test_the_signs_are_fair_and_uncorrelated() -> None:
    signs = _signs(1_536, 128)
    # Sums of n fair signs, in units of their standard deviation; the bounds are those of the
    # largest of so many normal numbers, with room.
    assert abs(signs.sum()) / sqrt(signs.size) < 3
    assert np.abs(signs.sum(axis=0)).max() / sqrt(128) < 5
    assert np.abs(signs.sum(axis=1)).max() / sqrt(1_536) < 5
    rows = signs @ signs.T / sqrt(1_536)
    assert np.abs(rows[np.triu_indices(128, 1)]).max() < 6


@pytest.mark.parametrize(("dim", "components"), [(384, 32), (1_536, 64)])
def test_distances_survive_as_johnson_and_lindenstrauss_promise(dim: int, components: int) -> None:
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(120, dim)) * generator.gamma(0.3, size=dim)
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    lows = np.array([projected(v.tolist(), components) for v in vectors])
    i, j = np.triu_indices(120, 1)
    ratio = ((lows[i] - lows[j]) ** 2).sum(axis=1) / ((units[i] - units[j]) ** 2).sum(axis=1)
    # Achlioptas 2003, lemma 5.1: mean 1, variance at most 2 / components.
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)
    assert ratio.std() < 1.25 * sqrt(2 / components)
    assert ratio.std() > 0.5 * sqrt(2 / components)


def test_the_extremes_are_bounded() -> None:
    for v in ([5e-324, 0.0], [1e-200, -1e-200], [1e3] * 4_096, [1e3, 5e-324]):
        assert np.isfinite(unit(v)).all()
        assert fsum(x * x for x in unit(v)) == pytest.approx(1.0, abs=1e-12)
        assert max(map(abs, projected(v, 2))) <= 1.0
    # Signs that agree with all coordinates give far more than 1: that is clipped.
    aligned = (_signs(400, 2)[1] * 3.0).tolist()
    assert projected(aligned, 2)[1] == 1.0


def test_an_embedding_of_another_length_is_refused_and_teaches_nothing() -> None:
    region = VocabularyFeature(field="region", size=4)
    embedding = EmbeddingFeature(dim=384, project=32)
    lists: list[list[Feature]] = [
        [region, embedding],
        [InteractionFeature(left=region, right=embedding)],
    ]
    for listed in lists:
        encoder, known = Encoder(ContextSpec(features=listed)), Vocabularies()
        with pytest.raises(ContextError, match="expected 384 numbers, found 1536"):
            encoder.encode(request(region="eu", embedding=[0.5] * 1_536), 0, known)
        with pytest.raises(ContextError, match="expected 384 numbers, found 0"):
            encoder.encode(request(region="eu", embedding=[]), 0, known)
        assert not known.grown
        assert len(encoder.encode(request(embedding=[0.5] * 384), 0, known)) == 4 * encoder.dim
    assert issubclass(ContextError, ValueError)


def test_a_policy_without_embeddings_takes_requests_with_any() -> None:
    encoder = Encoder(ContextSpec(features=[]))
    assert encoder.encode(request(embedding=[1.0] * 7), 0) == encoder.encode(request(), 0)
