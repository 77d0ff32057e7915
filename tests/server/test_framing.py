"""What the parser lets pass and we do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestMalformed, Unsupported
from gateway.s3.target import parse_query, unquote
from gateway.server.framing import ascii_line, frame

HOST = (b"host", b"example.org")


def test_a_head_without_length_or_coding_has_no_body() -> None:
    assert not frame("1.1", (HOST,)).has_body


def test_a_length_is_taken_as_it_is() -> None:
    assert frame("1.1", (HOST, (b"content-length", b"5"))).length == 5


def test_a_chunked_body_has_no_length() -> None:
    framing = frame("1.1", (HOST, (b"transfer-encoding", b"Chunked")))
    assert framing.length is None
    assert framing.has_body


@pytest.mark.parametrize("value", [b"1" * 20, b"-1", b"+1", b"", b"1 1", b"0x10", b"1,1", "\u0661".encode()])
def test_a_length_that_is_no_plain_number_is_refused(value: bytes) -> None:
    with pytest.raises(RequestMalformed):
        frame("1.1", (HOST, (b"content-length", value)))


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip", b"identity", b"chunked, chunked"])
def test_another_transfer_coding_is_not_implemented(coding: bytes) -> None:
    with pytest.raises(Unsupported):
        frame("1.1", (HOST, (b"transfer-encoding", coding)))


def test_a_transfer_coding_does_not_exist_in_http_10() -> None:
    with pytest.raises(RequestMalformed):
        frame("1.0", ((b"transfer-encoding", b"chunked"),))


@pytest.mark.parametrize("hosts", [(), (HOST, HOST)])
def test_http_11_has_exactly_one_host(hosts: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(RequestMalformed):
        frame("1.1", hosts)


def test_http_10_needs_no_host() -> None:
    assert not frame("1.0", ()).has_body


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(RequestMalformed):
        frame(version, (HOST,))


def test_an_expectation_counts_only_where_a_body_is_announced() -> None:
    expect = (b"expect", b"100-Continue")
    assert frame("1.1", (HOST, expect, (b"content-length", b"1"))).expects_continue
    assert frame("1.1", (HOST, expect, (b"content-length", b"0"))).expects_continue
    assert not frame("1.1", (HOST, expect)).expects_continue
    assert not frame("1.0", (expect, (b"content-length", b"1"))).expects_continue
    assert not frame("1.1", (HOST, (b"expect", b""), (b"content-length", b"1"))).expects_continue


@given(st.binary(max_size=40).filter(lambda raw: b"%" not in raw))
def test_making_a_request_line_ascii_changes_no_key_and_no_query(raw: bytes) -> None:
    line = ascii_line(raw)
    assert line.isascii()
    assert unquote(line) == raw
    assert parse_query(line) == parse_query(raw)
