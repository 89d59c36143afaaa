import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.context.encoder import Encoder
from core.context.vocabulary import MAX_BYTES, Vocabularies
from schemas.policy import ContextSpec, InteractionFeature, LogFeature, VocabularyFeature
from schemas.request import Context, Request
from tests.core.contexts import contexts, request, specs, vector


def test_the_first_values_get_components_in_order_and_all_others_share_one() -> None:
    known = Vocabularies()
    feature = VocabularyFeature(field="region", size=2)
    seen = {
        region: vector(feature, known=known, region=region)
        for region in ("us", "eu", "", "mars", "us", None)
    }
    assert seen == {
        "us": [1, 0, 0],
        "eu": [0, 1, 0],
        "": [0, 0, 1],
        "mars": [0, 0, 1],
        None: [0, 0, 0],
    }
    assert known.values("region") == ("us", "eu")


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=2), st.integers(1, 4)), max_size=40)
)
def test_places_are_those_of_first_appearance(asked: list[tuple[str, str, int]]) -> None:
    known = Vocabularies()
    lists: dict[str, list[str]] = {"a": [], "b": []}
    for field, value, size in asked:
        listed = lists[field]
        if value not in listed and len(listed) < size:
            listed.append(value)
        expected = listed.index(value) if value in listed[:size] else size
        assert known.place(field, value, size) == expected
    for field, listed in lists.items():
        assert known.values(field) == tuple(listed)


def test_values_keep_their_places_when_the_size_changes() -> None:
    known = Vocabularies()
    for value in "abcd":
        known.place("region", value, 4)
    assert [known.place("region", value, 2) for value in "abcd"] == [0, 1, 2, 2]
    assert [known.place("region", value, 5) for value in "dcbae"] == [3, 2, 1, 0, 4]


@given(specs, st.lists(contexts, max_size=6), st.integers(0, 6))
def test_a_stream_goes_on_from_bytes_as_it_does_from_memory(
    spec: ContextSpec, listed: list[Context], cut: int
) -> None:
    encoder = Encoder(spec)
    straight, woken = Vocabularies(), Vocabularies()
    for index, context in enumerate(listed):
        if index == cut:
            woken = Vocabularies.decode(woken.encode())
        one = Request("r", "a", context=context)
        before = straight.encode()
        assert encoder.encode(one, 0, straight) == encoder.encode(one, 0, woken)
        assert straight.grown == (straight.encode() != before)
        assert encoder.learns or straight.encode() == before
    assert straight.encode() == woken.encode()


def test_growth_is_told_until_it_is_encoded() -> None:
    known = Vocabularies()
    assert not known.grown
    known.place("region", "eu", 1)
    assert known.grown
    data = known.encode()
    known.place("region", "eu", 1)
    known.place("region", "us", 1)
    assert not known.grown
    woken = Vocabularies.decode(data)
    assert not woken.grown
    woken.place("region", "us", 2)
    assert woken.grown


def test_equal_states_have_equal_bytes_whatever_the_order_of_the_fields() -> None:
    one, other = Vocabularies(), Vocabularies()
    for field in ("region", "language"):
        one.place(field, "x", 3)
    for field in ("language", "region"):
        other.place(field, "x", 3)
    assert one.encode() == other.encode()
    assert one.encode()[0] == 1


def test_memory_is_bounded_whatever_the_requests_and_the_policies() -> None:
    known = Vocabularies()
    wide = "\N{GRINNING FACE}" * 252
    for number in range(400):
        known.place(f"metadata.{number % 7}", f"{number:04}{wide}", 64)
    data = known.encode()
    assert 0.95 * MAX_BYTES < len(data) <= MAX_BYTES
    count = sum(len(known.values(f"metadata.{n}")) for n in range(7))
    # Full: new values share the last place, and those that are known keep theirs.
    assert known.place("metadata.0", "new" + wide, 64) == 64
    assert known.place("metadata.9", "new" + wide, 64) == 64
    assert known.place("metadata.0", "0007" + wide, 64) == 1
    woken = Vocabularies.decode(data)
    assert woken.place("metadata.0", "new" + wide, 64) == 64
    assert woken.encode() == known.encode() == data
    assert count == sum(len(woken.values(f"metadata.{n}")) for n in range(7))


GOOD = b"\x01\x81\xa1f\x92\xa1a\xa1b"


def test_bytes_that_are_no_vocabularies_are_refused() -> None:
    assert Vocabularies.decode(GOOD).values("f") == ("a", "b")
    bad = [
        b"",
        b"\x02" + GOOD[1:],
        GOOD[:-1],
        GOOD + b"\x00",
        GOOD.replace(b"b", b"a"),
        b"\x01\x81\xa1f\x90",
        b"\x01\x81\xa1f\x01",
        b"\x01\x81\xa1f\x91\xa1\xff",
        b"\x01\x81\xa1f\x91\xc6" + (MAX_BYTES + 1).to_bytes(4, "big") + b"x" * (MAX_BYTES + 1),
        b"\x01\x81\xa1f\x91\xdb" + (MAX_BYTES + 1).to_bytes(4, "big") + b"x" * (MAX_BYTES + 1),
    ]
    for data in bad:
        with pytest.raises(ValueError, match="vocabular"):
            Vocabularies.decode(data)


def test_an_encoder_says_whether_it_needs_vocabularies() -> None:
    feature = VocabularyFeature(field="region")
    within = InteractionFeature(left=LogFeature(field="priority"), right=feature)
    for learning in (feature, within):
        encoder = Encoder(ContextSpec(features=[learning]))
        assert encoder.learns
        for one in (request(region="eu"), request()):
            with pytest.raises(ValueError, match="needs the vocabularies of its route"):
                encoder.encode(one, 0)
    assert Encoder(ContextSpec()).learns
    without = Encoder(ContextSpec(features=[]))
    assert not without.learns
    assert len(without.encode(request(), 0, None)) == 4
