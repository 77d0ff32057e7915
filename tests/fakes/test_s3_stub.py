"""The stub answers as S3 does, sends the bytes it says, counts them, and fails as it was told."""

import hashlib
import http.client
import re
import time
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.content import made, made_etag, size_named, slices
from tests.fakes.pace import BURST_S
from tests.fakes.stub import BUCKET, Stub

MIB = 1024 * 1024
GIB = 1024 * MIB
SIZES = st.integers(0, 3 * MIB)


@pytest.fixture(scope="module")
def running() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def stub(running: Stub) -> Stub:
    """A running stub that counts from here on and has no faults."""
    running.calm()
    running.pace()
    running.reset()
    return running


class Exchange:
    """One answer: status, headers with names in lower case, body."""

    def __init__(
        self, stub: Stub, method: str, key: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", stub.port, timeout=20)
        try:
            connection.request(method, f"/{BUCKET}/{key}", body, dict(headers or {}))
            answer = connection.getresponse()
            self.status = answer.status
            self.headers = {name.lower(): value for name, value in answer.getheaders()}
            self.body = answer.read()
        finally:
            connection.close()


@given(st.integers(0, 5 * GIB), SIZES, st.integers(0, MIB))
def test_slices_of_made_content_are_stretches_of_one_content(start: int, size: int, offset: int) -> None:
    whole = made("a", 1, start, start + size)
    assert len(whole) == size
    assert all(len(part) <= 256 * 1024 for part in slices("a", 1, start, start + size))
    assert made("a", 1, start + offset, max(start + offset, start + size)) == whole[offset:]


def test_no_two_blocks_objects_or_versions_are_alike() -> None:
    blocks = {made("a", 1, number * MIB, (number + 1) * MIB) for number in range(64)}
    assert len(blocks) == 64
    assert len({made("a", 1, 0, MIB), made("a", 2, 0, MIB), made("b", 1, 0, MIB)}) == 3


@pytest.mark.parametrize(("name", "size"), [("x-4KiB", 4096), ("a/b-7B", 7), ("o-10GiB", 10 * GIB), ("x-4", None)])
def test_a_name_tells_a_size(name: str, size: int | None) -> None:
    assert size_named(name) == size


def test_a_range_of_a_huge_object_is_sent_and_counted_per_block(stub: Stub) -> None:
    key, start, stop = "huge-10GiB", 5 * GIB + 17, 5 * GIB + 2 * MIB
    found = Exchange(stub, "GET", key, {"range": f"bytes={start}-{stop - 1}"})
    assert (found.status, found.headers["content-range"]) == (206, f"bytes {start}-{stop - 1}/{10 * GIB}")
    assert found.body == made(f"{BUCKET}/{key}", 1, start, stop)
    traffic = stub.traffic(key)
    assert traffic.blocks == {5 * 1024: MIB - 17, 5 * 1024 + 1: MIB}
    assert traffic.requests == {"GET 206": 1}
    assert stub.traffic().reads == 1


def test_a_whole_object_is_sent_once(stub: Stub) -> None:
    key = "whole-3000000B"
    found = Exchange(stub, "GET", key)
    assert found.body == made(f"{BUCKET}/{key}", 1, 0, 3_000_000)
    assert found.headers["etag"] == f'"{made_etag(f"{BUCKET}/{key}", 1)}"'
    assert stub.traffic(key).each_byte_once(3_000_000)


def test_head_conditions_and_ranges_outside_are_answered_as_s3_does(stub: Stub) -> None:
    etag = Exchange(stub, "HEAD", "o-1MiB").headers["etag"]
    assert Exchange(stub, "HEAD", "o-1MiB").headers["content-length"] == str(MIB)
    assert Exchange(stub, "GET", "o-1MiB", {"if-none-match": etag}).status == 304
    assert Exchange(stub, "GET", "o-1MiB", {"if-match": '"other"'}).status == 412
    assert Exchange(stub, "GET", "o-1MiB", {"range": "bytes=-5"}).headers["content-range"].startswith("bytes 1048571-")
    outside = Exchange(stub, "GET", "o-1MiB", {"range": f"bytes={MIB}-"})
    assert (outside.status, outside.headers["content-range"]) == (416, f"bytes */{MIB}")
    assert Exchange(stub, "GET", "nothing").status == 404


def test_a_bumped_object_has_another_tag_time_and_content(stub: Stub) -> None:
    before = Exchange(stub, "GET", "bumped-5B")
    stub.bump("bumped-5B")
    after = Exchange(stub, "GET", "bumped-5B")
    assert before.headers["etag"] != after.headers["etag"]
    assert before.headers["last-modified"] != after.headers["last-modified"]
    assert before.body != after.body
    stub.delete("bumped-5B")
    assert Exchange(stub, "GET", "bumped-5B").status == 404


def test_written_and_uploaded_bodies_come_back(stub: Stub) -> None:
    body = made("x", 1, 0, 2 * MIB)
    written = Exchange(stub, "PUT", "w", {"x-amz-meta-a": "b"}, body)
    assert written.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert Exchange(stub, "GET", "w").body == body
    assert Exchange(stub, "HEAD", "w").headers["x-amz-meta-a"] == "b"
    assert Exchange(stub, "PUT", "w", {"if-none-match": "*"}, body).status == 412
    begun = Exchange(stub, "POST", "u?uploads").body.decode()
    upload = begun.partition("<UploadId>")[2].partition("</UploadId>")[0]
    for number in (1, 2):
        assert Exchange(stub, "PUT", f"u?partNumber={number}&uploadId={upload}", {}, body).status == 200
    listed = Exchange(stub, "GET", f"u?uploadId={upload}").body
    assert listed.count(b"<Part>") == 2
    document = b"<C><Part><PartNumber>1</PartNumber></Part><Part><PartNumber>2</PartNumber></Part></C>"
    assert b"-2&quot;" in Exchange(stub, "POST", f"u?uploadId={upload}", {}, document).body
    assert Exchange(stub, "GET", "u").body == body * 2


def test_listing_pages_through_declared_objects(stub: Stub) -> None:
    keys = stub.declare("many/", 2500, "-4KiB")
    found: list[str] = []
    token = ""
    while True:
        page = Exchange(stub, "GET", f"?list-type=2&encoding-type=url&prefix=many/{token}").body.decode()
        found += [unquote(key) for key in re.findall("<Key>(.*?)</Key>", page)]
        if "<IsTruncated>false" in page:
            break
        token = "&continuation-token=" + page.partition("<NextContinuationToken>")[2].partition("<")[0]
    assert found == keys
    folded = Exchange(stub, "GET", "?list-type=2&delimiter=/&prefix=ma").body
    assert folded.count(b"<CommonPrefixes>") == 1
    assert b"<Key>" not in folded


def test_faults_befall_as_many_requests_as_they_were_armed_for(stub: Stub) -> None:
    stub.fault("status", status=503, count=2)
    assert [Exchange(stub, "GET", "o-1MiB").status for _ in range(3)] == [503, 503, 200]


def test_a_write_that_is_refused_changes_nothing(stub: Stub) -> None:
    stub.fault("status", method="PUT")
    assert Exchange(stub, "PUT", "refused", {}, b"body").status == 503
    assert Exchange(stub, "GET", "refused").status == 404


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_broken_answer_breaks_off_after_its_bytes(stub: Stub, kind: str) -> None:
    stub.fault(kind, "o-1MiB", after=300_000)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        Exchange(stub, "GET", "o-1MiB")
    assert stub.traffic("o-1MiB").bytes == 300_000


def test_a_short_answer_looks_whole(stub: Stub) -> None:
    stub.fault("short", after=1000)
    found = Exchange(stub, "GET", "o-1MiB")
    assert (found.status, len(found.body)) == (200, 1000)


def test_a_change_in_the_middle_leaves_the_running_answer_whole(stub: Stub) -> None:
    stub.fault("change", "c-1MiB", after=1000)
    assert Exchange(stub, "GET", "c-1MiB").body == made(f"{BUCKET}/c-1MiB", 1, 0, MIB)
    assert Exchange(stub, "GET", "c-1MiB").body == made(f"{BUCKET}/c-1MiB", 2, 0, MIB)


def test_a_held_answer_goes_on_when_the_stub_is_calmed(stub: Stub) -> None:
    stub.fault("hold", "h-1MiB", after=1000)
    connection = http.client.HTTPConnection("127.0.0.1", stub.port, timeout=20)
    connection.request("GET", f"/{BUCKET}/h-1MiB")
    answer = connection.getresponse()
    assert len(answer.read(1000)) == 1000
    assert stub.traffic("h-1MiB").bytes == 1000
    stub.calm()
    assert len(answer.read()) == MIB - 1000
    connection.close()


def test_a_bandwidth_holds_over_all_bytes(stub: Stub) -> None:
    stub.pace(rate=20 * MIB)
    started = time.monotonic()
    assert Exchange(stub, "GET", "o-1MiB").body == made(f"{BUCKET}/o-1MiB", 1, 0, MIB)
    assert time.monotonic() - started >= 1 / 20 - 2 * BURST_S
