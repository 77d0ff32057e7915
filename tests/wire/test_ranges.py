"""Ranges and parts of objects."""

import pytest

from tests.wire.place import Place, text

pytestmark = pytest.mark.slow

BODY = bytes(range(10))
MIB = 1024 * 1024

SATISFIABLE = [
    ("bytes=0-9", 0, 10),
    ("bytes=2-5", 2, 6),
    ("bytes=5-5", 5, 6),
    ("bytes=5-", 5, 10),
    ("bytes=5-99999999999999999999", 5, 10),
    ("bytes=9-100", 9, 10),
    ("bytes=-3", 7, 10),
    ("bytes=-100", 0, 10),
    ("Bytes=1-2", 1, 3),
]
UNSATISFIABLE = ["bytes=10-", "bytes=10-12", "bytes=9999999999-", "bytes=-0"]
IGNORED = [
    "bytes=0-1,3-4",
    "items=0-1",
    "bytes=5-2",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "nonsense",
    "bytes=12345678901234567890-",
    "bytes=+1-2",
]


@pytest.mark.parametrize(("range_", "start", "stop"), [row for row in SATISFIABLE if len(row[0]) < 25])
def test_a_range_is_that_slice(place: Place, range_: str, start: int, stop: int) -> None:
    place.put("k", BODY)
    for method in ("GET", "HEAD"):
        answer = place.ask(method, "k", headers={"range": range_})
        assert answer.status == 206, answer
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/10"
        assert answer.headers["content-length"] == str(stop - start)
        assert answer.body == (BODY[start:stop] if method == "GET" else b"")


@pytest.mark.parametrize("range_", UNSATISFIABLE)
def test_a_range_past_the_end_is_told_with_the_size(place: Place, range_: str) -> None:
    place.put("k", BODY)
    answer = place.ask("GET", "k", headers={"range": range_})
    assert (answer.status, answer.code) == (416, "InvalidRange")
    assert (text(answer, "RangeRequested"), text(answer, "ActualObjectSize")) == (range_, "10")
    assert answer.headers["content-range"] == "bytes */10"
    head = place.ask("HEAD", "k", headers={"range": range_})
    assert (head.status, head.body, head.headers["content-range"]) == (416, b"", "bytes */10")


@pytest.mark.parametrize("range_", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_an_empty_object_has_no_range(place: Place, range_: str) -> None:
    place.put("k")
    for method in ("GET", "HEAD"):
        answer = place.ask(method, "k", headers={"range": range_})
        assert (answer.status, answer.headers["content-range"]) == (416, "bytes */0")


@pytest.mark.parametrize("range_", [*IGNORED, "bytes=5-99999999999999999999"])
def test_a_range_that_is_none_is_ignored(place: Place, range_: str) -> None:
    place.put("k", BODY)
    for method in ("GET", "HEAD"):
        answer = place.ask(method, "k", headers={"range": range_})
        assert (answer.status, answer.headers["content-length"]) == (200, "10")
        assert "content-range" not in answer.headers


def test_a_range_of_a_large_object_is_streamed(place: Place) -> None:
    body = bytes(range(256)) * (3 * MIB // 256)
    place.put("k", body)
    answer = place.ask("GET", "k", headers={"range": f"bytes=1000-{2 * MIB + 1000}"})
    assert (answer.status, answer.body) == (206, body[1000 : 2 * MIB + 1001])
    assert place.wire.get(place.bucket, "k") == body


def test_a_plain_object_is_one_part(place: Place) -> None:
    place.put("k", BODY)
    answer = place.ask("GET", "k", [("partNumber", "1")])
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, BODY, "bytes 0-9/10")
    assert "x-amz-mp-parts-count" not in answer.headers
    beyond = place.ask("GET", "k", [("partNumber", "2")])
    assert (beyond.status, beyond.code) == (416, "InvalidPartNumber")


def test_an_empty_object_is_one_empty_part(place: Place) -> None:
    place.put("k")
    answer = place.ask("GET", "k", [("partNumber", "1")])
    assert answer.status in (200, 206)
    assert answer.body == b""


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", ""])
def test_a_part_number_is_1_to_10000(place: Place, number: str) -> None:
    place.put("k", BODY)
    answer = place.ask("GET", "k", [("partNumber", number)])
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", "partNumber")


def test_a_part_and_a_range_cannot_be_asked_together(place: Place) -> None:
    place.put("k", BODY)
    answer = place.ask("GET", "k", [("partNumber", "1")], {"range": "bytes=0-1"})
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_the_parts_of_an_upload_can_be_read_one_by_one(place: Place) -> None:
    upload = text(place.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    parts = {2: b"a" * (5 * MIB), 7: b"b" * (5 * MIB), 9: b"tail"}
    lines = ""
    for number, body in parts.items():
        answer = place.ask("PUT", "k", [("partNumber", str(number)), ("uploadId", upload)], body=body)
        lines += f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>".encode()
    assert place.ask("POST", "k", [("uploadId", upload)], body=document).status == 200
    for position, body in enumerate(parts.values(), 1):
        answer = place.ask("GET", "k", [("partNumber", str(position))])
        assert (answer.status, answer.headers["x-amz-mp-parts-count"]) == (206, "3")
        assert answer.body == body
        head = place.ask("HEAD", "k", [("partNumber", str(position))])
        assert (head.status, head.headers["content-length"]) == (206, str(len(body)))
    assert place.ask("GET", "k", [("partNumber", "4")]).code == "InvalidPartNumber"
    assert "x-amz-mp-parts-count" not in place.ask("HEAD", "k").headers
