"""The connection, driven by bytes on a transport of our own: every cut of a stream means the same requests."""

from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.server import framing
from gateway.server.connection import HEAD_TIME_MAX_S, IDLE_MAX_S, LINGER_TIME_MAX_S, PIPELINE_MAX, Connection
from gateway.server.listener import GOODBYE_TIME_MAX_S
from tests.server.conversation import Peer, converse, cuts

PUT = (
    b"PUT /train/a//b%20c?x=1 HTTP/1.1\r\nHost: example.org\r\nX-Amz-Date:  20260101T000000Z \r\n"
    b"X-Empty:\r\nContent-Length: 11\r\n\r\nhello world"
)
CHUNKED = (
    b"PUT /train/k HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: y\r\n\r\n"
)
GET = b"GET /train/\xc3\xa9?prefix=%2F HTTP/1.1\r\nHost: example.org\r\n\r\n"


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 2000), max_size=12))
@example(set(range(700)))
def test_a_stream_of_requests_means_the_same_however_it_is_cut(places: set[int]) -> None:
    stream = b"\r\n" + PUT + CHUNKED + PUT
    outcome = converse(cuts(stream, places))
    assert [(seen.head.method, seen.head.target, seen.body) for seen in outcome.seen] == [
        ("PUT", b"/train/a//b%20c?x=1", b"hello world"),
        ("PUT", b"/train/k", b"hello world"),
        ("PUT", b"/train/a//b%20c?x=1", b"hello world"),
    ]
    assert outcome.seen[0].head.fields == (
        (b"host", b"example.org"),
        (b"x-amz-date", b"20260101T000000Z"),
        (b"x-empty", b""),
        (b"content-length", b"11"),
    )
    assert outcome.refused == []
    assert outcome.written.count(b"HTTP/1.1 200 OK") == 3


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, len(GET)), max_size=6))
def test_raw_utf_8_in_a_request_line_becomes_escapes_however_it_is_cut(places: set[int]) -> None:
    outcome = converse(cuts(GET, places))
    assert [seen.head.target for seen in outcome.seen] == [b"/train/%C3%A9?prefix=%2F"]


def test_trailers_of_http_chunks_are_no_fields() -> None:
    outcome = converse([CHUNKED])
    assert b"x-trailer" not in dict(outcome.seen[0].head.fields)


def test_pipelined_requests_are_answered_in_order() -> None:
    get = b"GET /%d HTTP/1.1\r\nHost: example.org\r\n\r\n"
    outcome = converse([b"".join(get % number for number in range(5))])
    assert [seen.head.target for seen in outcome.seen] == [b"/%d" % number for number in range(5)]
    assert outcome.written.count(b"HTTP/1.1 200 OK") == 5


def test_pipelined_requests_before_a_broken_one_are_answered_and_the_last_answer_closes() -> None:
    get = b"GET /%d HTTP/1.1\r\nHost: example.org\r\n\r\n"
    outcome = converse([get % 0 + get % 1 + b"nonsense\n\n", get % 2])
    assert [seen.head.target for seen in outcome.seen] == [b"/0", b"/1"]
    first, last = outcome.written.split(b"HTTP/1.1 200 OK")[1:]
    assert b"connection: close" not in first
    assert b"connection: close" in last
    assert b"connection: close\r\n" in outcome.written


def test_a_client_that_takes_no_answers_gets_no_more_of_them() -> None:
    get = b"GET /%d HTTP/1.1\r\nHost: example.org\r\n\r\n"

    def stop_taking(connection: Connection) -> None:
        connection.pause_writing()
        connection.data_received(get % 1 + get % 2)

    def take_all(connection: Connection) -> None:
        stop_taking(connection)
        connection.resume_writing()

    assert [seen.head.target for seen in converse([get % 0], then=stop_taking).seen] == [b"/0"]
    assert [seen.head.target for seen in converse([get % 0], then=take_all).seen] == [b"/0", b"/1", b"/2"]


def test_only_so_many_requests_may_wait_on_a_connection() -> None:
    get = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
    outcome = converse([get * (PIPELINE_MAX + 50)] + [b""] * PIPELINE_MAX)
    assert len(outcome.seen) == PIPELINE_MAX + 1
    assert b"connection: close\r\n" in outcome.written


