"""The small rules that listings are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.listing import beyond, beyond_cut, start_of, token_of
from gateway.errors import ArgumentInvalid


@given(prefix=st.binary(max_size=4), other=st.binary(max_size=6))
def test_beyond_a_prefix_lies_exactly_what_is_greater_than_all_under_it(prefix: bytes, other: bytes) -> None:
    bound = beyond(prefix)
    is_beyond = bound is not None and other >= bound
    assert is_beyond == (other > prefix and not other.startswith(prefix))


@given(start=st.binary(max_size=50))
def test_a_token_opens_to_what_was_sealed(start: bytes) -> None:
    assert start_of(token_of(start)) == start


@pytest.mark.parametrize("token", ["a", "a===", "*", "é", "YQ==YQ=="])
def test_a_token_of_another_make_is_refused(token: str) -> None:
    with pytest.raises(ArgumentInvalid):
        start_of(token)


def test_a_cut_takes_the_keys_under_it_along_only_if_it_is_a_common_prefix() -> None:
    assert beyond_cut(b"a/", b"", b"/") == b"a0"
    assert beyond_cut(b"a/", b"", b"") == b"a/\0"
    assert beyond_cut(b"a/b/", b"", b"/") == b"a/b/\0"
    assert beyond_cut(b"a/b/", b"a/", b"/") == b"a/b0"
    assert beyond_cut(b"", b"a/", b"/") == b""
