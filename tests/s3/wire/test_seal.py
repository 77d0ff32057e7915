"""Envelopes: opened by whoever shares a key, for the same purpose; by nobody once altered."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.seal import SEALED_SIZE_MAX, Sealer, pack, unpack

KEYS = [b"first key", b"second key"]


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_for_everybody_who_has_the_key(payload: bytes) -> None:
    sealed = Sealer(KEYS, "tokens").seal(payload)
    assert sealed.replace("-", "").replace("_", "").isalnum()
    assert Sealer(KEYS[:1], "tokens").open(sealed) == payload
    assert Sealer([b"new", *KEYS], "tokens").open(sealed) == payload


def test_other_names_and_other_keys_do_not_open() -> None:
    sealed = Sealer(KEYS, "tokens").seal(b"payload")
    assert Sealer(KEYS, "uploads").open(sealed) is None
    assert Sealer(KEYS[1:], "tokens").open(sealed) is None


@given(st.binary(max_size=60), st.integers(min_value=0), st.characters(max_codepoint=0x2FF))
def test_one_changed_character_closes_an_envelope_for_ever(payload: bytes, at: int, character: str) -> None:
    sealer = Sealer(KEYS, "tokens")
    sealed = sealer.seal(payload)
    at %= len(sealed)
    changed = sealed[:at] + character + sealed[at + 1 :]
    assert (sealer.open(changed) is None) == (changed != sealed)


@given(st.text(max_size=80))
def test_random_text_opens_nothing_and_raises_nothing(text: str) -> None:
    assert Sealer(KEYS, "tokens").open(text) is None


def test_an_envelope_above_the_limit_is_not_ours() -> None:
    sealer = Sealer(KEYS, "tokens")
    assert sealer.open(sealer.seal(b"x" * SEALED_SIZE_MAX)) is None


@given(st.lists(st.binary(max_size=20)))
def test_unpacking_undoes_packing(fields: list[bytes]) -> None:
    assert unpack(pack(fields)) == fields
