"""Error documents, and that what a client sends wrong is never answered with 5xx."""

import re
from dataclasses import dataclass, field
from xml.etree import ElementTree

import pytest

from tests.real.wire import Answer, Query
from tests.wire.place import Place, text
from tests.wire.sending import Draft, send_raw

pytestmark = pytest.mark.slow

ORDER = ["Code", "Message", "Resource", "RequestId", "HostId"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that fails, and how."""

    method: str
    key: str
    status: int
    code: str
    details: dict[str, str]
    query: Query = ()
    headers: dict[str, str] = field(default_factory=dict)


ARGUMENT = {"ArgumentName": "max-keys", "ArgumentValue": "x"}
REDIRECT = "x-amz-website-redirect-location"
TOO_LONG = {"Size": "1025", "MaxSizeAllowed": "1024"}
FAULTS = [
    Fault("GET", "missing", 404, "NoSuchKey", {"Key": "missing"}),
    Fault("GET", "k", 404, "NoSuchVersion", {"Key": "k", "VersionId": "v"}, [("versionId", "v")]),
    Fault("GET", "k", 404, "NoSuchUpload", {"UploadId": "u"}, [("uploadId", "u")]),
    Fault("GET", "k", 416, "InvalidRange", {"ActualObjectSize": "3"}, headers={"range": "bytes=9-"}),
    Fault("GET", "k", 412, "PreconditionFailed", {"Condition": "If-Match"}, headers={"if-match": "x"}),
    Fault("PUT", "k", 412, "PreconditionFailed", {"Condition": "If-None-Match"}, headers={"if-none-match": "*"}),
    Fault("GET", "", 400, "InvalidArgument", ARGUMENT, [("max-keys", "x")]),
    Fault("PUT", "k", 501, "NotImplemented", {"Header": REDIRECT}, headers={REDIRECT: "/"}),
    Fault("PUT", "k" * 1025, 400, "KeyTooLongError", TOO_LONG),
    Fault("PATCH", "k", 405, "MethodNotAllowed", {"Method": "PATCH"}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.method} {fault.code}")
def test_an_error_says_what_where_and_which_request(local: Place, fault: Fault) -> None:
    local.put("k", b"abc")
    body = b"x" if fault.method == "PUT" else None
    answer = local.ask(fault.method, fault.key, fault.query, fault.headers, body)
    assert (answer.status, answer.code) == (fault.status, fault.code)
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>')
    assert text(answer, "Resource") == local.target(fault.key)
    assert text(answer, "RequestId") == answer.headers["x-amz-request-id"]
    assert text(answer, "HostId") == answer.headers["x-amz-id-2"] == "test-node"
    assert {name: text(answer, name) for name in fault.details} == fault.details
    found = [child.tag for child in ElementTree.fromstring(answer.body)]
    assert [name for name in found if name in ORDER] == ORDER
    assert text(answer, "Message")


@pytest.mark.parametrize("key", ["\x01", "<&>\"'", "a\r\nb", "\ufffe", "ü"])
def test_what_xml_cannot_carry_is_replaced(local: Place, key: str) -> None:
    answer = local.ask("GET", key)
    assert answer.code == "NoSuchKey"
    expected = re.sub("[\x01\ufffe]", "\ufffd", key)
    assert text(answer, "Key") == expected


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("key", ["", "missing", "k" * 1025])
def test_an_error_to_head_says_it_with_its_status_alone(local: Place, method: str, key: str) -> None:
    answer = local.wire.request(method, f"/missing-bucket/{key}")
    assert answer.status == 404
    assert int(answer.headers["content-length"]) > 0
    assert (answer.body == b"") is (method == "HEAD")


SECRETS = [
    {"authorization": None},
    {"authorization": "AWS4-HMAC-SHA256 nonsense"},
    {"authorization": "AWS TESTKEY:nonsense"},
    {"x_amz_date": None},
    {"x_amz_content_sha256": "nonsense"},
]


@pytest.mark.parametrize("changes", SECRETS)
def test_no_error_holds_a_secret(local: Place, changes: dict[str, str | None]) -> None:
    answer = Draft(local.wire, "PUT", local.target("k"), body=b"x").send(**changes)
    assert 400 <= answer.status < 500
    assert local.wire.signer.secret_key.encode() not in answer.body


NONSENSE = [
    "",
    "\xff",
    "a=b",
    "-1",
    "9" * 40,
    "*",
    '"',
    "W/",
    ",",
    ";",
    "%",
    "bytes=",
    "null",
    "\t",
    "{}",
    "<x>",
    "a" * 5000,
]
READ_HEADERS = ["range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
                "x-amz-checksum-mode", "x-amz-expected-bucket-owner", "accept-encoding", "x-forwarded-for", "expect",
                "cookie", "x-amz-security-token", "content-type", "x-amz-object-attributes"]  # fmt: skip
WRITE_HEADERS = ["content-md5", "content-type", "content-encoding", "expires", "x-amz-acl", "x-amz-storage-class",
                 "x-amz-tagging", "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-sdk-checksum-algorithm",
                 "x-amz-trailer", "x-amz-decoded-content-length", "x-amz-copy-source", "x-amz-copy-source-range",
                 "x-amz-metadata-directive", "x-amz-meta-", "x-amz-meta-a", "x-amz-grant-read", "if-match",
                 "if-none-match", "x-amz-if-match-size", "x-amz-mp-object-size", "x-amz-checksum-type",
                 "x-amz-checksum-algorithm", "x-amz-object-lock-mode"]  # fmt: skip


def is_our_fault(answer: Answer) -> bool:
    return answer.status >= 500 and answer.status != 501


@pytest.mark.parametrize("name", READ_HEADERS)
def test_a_header_with_nonsense_never_makes_a_read_fail_by_our_mistake(local: Place, name: str) -> None:
    local.put("k", b"abc")
    for value in NONSENSE:
        answer = local.ask("GET", "k", headers={name: value})
        assert not is_our_fault(answer), (name, value, answer)
        assert answer.status in (200, 206, 304, 400, 403, 412, 416), (name, value, answer)


@pytest.mark.parametrize("name", WRITE_HEADERS)
def test_a_header_with_nonsense_never_makes_a_write_fail_by_our_mistake(local: Place, name: str) -> None:
    for value in NONSENSE:
        for answer in (
            local.ask("PUT", "k", headers={name: value}, body=b"abc"),
            local.ask("POST", "k", [("uploads", "")], {name: value}),
        ):
            assert not is_our_fault(answer), (name, value, answer)
        if local.ask("HEAD", "k").status == 200:
            assert local.ask("GET", "k").status == 200, (name, value)
    assert local.wire.keys(local.bucket) in ([], ["k"])


QUERY_NAMES = ["prefix", "delimiter", "marker", "max-keys", "encoding-type", "list-type", "start-after",
               "continuation-token", "fetch-owner", "uploads", "versions", "acl", "location"]  # fmt: skip


@pytest.mark.parametrize("name", QUERY_NAMES)
def test_a_parameter_with_nonsense_never_makes_a_listing_fail_by_our_mistake(place: Place, name: str) -> None:
    place.put("k", b"abc")
    for value in NONSENSE:
        for query in ([(name, value)], [("list-type", "2"), (name, value)], [("uploads", ""), (name, value)]):
            answer = place.ask("GET", query=query)
            assert not is_our_fault(answer), (name, value, answer)


OBJECT_QUERY_NAMES = ["partNumber", "versionId", "uploadId", "response-content-type", "response-expires", "max-parts",
                      "part-number-marker", "tagging", "acl", "x-id", "retention"]  # fmt: skip


@pytest.mark.parametrize("name", OBJECT_QUERY_NAMES)
def test_a_parameter_with_nonsense_never_makes_a_request_fail_by_our_mistake(place: Place, name: str) -> None:
    place.put("k", b"abc")
    for value in NONSENSE:
        for method, others in (("GET", []), ("GET", [("uploadId", "u")]), ("PUT", []), ("POST", []), ("DELETE", [])):
            body = b"x" if method in ("PUT", "POST") else None
            answer = place.ask(method, "k", [*others, (name, value)], body=body)
            assert not is_our_fault(answer), (method, name, value, answer)


DOCUMENTS = [
    b"",
    b"<",
    b"\x00",
    b"\xff\xfe<\x00a\x00/\x00>\x00",
    b"<a>" * 100,
    b"<Delete>" + b"<Object/>" * 2000 + b"</Delete>",
    b"<Delete>" + b"<a>" * 50 + b"</a>" * 50 + b"</Delete>",
    b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
    b'<?xml version="1.0" encoding="no-such"?><Delete/>',
    b"<Delete><Object><Key>&#0;</Key></Object></Delete>",
    b"<Delete><Object><Key>a</Key><Size>x</Size></Object></Delete>",
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag/></Part></CompleteMultipartUpload>",
    b"<Tagging><TagSet><Tag/></TagSet></Tagging>",
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_document_of_nonsense_never_fails_by_our_mistake(place: Place, document: bytes) -> None:
    place.put("k", b"abc")
    upload = text(place.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    with place.untouched():
        for method, key, query in (
            ("POST", "", [("delete", "")]),
            ("POST", "k", [("uploadId", upload)]),
            ("PUT", "k", [("tagging", "")]),
            ("PUT", "k", [("acl", "")]),
            ("PUT", "", [("tagging", "")]),
            ("PUT", "", [("ownershipControls", "")]),
        ):
            answer = place.ask(method, key, query, body=document)
            assert not is_our_fault(answer), (method, query, answer)
            if (method, query) == ("POST", [("delete", "")]) and answer.status == 200:
                assert b"<Deleted>" not in answer.body
            else:
                assert 400 <= answer.status < 500, (method, query, answer)


def test_a_request_line_of_nonsense_never_fails_by_our_mistake(local: Place) -> None:
    for target in (
        "/?",
        "/%",
        "/" + "/" * 2000,
        "/a?&&&",
        "/a?=",
        "/a?=&=",
        "/a;b?c",
        "/%00",
        "/..",
        "/../..",
        "/a/?&=",
    ):
        answer = send_raw(local.wire, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert 400 <= answer.status < 500 or answer.status == 501, (target, answer)
