"""The word of `x-cache`."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.words import Facts, Source, word

PRECEDENCE = ("bypass", "fill", "peer", "stale", "revalidated")


@given(held=st.tuples(*[st.booleans()] * 5))
def test_the_first_word_that_holds_is_said(held: tuple[bool, bool, bool, bool, bool]) -> None:
    bypassed, filled, from_peer, is_stale, revalidated = held
    said = word(
        Facts(bypassed=bypassed, filled=filled, from_peer=from_peer, is_stale=is_stale, revalidated=revalidated)
    )
    holding = [name for name, holds in zip(PRECEDENCE, held, strict=True) if holds]
    assert said.value == (holding[0] if holding else "hit")


def test_the_words_are_those_that_clients_know() -> None:
    assert {source.value for source in Source} == {*PRECEDENCE, "hit"}
