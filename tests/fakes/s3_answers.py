"""What the stub answers to S3 requests: a request and a shelf in, an answer out; no sockets, no clock."""

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from tests.fakes.shelf import Item, Shelf, ShelfFull, Upload

KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
LIST_MAX = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are lower case, `name` is `bucket/key` decoded."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def name(self) -> str:
        return unquote(self.target.partition("?")[0])[1:]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: the bytes [start, stop) of `item`, or a `body` of its own. `kind` is what the counters call it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    item: Item | None = None
    start: int = 0
    stop: int = 0
    kind: str = ""

    @property
    def size(self) -> int:
        return self.stop - self.start if self.item else len(self.body)

    def slices(self) -> Iterator[memoryview]:
        """The body in order."""
        if self.item is not None:
            return self.item.slices(self.start, self.stop)
        return iter((memoryview(self.body),) if self.body else ())


def answer(shelf: Shelf, request: Request) -> Answer:
    """What S3 would say, as far as a caching gateway asks."""
    bucket, _, key = request.name.partition("/")
    try:
        match request.method:
            case "GET" if not key:
                return _list(shelf, bucket, request.query)
            case "HEAD" if not key:
                return Answer(200, kind="HEAD bucket")
            case "GET" if "uploadId" in request.query:
                return _list_parts(shelf, request)
            case "GET" | "HEAD":
                return _read(shelf.find(request.name), request)
            case "PUT" if "x-amz-copy-source" not in request.headers:
                return _write(shelf, request)
            case "POST":
                return _upload(shelf, request)
            case "DELETE":
                return _delete(shelf, request)
    except ShelfFull:
        return error(507, "InsufficientStorage")
    return error(501, "NotImplemented")


