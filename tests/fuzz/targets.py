"""What is fuzzed: each target takes bytes, and lets nothing escape but a mistake of ours."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.errors import GatewayError
from gateway.model import Bucket, Key
from gateway.s3 import dates, documents, listing, multipart, ranges, tagging, validators
from gateway.s3.auth import AuthRules, Verifier
from gateway.s3.choice import choose
from gateway.s3.chunked import ChunkDecoder
from gateway.s3.form import FormParser
from gateway.s3.head import Head
from gateway.s3.operations import ListBuckets, ListObjects, ListStyle
from gateway.s3.payload import plan
from gateway.s3.post_policy import check_policy
from gateway.s3.seal import Sealer
from gateway.s3.target import resolve

NOW_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z, the day of the samples
VERIFIER = Verifier(AuthRules(signature_v2="all", domain="s3.test"), {"ID": "a-secret"}.get)
TOKENS = Sealer([b"k" * 32], "list")
UPLOADS = Sealer([b"k" * 32], "upload")
PAGE = ListObjects(Bucket("demo"), ListStyle.V2)


@dataclass(frozen=True, slots=True)
class Target:
    """`run` returns for every input; an exception is a finding."""

    name: str
    run: Callable[[bytes], None]
    samples: tuple[bytes, ...]


def request(data: bytes) -> None:
    """A request head, one line each: method and target, then fields. All that happens before access is asked."""
    line, *rest = data.split(b"\n")
    method, _, target = line.partition(b" ")
    fields = tuple(
        (name.strip().lower(), value.strip()) for name, colon, value in (each.partition(b":") for each in rest) if colon
    )
    head = Head(method.decode("latin-1"), target, fields)
    with suppress(GatewayError):
        where = resolve(head, "s3.test")
        with suppress(GatewayError):
            plan(head, VERIFIER.authenticate(head, where, NOW_S), length_required=method == b"PUT")
        choose(head, where)


def chunks(data: bytes) -> None:
    """An aws-chunked body: fed whole and byte by byte it means the same."""
    assert _outcome(_dechunked, [data]) == _outcome(_dechunked, _bytes_of(data))


def form(data: bytes) -> None:
    """A form's body: fed whole and byte by byte it means the same."""
    assert _outcome(_parsed_form, [data]) == _outcome(_parsed_form, _bytes_of(data))


def policy(data: bytes) -> None:
    """The policy of a form."""
    with suppress(GatewayError):
        check_policy({"policy": b64encode(data).decode(), "key": "a/b"}, Bucket("demo"), NOW_S)


def xml(data: bytes) -> None:
    """Every document that clients send."""
    readers: tuple[Callable[[bytes], object], ...] = (
        multipart.read_complete,
        documents.read_delete,
        documents.check_location,
        lambda body: tagging.read_document(body, count_max=10),
    )
    for reader in readers:
        with suppress(GatewayError):
            reader(data)


def sealed(data: bytes) -> None:
    """Tokens and upload ids that somebody made up."""
    text = data.decode("latin-1")
    with suppress(GatewayError):
        multipart.open_ticket(UPLOADS, text, "demo", Key(b"a"))
    with suppress(GatewayError):
        listing.query_of(replace(PAGE, token=text), TOKENS, "demo")
    with suppress(GatewayError):
        documents.open_bucket_token(ListBuckets(token=text), TOKENS)


def values(data: bytes) -> None:
    """Header values with a grammar of their own."""
    text = data.decode("latin-1")
    readers: tuple[Callable[[str], object], ...] = (
        ranges.parse_range,
        ranges.copy_range,
        dates.parse_http_date,
        dates.parse_xml_date,
        validators.parse_tag_list,
        tagging.read_header,
    )
    for reader in readers:
        with suppress(GatewayError):
            reader(text)


def _outcome(read: Callable[[Iterable[bytes]], object], pieces: Iterable[bytes]) -> object:
    try:
        return read(pieces)
    except GatewayError as error:
        return type(error)