def empty_lines_s(count: int) -> float:
    """Processor time for a request behind 30 segments of so many empty lines."""
    started_s = process_time()
    outcome = converse([b"\r\n" * count] * 30 + [b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"])
    assert len(outcome.seen) == 1
    return process_time() - started_s


def test_empty_lines_before_a_request_cost_little_however_many_there_are() -> None:
    few_s, many_s = (empty_lines_s(count) for count in (10_000, 100_000))
    # Ten times the lines may cost ten times as much; a copy of all that follows each line cost a hundred times.
    assert many_s < 40 * max(few_s, 0.01)


def test_a_trailer_without_end_is_refused_before_it_fills_memory() -> None:
    outcome = converse([CHUNKED.partition(b"x-trailer")[0] + b"x: ", *[b"a" * 1024] * 6])
    assert [seen.error for seen in outcome.seen] == ["BodyIncomplete"]
    assert b"connection: close\r\n" in outcome.written


def test_a_body_that_nobody_wants_does_not_keep_an_idle_connection_alive() -> None:
    def send_a_little_more(connection: Connection) -> None:
        connection.data_received(b"ello")

    outcome = converse([PUT[:-10]], then=send_a_little_more, reads_bodies=False, later_s=IDLE_MAX_S + 1)
    assert b"HTTP/1.1 200 OK" in outcome.written
    assert outcome.closed, "nothing would ever end this connection"


CLOSING = b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"


def test_a_client_that_never_says_goodbye_is_hung_up_on() -> None:
    assert not converse([CLOSING], later_s=GOODBYE_TIME_MAX_S - 1).aborted
    assert converse([CLOSING], later_s=GOODBYE_TIME_MAX_S + 1).aborted


def test_a_client_that_does_not_take_its_last_answer_is_given_up() -> None:
    def stop_taking(connection: Connection) -> None:
        connection.data_received(CLOSING)
        connection.pause_writing()

    assert not converse([], then=stop_taking, later_s=IDLE_MAX_S - 1).aborted
    assert converse([], then=stop_taking, later_s=IDLE_MAX_S + 1).aborted


def test_an_idle_connection_ends() -> None:
    for segments in ([], [GET]):
        assert not converse(segments, later_s=IDLE_MAX_S - 1).closed
        assert converse(segments, later_s=IDLE_MAX_S + 1).closed


def test_a_head_that_takes_too_long_is_refused() -> None:
    for started in (b"GE", b"GET / HTTP/1.1\r\nHost: ex"):
        assert converse([started], later_s=HEAD_TIME_MAX_S - 1).refused == []
        assert converse([started], later_s=HEAD_TIME_MAX_S + 1).refused == ["RequestTimeout"]


def test_what_follows_a_refusal_is_read_only_for_a_moment() -> None:
    broken = [b"GET / HTTP/1.1\r\nno field\r\n\r\n"]
    assert not converse(broken, later_s=LINGER_TIME_MAX_S - 1).aborted
    assert converse(broken, later_s=LINGER_TIME_MAX_S + 1).aborted


def test_an_absolute_target_arrives_as_it_was_sent() -> None:
    outcome = converse([b"GET http://other.org:9000/b//k?x HTTP/1.1\r\nHost: example.org\r\n\r\n"])
    assert outcome.seen[0].head.target == b"http://other.org:9000/b//k?x"


SMUGGLING = {
    "length and coding": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
    "signed length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
    "empty length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\nabc",
    "long length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 00000000000000000003\r\n\r\nabc",
    "chunked not last": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "other coding": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n",
    "bare CR": b"GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n",
    "blank before colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "folded line": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
    "control in value": b"GET / HTTP/1.1\r\nHost: h\r\nA: b\x01\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    "unknown version": b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
}


def test_a_request_whose_framing_is_ambiguous_is_refused_and_nothing_after_it_is_read() -> None:
    follower = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
    for name, data in SMUGGLING.items():
        outcome = converse([data, follower])
        assert outcome.refused in (["BadRequest"], ["NotImplemented"]), name
        assert outcome.seen == [], name
        assert b"connection: close" in outcome.written, name


def test_a_head_of_many_fields_or_bytes_is_refused() -> None:
    many = b"".join(b"x-%d: 1\r\n" % number for number in range(framing.FIELDS_MAX + 1))
    for head in (
        b"GET / HTTP/1.1\r\nHost: h\r\n" + many + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nx: " + b"a" * framing.HEAD_SIZE_MAX + b"\r\n\r\n",
        b"GET /" + b"a" * framing.TARGET_SIZE_MAX + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    ):
        for segments in ([head], [head[at : at + 1000] for at in range(0, len(head), 1000)]):
            outcome = converse(segments)
            assert outcome.refused == ["RequestHeaderSectionTooLarge"]
            assert outcome.seen == []


def test_a_head_without_end_is_refused_before_it_fills_memory() -> None:
    line = b"x" * 4096
    outcome = converse([b"GET / HTTP/1.1\r\nHost: h\r\nx: ", *[line] * 30])
    assert outcome.refused == ["RequestHeaderSectionTooLarge"]


def test_broken_chunks_end_the_body_with_an_error_and_the_connection() -> None:
    outcome = converse([CHUNKED.partition(b"6\r\n")[0], b"nonsense\r\n"])
    assert [seen.error for seen in outcome.seen] == ["BodyIncomplete"]
    assert outcome.refused == []
    assert b"connection: close" in outcome.written


def test_what_follows_a_broken_body_is_read_for_a_moment_so_that_the_client_sees_the_answer() -> None:
    broken = [CHUNKED.partition(b"6\r\n")[0], b"nonsense\r\n"]
    assert not converse([*broken, b"more"]).closed
    assert converse([*broken, *[bytes(64 * 1024)] * 17]).closed


def test_a_client_that_leaves_in_the_middle_of_a_body_makes_it_incomplete() -> None:
    outcome = converse([PUT[:-3]], then=lambda connection: connection.connection_lost(None))
    assert [seen.error for seen in outcome.seen] == ["BodyIncomplete"]


def test_a_client_that_only_stops_sending_still_gets_its_answer() -> None:
    def send_and_stop(connection: Connection) -> None:
        connection.data_received(PUT)
        assert connection.eof_received(), "the connection stays open for the answer"

    outcome = converse([], then=send_and_stop)
    assert b"HTTP/1.1 200 OK" in outcome.written
    assert outcome.closed


def test_continue_is_sent_when_the_body_is_asked_for() -> None:
    head, _, body = PUT.partition(b"\r\n\r\n")
    outcome = converse([head + b"\r\nExpect: 100-Continue\r\n\r\n", body])
    assert outcome.written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_continue_is_sent_for_an_empty_body_as_well() -> None:
    # Without it awscli 1.46 takes this answer's status for the next one on the connection, and hangs.
    outcome = converse([b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"])
    assert outcome.written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert not outcome.closed


def test_http_10_is_served_and_closed() -> None:
    outcome = converse([b"GET / HTTP/1.0\r\n\r\n"])
    assert outcome.closed
    assert outcome.written.startswith(b"HTTP/1.1 200 OK")
    assert b"transfer-encoding" not in outcome.written


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
)
def test_an_upgrade_with_a_body_is_refused_before_the_body_is_lost(framing: bytes) -> None:
    head = b"PUT /k HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
    for segments in ([head + framing], [head, framing]):
        outcome = converse(segments)
        assert outcome.refused == ["BadRequest"]
        assert outcome.seen == []


def test_an_upgrade_is_not_offered_and_the_request_is_answered() -> None:
    outcome = converse([b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"])
    assert outcome.written.startswith(b"HTTP/1.1 200 OK")
    assert outcome.closed


FRAGMENTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n", b"PUT /k HTTP/1.1\r\n", b"POST /b?x HTTP/1.0\r\n", b"Host: h\r\n", b"\r\n",
        b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"hello",
        b"5\r\nhello\r\n", b"0\r\n\r\n", b"A: b\r\n", b"A : b\r\n", b" folded\r\n", b"\n", b"\r", b"\x00",
        b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: identity\r\n", b"a", b":", b"Connection: close\r\n",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14).map(b"".join))
def test_message_boundaries_are_those_of_h11_for_whatever_both_accept(data: bytes) -> None:
    peer = Peer()
    accepted = peer.accepts(data)
    outcome = converse([data])
    if not accepted or outcome.refused or any(seen.error for seen in outcome.seen):
        return
    ours = [(seen.head.method.encode(), seen.head.target, seen.body) for seen in outcome.seen]
    assert ours[: len(peer.requests)] == peer.requests[: len(ours)]
