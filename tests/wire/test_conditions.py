"""Conditions of reads, copies, writes and deletes."""

from email.utils import formatdate

import pytest

from tests.real.wire import Answer
from tests.wire.place import Place, text
from tests.wire.sending import send_raw

pytestmark = pytest.mark.slow

BODY = b"0123456789"
ETAG = '"781e5e245d69b566979b86e28d23f2c7"'
OTHER = '"00000000000000000000000000000000"'
LONG_AGO = formatdate(0, usegmt=True)
FAR_AHEAD = formatdate(4e9, usegmt=True)
RFC_850 = "Sunday, 06-Nov-94 08:49:37 GMT"
ASCTIME = "Sun Nov  6 08:49:37 1994"

READS: list[tuple[dict[str, str], int]] = [
    ({"if-match": ETAG}, 200),
    ({"if-match": ETAG.strip('"')}, 200),
    ({"if-match": f"{OTHER}, {ETAG}"}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": OTHER}, 412),
    ({"if-match": f"W/{ETAG}"}, 412),
    ({"if-match": '""'}, 412),
    ({"if-none-match": ETAG}, 304),
    ({"if-none-match": ETAG.strip('"')}, 304),
    ({"if-none-match": f"{OTHER},{ETAG}"}, 304),
    ({"if-none-match": f"W/{ETAG}"}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": OTHER}, 200),
    ({"if-none-match": '""'}, 200),
    ({"if-modified-since": LONG_AGO}, 200),
    ({"if-modified-since": FAR_AHEAD}, 304),
    ({"if-modified-since": RFC_850}, 200),
    ({"if-modified-since": ASCTIME}, 200),
    ({"if-modified-since": "nonsense"}, 200),
    ({"if-unmodified-since": FAR_AHEAD}, 200),
    ({"if-unmodified-since": LONG_AGO}, 412),
    ({"if-unmodified-since": RFC_850}, 412),
    ({"if-unmodified-since": ASCTIME}, 412),
    ({"if-unmodified-since": "nonsense"}, 200),
    ({"if-match": ETAG, "if-unmodified-since": LONG_AGO}, 200),
    ({"if-none-match": OTHER, "if-modified-since": FAR_AHEAD}, 200),
    ({"if-none-match": ETAG, "if-modified-since": LONG_AGO}, 304),
    ({"if-match": OTHER, "if-none-match": ETAG}, 412),
    ({"if-match": ETAG, "if-none-match": ETAG}, 304),
    ({"if-match": ETAG, "range": "bytes=2-3"}, 206),
    ({"if-match": OTHER, "range": "bytes=2-3"}, 412),
    ({"if-match": OTHER, "range": "bytes=99-"}, 412),
    ({"if-none-match": ETAG, "range": "bytes=99-"}, 304),
    ({"if-match": ETAG, "range": "bytes=99-"}, 416),
    ({"if-range": ETAG, "range": "bytes=2-3"}, 206),
    ({"if-range": OTHER, "range": "bytes=2-3"}, 200),
    ({"if-range": f"W/{ETAG}", "range": "bytes=2-3"}, 200),
    ({"if-range": LONG_AGO, "range": "bytes=2-3"}, 200),
    ({"if-range": OTHER, "range": "bytes=99-"}, 200),
    ({"if-range": ETAG}, 200),
]


@pytest.mark.parametrize(("headers", "status"), READS)
def test_conditions_of_reads_follow_the_steps_of_http(place: Place, headers: dict[str, str], status: int) -> None:
    place.put("k", BODY, {"cache-control": "public", "expires": "soon"})
    answer = place.ask("GET", "k", headers=headers)
    head = place.ask("HEAD", "k", headers=headers)
    assert (answer.status, head.status, head.body) == (status, status, b""), answer
    match status:
        case 200:
            assert answer.body == BODY
        case 206:
            assert answer.body == BODY[2:4]
        case 304:
            assert answer.body == b""
            assert {"etag", "last-modified", "cache-control", "expires"} <= answer.headers.keys()
            assert "content-length" not in answer.headers
        case 412:
            assert answer.code == "PreconditionFailed"
            assert text(answer, "Condition") in ("If-Match", "If-Unmodified-Since")
        case _:
            assert answer.code == "InvalidRange"


def test_a_condition_on_the_very_second_of_the_write_holds(place: Place) -> None:
    place.put("k", BODY)
    moment = place.ask("HEAD", "k").headers["last-modified"]
    assert place.ask("GET", "k", headers={"if-modified-since": moment}).status == 304
    assert place.ask("GET", "k", headers={"if-unmodified-since": moment}).status == 200
    assert place.ask("GET", "k", headers={"if-range": moment, "range": "bytes=0-1"}).status == 206


@pytest.mark.parametrize("headers", [{"if-match": "*"}, {"if-none-match": "*"}, {"if-match": '""'}])
def test_a_missing_object_is_missing_before_its_conditions(place: Place, headers: dict[str, str]) -> None:
    answer = place.ask("GET", "missing", headers=headers)
    assert (answer.status, answer.code) == (404, "NoSuchKey")


def test_a_connection_lives_on_after_not_modified(local: Place) -> None:
    local.put("k", BODY)
    unmodified = local.wire.head("GET", local.target("k"), {"if-none-match": ETAG})
    whole = local.wire.head("GET", local.target("k"), {"connection": "close"})
    with local.wire.connect() as sock:
        sock.sendall(unmodified + whole)
        data = b""
        while chunk := sock.recv(65536):
            data += chunk
    assert data.count(b"HTTP/1.1 ") == 2
    assert data.startswith(b"HTTP/1.1 304 ")
    assert data.endswith(BODY)


COPIES = [
    ({f"x-amz-copy-source-{name}": value for name, value in headers.items()}, status)
    for headers, status in READS
    if not {"range", "if-range"} & headers.keys()
]


@pytest.mark.parametrize(("headers", "status"), COPIES)
@pytest.mark.parametrize("query", [(), (("partNumber", "1"), ("uploadId", "?"))], ids=["copy", "part"])
def test_conditions_of_a_copys_source_are_those_of_reads(
    local: Place, headers: dict[str, str], status: int, query: tuple[tuple[str, str], ...]
) -> None:
    local.put("k", BODY)
    upload = text(local.ask("POST", "copy", [("uploads", "")]), "UploadId") or ""
    asked = [(name, upload if value == "?" else value) for name, value in query]
    headers = {"x-amz-copy-source": f"{local.bucket}/k", **headers}
    if status == 200:
        assert local.ask("PUT", "copy", asked, headers).status == 200
        return
    with local.untouched():
        answer = local.ask("PUT", "copy", asked, headers)
    assert (answer.status, answer.code) == (412, "PreconditionFailed")


# Writes.


def write(place: Place, how: str, key: str, headers: dict[str, str]) -> Answer:
    """Writes `new` to the key in one of the ways there are."""
    if how == "put":
        return place.ask("PUT", key, headers=headers, body=b"new")
    if how == "copy":
        place.put("source", b"new")
        return place.ask("PUT", key, headers={"x-amz-copy-source": f"{place.bucket}/source", **headers})
    upload = text(place.ask("POST", key, [("uploads", "")]), "UploadId") or ""
    part = place.ask("PUT", key, [("partNumber", "1"), ("uploadId", upload)], body=b"new")
    document = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>".encode()
    return place.ask("POST", key, [("uploadId", upload)], headers, body)


WRITES: list[tuple[dict[str, str], int | None, int | None]] = [
    ({"if-none-match": "*"}, None, 412),
    ({"if-none-match": ETAG}, None, 412),
    ({"if-none-match": OTHER}, None, None),
    ({"if-match": ETAG}, 404, None),
    ({"if-match": ETAG.strip('"')}, 404, None),
    ({"if-match": f"{OTHER}, {ETAG}"}, 404, None),
    ({"if-match": "*"}, 404, None),
    ({"if-match": OTHER}, 404, 412),
    ({"if-match": f"W/{ETAG}"}, 404, 412),
    ({"if-match": '""'}, 404, 412),
    ({"if-match": ETAG, "if-none-match": "*"}, 404, 412),
    ({"x-amz-if-match-size": "10"}, 501, 501),
    ({"x-amz-if-match-last-modified-time": LONG_AGO}, 501, 501),
    ({"if-modified-since": LONG_AGO}, 501, 501),
    ({"if-unmodified-since": FAR_AHEAD}, 501, 501),
]
"""Headers; the status where nothing is; the status over what is there. None: it is written."""
CODES = {404: "NoSuchKey", 412: "PreconditionFailed", 501: "NotImplemented"}


@pytest.mark.parametrize("how", ["put", "copy", "parts"])
@pytest.mark.parametrize(("headers", "absent", "present"), WRITES)
def test_conditions_of_writes(
    place: Place, how: str, headers: dict[str, str], absent: int | None, present: int | None
) -> None:
    place.put("present", BODY)
    for key, refused in (("absent", absent), ("present", present)):
        before = place.ask("GET", key)
        answer = write(place, how, key, headers)
        if refused is None:
            assert answer.status == 200, answer
            assert place.wire.get(place.bucket, key) == b"new"
        else:
            assert (answer.status, answer.code) == (refused, CODES[refused]), answer
            after = place.ask("GET", key)
            assert (after.status, after.headers.get("etag")) == (before.status, before.headers.get("etag"))


def test_a_condition_that_visibly_fails_answers_before_the_body(place: Place) -> None:
    place.put("k", BODY)
    headers = {"if-none-match": "*", "content-length": "1000000", "expect": "100-continue"}
    with place.untouched():
        answer = send_raw(place.wire, place.wire.head("PUT", place.target("k"), headers), "PUT")
    assert (answer.status, answer.headers["connection"]) == (412, "close")


DELETES: list[tuple[dict[str, str], int, int]] = [
    ({"if-match": ETAG}, 404, 204),
    ({"if-match": "*"}, 404, 204),
    ({"if-match": OTHER}, 404, 412),
    ({"if-match": '""'}, 404, 412),
    ({"x-amz-if-match-size": "10"}, 204, 204),
    ({"x-amz-if-match-size": "11"}, 204, 412),
    ({"x-amz-if-match-last-modified-time": LONG_AGO}, 204, 412),
    ({"if-none-match": "*"}, 501, 501),
    ({"if-modified-since": LONG_AGO}, 501, 501),
    ({"if-unmodified-since": FAR_AHEAD}, 501, 501),
]


@pytest.mark.parametrize(("headers", "absent", "present"), DELETES)
def test_conditions_of_deletes(place: Place, headers: dict[str, str], absent: int, present: int) -> None:
    place.put("present", BODY)
    assert place.ask("DELETE", "absent", headers=headers).status == absent
    assert place.ask("DELETE", "present", headers=headers).status == present
    assert place.wire.keys(place.bucket) == ([] if present == 204 else ["present"])


def test_a_delete_may_name_the_time_of_the_last_change(place: Place) -> None:
    place.put("k", BODY)
    moment = place.ask("HEAD", "k").headers["last-modified"]
    assert place.ask("DELETE", "k", headers={"x-amz-if-match-last-modified-time": moment}).status == 204


@pytest.mark.parametrize("name", ["x-amz-if-match-size", "x-amz-if-match-last-modified-time"])
def test_a_guard_that_is_no_value_is_refused(place: Place, name: str) -> None:
    place.put("k", BODY)
    with place.untouched():
        answer = place.ask("DELETE", "k", headers={name: "nonsense"})
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["if-match", "if-none-match", "if-modified-since"])
def test_a_part_and_a_new_upload_cannot_have_conditions(local: Place, name: str) -> None:
    upload = text(local.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    with local.untouched():
        part = local.ask("PUT", "k", [("partNumber", "1"), ("uploadId", upload)], {name: "*"}, b"x")
        created = local.ask("POST", "k", [("uploads", "")], {name: "*"})
    assert [(answer.status, answer.code) for answer in (part, created)] == [(501, "NotImplemented")] * 2
