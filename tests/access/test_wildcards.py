"""Wildcards against the regular expressions they stand for."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from gateway.access.wildcards import compile_wildcard

PATTERNS = st.text("ab/*?", max_size=12)
TEXTS = st.text("ab/", max_size=14)


def as_regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL)


@given(PATTERNS, TEXTS)
def test_a_pattern_matches_what_its_regular_expression_matches(pattern: str, text: str) -> None:
    assert compile_wildcard(pattern).matches(text.encode()) == (as_regex(pattern).fullmatch(text) is not None)


@given(PATTERNS, TEXTS, TEXTS)
def test_a_match_of_any_longer_text_is_foreseen_from_its_beginning(pattern: str, start: str, rest: str) -> None:
    wildcard = compile_wildcard(pattern)
    if wildcard.matches((start + rest).encode()):
        assert wildcard.matches_some_beginning_with(start.encode())


@given(PATTERNS, TEXTS)
def test_a_beginning_is_called_matchable_only_if_some_text_with_it_matches(pattern: str, start: str) -> None:
    wildcard = compile_wildcard(pattern)
    if wildcard.matches_some_beginning_with(start.encode()):
        # After the pattern's first stretch a star takes the rest of `start`; what follows can be spelt out.
        first, _, others = pattern.partition("*")
        spelt = others.replace("*", "").replace("?", "a")
        endings = [spelt, first[len(start) :].replace("?", "a") + spelt]
        assert any(wildcard.matches((start + ending).encode()) for ending in endings)


def test_a_pattern_of_many_stars_is_decided_quickly() -> None:
    wildcard = compile_wildcard("*a" * 200 + "*b")
    started = time.perf_counter()
    assert not wildcard.matches(b"a" * 1024)
    assert time.perf_counter() - started < 0.5


def test_a_pattern_with_letters_beyond_ascii_matches_their_bytes() -> None:
    assert compile_wildcard("é*").matches("élan".encode())
    assert not compile_wildcard("é*").matches(b"elan")