def error(status: int, code: str, kind: str = "") -> Answer:
    """An error document."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status, {"content-type": "application/xml"}, body, kind=kind)


def _read(item: Item | None, request: Request) -> Answer:
    if item is None:
        return error(404, "NoSuchKey")
    headers = request.headers
    if _names_others(headers.get("if-match"), item.etag):
        return error(412, "PreconditionFailed")
    described = {
        **item.headers,
        "etag": f'"{item.etag}"',
        "last-modified": formatdate(item.modified_s, usegmt=True),
        "accept-ranges": "bytes",
    }
    if "if-none-match" in headers and not _names_others(headers["if-none-match"], item.etag):
        return Answer(304, described)
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
    if wanted is None or request.method == "HEAD":
        return Answer(200, described, item=item, stop=item.size)
    start, stop = _span(wanted[1], wanted[2], item.size)
    if start >= stop:
        outside = error(416, "InvalidRange")
        return Answer(416, {**outside.headers, "content-range": f"bytes */{item.size}"}, outside.body)
    described["content-range"] = f"bytes {start}-{stop - 1}/{item.size}"
    return Answer(206, described, item=item, start=start, stop=stop)


def _names_others(tags: str | None, etag: str) -> bool:
    return tags is not None and tags.strip() != "*" and etag not in [tag.strip(' "') for tag in tags.split(",")]


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last or 0)), size
    return int(first), min(size, int(last) + 1) if last else size


def _write(shelf: Shelf, request: Request) -> Answer:
    if (upload := request.query.get("uploadId")) is not None:
        return _write_part(shelf, request, upload)
    found = shelf.find(request.name)
    if "if-none-match" in request.headers and found is not None:
        return error(412, "PreconditionFailed")
    if "if-match" in request.headers and (found is None or _names_others(request.headers["if-match"], found.etag)):
        return error(412, "PreconditionFailed")
    item = shelf.write(request.name, request.body, _kept(request.headers))
    return Answer(200, {"etag": f'"{item.etag}"'})


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in KEPT_HEADERS or name.startswith("x-amz-meta-")}


def _write_part(shelf: Shelf, request: Request, identifier: str) -> Answer:
    upload = shelf.uploads.get(identifier)
    if upload is None:
        return error(404, "NoSuchUpload")
    shelf.reserve(len(request.body))
    number = int(request.query["partNumber"])
    shelf.release(len(upload.parts.get(number, b"")))
    upload.parts[number] = request.body
    return Answer(200, {"etag": f'"{hashlib.md5(request.body).hexdigest()}"'}, kind="PUT part")


def _upload(shelf: Shelf, request: Request) -> Answer:
    if "uploads" in request.query:
        identifier = secrets.token_hex(16)
        shelf.uploads[identifier] = Upload(request.name, _kept(request.headers))
        return _document("InitiateMultipartUploadResult", request, f"<UploadId>{identifier}</UploadId>", "POST begin")
    upload = shelf.uploads.get(request.query.get("uploadId", ""))
    if upload is None or upload.name != request.name:
        return error(404, "NoSuchUpload")
    numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", request.body)]
    if not numbers or any(number not in upload.parts for number in numbers):
        return error(400, "InvalidPart")
    parts = [upload.parts[number] for number in numbers]
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    _end_upload(shelf, request.query["uploadId"])
    item = shelf.write(request.name, b"".join(parts), upload.headers, f"{digest}-{len(parts)}")
    return _document("CompleteMultipartUploadResult", request, f"<ETag>&quot;{item.etag}&quot;</ETag>", "POST complete")


def _end_upload(shelf: Shelf, identifier: str) -> None:
    upload = shelf.uploads.pop(identifier, None)
    if upload is not None:
        shelf.release(sum(len(part) for part in upload.parts.values()))


def _document(root: str, request: Request, inside: str, kind: str) -> Answer:
    bucket, _, key = request.name.partition("/")
    named = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
    body = f"<?xml version='1.0'?><{root}>{named}{inside}</{root}>".encode()
    return Answer(200, {"content-type": "application/xml"}, body, kind=kind)


def _list_parts(shelf: Shelf, request: Request) -> Answer:
    upload = shelf.uploads.get(request.query["uploadId"])
    if upload is None:
        return error(404, "NoSuchUpload")
    after = int(request.query.get("part-number-marker") or 0)
    numbers = sorted(number for number in upload.parts if number > after)
    limit = min(int(request.query.get("max-parts") or LIST_MAX), LIST_MAX)
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{hashlib.md5(upload.parts[number]).hexdigest()}&quot;</ETag>"
        f"<Size>{len(upload.parts[number])}</Size></Part>"
        for number in numbers[:limit]
    )
    cut = f"<IsTruncated>{str(len(numbers) > limit).lower()}</IsTruncated>"
    marker = f"<NextPartNumberMarker>{numbers[:limit][-1] if numbers else 0}</NextPartNumberMarker>"
    upload_id = f"<UploadId>{request.query['uploadId']}</UploadId>"
    return _document("ListPartsResult", request, upload_id + marker + cut + rows, "GET parts")


def _delete(shelf: Shelf, request: Request) -> Answer:
    if (upload := request.query.get("uploadId")) is not None:
        _end_upload(shelf, upload)
    else:
        shelf.delete(request.name)
    return Answer(204)


def _list(shelf: Shelf, bucket: str, query: Mapping[str, str]) -> Answer:
    if query.get("list-type") != "2":
        return error(501, "NotImplemented")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
    limit = min(int(query.get("max-keys") or LIST_MAX), LIST_MAX)
    rows: list[str] = []
    last, seen, truncated = "", set[str](), False
    for name in shelf.names(f"{bucket}/{prefix}", f"{bucket}/{after}"):
        key = name.removeprefix(f"{bucket}/")
        folder, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        shared = prefix + folder + found if found else ""
        if shared and (shared in seen or after.startswith(shared)):
            last = key
            continue
        if len(rows) == limit:
            truncated = True
            break
        rows.append(_common_prefix(shared) if shared else _row(key, shelf.find(name)))
        seen.add(shared)
        last = key
    token = f"<NextContinuationToken>{quote(last, safe='')}</NextContinuationToken>" if truncated else ""
    inside = f"<Name>{bucket}</Name><Prefix>{quote(prefix)}</Prefix><EncodingType>url</EncodingType>"
    inside += f"<MaxKeys>{limit}</MaxKeys><KeyCount>{len(rows)}</KeyCount>"
    inside += f"<IsTruncated>{str(truncated).lower()}</IsTruncated>{token}{''.join(rows)}"
    body = f"<?xml version='1.0'?><ListBucketResult>{inside}</ListBucketResult>".encode()
    return Answer(200, {"content-type": "application/xml"}, body, kind="LIST")


def _common_prefix(prefix: str) -> str:
    return f"<CommonPrefixes><Prefix>{quote(prefix)}</Prefix></CommonPrefixes>"


def _row(key: str, item: Item | None) -> str:
    assert item is not None
    modified = f"{datetime.fromtimestamp(item.modified_s, UTC):%Y-%m-%dT%H:%M:%S.000Z}"
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>&quot;{item.etag}&quot;</ETag><Size>{item.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
