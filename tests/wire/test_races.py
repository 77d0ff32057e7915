"""Two writers at once: conditions are judged at the commit, and one of the two is told."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.real.wire import Answer, answer_of
from tests.wire.place import Place

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SIZE = 300_000


@contextmanager
def half_sent(place: Place, key: str, headers: Mapping[str, str]) -> Iterator[socket.socket]:
    """A PUT whose checks are behind it: the node asked for the body, and half of it is on its way."""
    given = {"content-length": str(SIZE), "expect": "100-continue", **headers}
    with place.wire.connect() as sock:
        sock.sendall(place.wire.head("PUT", place.target(key), given))
        assert sock.recv(1024).startswith(b"HTTP/1.1 100 ")
        sock.sendall(bytes(SIZE // 2))
        yield sock


def finish(sock: socket.socket) -> Answer:
    """Sends the rest."""
    sock.sendall(bytes(SIZE - SIZE // 2))
    return answer_of(sock, "PUT")


def test_of_two_that_create_one_wins(place: Place) -> None:
    condition = {"if-none-match": "*"}
    with half_sent(place, "k", condition) as first, half_sent(place, "k", condition) as second:
        assert finish(second).status == 200
        lost = finish(first)
    assert (lost.status, lost.code) == (412, "PreconditionFailed")
    assert place.wire.keys(place.bucket) == ["k"]


@pytest.mark.parametrize(
    ("name", "tag", "status", "code"),
    [
        ("if-match", "{}", 412, "PreconditionFailed"),
        ("if-match", "*", 409, "ConditionalRequestConflict"),
        ("if-none-match", '"other"', 409, "ConditionalRequestConflict"),
    ],
)
def test_of_two_that_replace_one_wins(place: Place, name: str, tag: str, status: int, code: str) -> None:
    condition = {name: tag.format(place.put("k", b"old"))}
    with half_sent(place, "k", condition) as sock:
        place.put("k", b"somebody was faster")
        before = place.state()
        lost = finish(sock)
    assert (lost.status, lost.code) == (status, code)
    assert place.wire.get(place.bucket, "k") == b"somebody was faster"
    assert place.ask("GET", query=[("list-type", "2"), ("encoding-type", "url")]).body == before[0]


def test_what_is_deleted_meanwhile_is_not_replaced(place: Place) -> None:
    condition = {"if-match": place.put("k", b"old")}
    with half_sent(place, "k", condition) as sock:
        place.ask("DELETE", "k")
        lost = finish(sock)
    assert lost.status in (404, 412)
    assert place.wire.keys(place.bucket) == []


def test_without_conditions_the_last_to_end_wins(place: Place) -> None:
    with half_sent(place, "k", {}) as sock:
        place.put("k", b"in between")
        assert place.wire.get(place.bucket, "k") == b"in between"
        assert finish(sock).status == 200
    assert place.wire.get(place.bucket, "k") == bytes(SIZE)


def test_a_bucket_that_is_deleted_under_a_write_takes_nothing(local: Place) -> None:
    with half_sent(local, "k", {}) as sock:
        assert local.ask("DELETE").status == 204
        lost = finish(sock)
    assert (lost.status, lost.code) == (404, "NoSuchBucket"), lost
    assert local.directory is not None
    assert not local.directory.exists()


def test_a_read_goes_on_with_the_version_it_began_with(place: Place) -> None:
    # More than the kernels on both sides hold, so that the node has not read all of it yet.
    old, new = b"old!" * (6 * MIB), b"new!" * (6 * MIB)
    place.put("k", old)
    with place.wire.connect() as sock:
        sock.sendall(place.wire.head("GET", place.target("k"), {"connection": "close"}))
        got = bytearray(sock.recv(100))
        place.put("k", new)
        while chunk := sock.recv(MIB):
            got += chunk
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == old
    assert place.wire.get(place.bucket, "k") == new