def _bytes_of(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def _dechunked(pieces: Iterable[bytes]) -> object:
    decoder = ChunkDecoder()
    payload = b"".join(bytes(view) for piece in pieces for view in decoder.feed(piece))
    decoder.end()
    return payload


def _parsed_form(pieces: Iterable[bytes]) -> object:
    parser = FormParser("multipart/form-data; boundary=edge")
    file = b"".join(part for piece in pieces for part in parser.feed(piece))
    parser.end()
    return parser.fields, file


_V4 = (
    b"Authorization: AWS4-HMAC-SHA256 Credential=ID/20260101/us-east-1/s3/aws4_request, "
    b"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + b"0" * 64 + b"\n"
    b"x-amz-date: 20260101T000000Z\nHost: demo.s3.test\n"
)

TARGETS = (
    Target(
        "request",
        request,
        (
            b"GET /demo/a//b%20c?x-id=GetObject&partNumber=1\n" + _V4 + b'Range: bytes=0-99\nIf-Match: "a", W/"b"\n',
            b"PUT /a+b\n" + _V4 + b"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n"
            b"x-amz-decoded-content-length: 5\nx-amz-trailer: x-amz-checksum-crc32\nContent-Length: 99\n",
            b"PUT /demo/k\nHost: h\nContent-Length: 5\nContent-MD5: XUFAKrxLKna5cZ2REBfFkg==\n"
            b"x-amz-checksum-crc32: NhCmhg==\nx-amz-meta-a: b\nx-amz-tagging: a=b&c=d\nx-amz-acl: private\n"
            b"Content-Encoding: gzip, aws-chunked\n",
            b"PUT /demo/k\nHost: h\nContent-Length: 0\nx-amz-copy-source: /demo/a%2Fb?versionId=null\n"
            b"x-amz-copy-source-if-unmodified-since: Thu, 01 Jan 2026 00:00:00 GMT\n"
            b"x-amz-metadata-directive: REPLACE\n",
            b"GET /demo?list-type=2&prefix=a%2F&delimiter=%2F&max-keys=5&encoding-type=url&continuation-token=t\n"
            b"Host: h\n",
            b"POST /demo/k?uploadId=u\nHost: h\nContent-Length: 9\nx-amz-mp-object-size: 9\n",
            b"GET /demo/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ID%2F20260101%2Fr%2Fs3%2Faws4_request"
            b"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00\nHost: h\n",
            b"GET /demo/k?AWSAccessKeyId=ID&Signature=AAAA%3D&Expires=1767225700&response-content-type=a\nHost: h\n",
            b"DELETE http://demo.s3.test:9000/k?tagging\nAuthorization: AWS ID:c2lnbmF0dXJl\n"
            b"Date: Thu, 01 Jan 2026 00:00:00 GMT\n",
        ),
    ),
    Target(
        "chunks",
        chunks,
        (
            b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
            b"400;chunk-signature="
            + b"0" * 64
            + b"\r\n"
            + b"a" * 1024
            + b"\r\n0;chunk-signature="
            + b"1" * 64
            + b"\r\n\r\n",
            b"0\r\n",
        ),
    ),
    Target(
        "form",
        form,
        (
            b'--edge\r\nContent-Disposition: form-data; name="key"\r\n\r\na/${filename}\r\n--edge\r\n'
            b'Content-Disposition: form-data; name="file"; filename="x\\"y.txt"\r\nContent-Type: text/plain\r\n\r\n'
            b"the file\r\n--edg not the end\r\n--edge--\r\n",
        ),
    ),
    Target(
        "policy",
        policy,
        (
            b'{"expiration": "2026-01-02T00:00:00.000Z", "conditions": [{"bucket": "demo"}, '
            b'["starts-with", "$key", "a/"], ["eq", "$key", "a/b"], ["content-length-range", 1, 10]]}',
        ),
    ),
    Target(
        "xml",
        xml,
        (
            b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part></CompleteMultipartUpload>",
            b'<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>'
            b"<Object><Key>a&amp;b</Key><VersionId>null</VersionId><Size>1</Size></Object></Delete>",
            b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
            b"<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>",
        ),
    ),
    Target(
        "sealed",
        sealed,
        (
            multipart.UploadTicket("demo", Key(b"a"), "native", 1).seal(UPLOADS).encode(),
            listing.seal_token(PAGE, TOKENS, "demo", listing.Cut(b"a", "native")).encode(),
            documents.seal_bucket_token(TOKENS, Bucket("demo")).encode(),
        ),
    ),
    Target(
        "values",
        values,
        (
            b"bytes=0-99",
            b"bytes=-5, 7-",
            b"Thu, 01 Jan 2026 00:00:00 GMT",
            b"Thursday, 01-Jan-26 00:00:00 GMT",
            b"Thu Jan  1 00:00:00 2026",
            b"2026-01-01T00:00:00.000Z",
            b'"a", W/"b", c, *',
            b"a=b&c=d%20e",
        ),
    ),
)
