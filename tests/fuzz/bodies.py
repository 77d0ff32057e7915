"""Bodies as inputs: forms and their policies, aws-chunked framing, documents."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.errors import GatewayError
from gateway.model import Bucket
from gateway.s3 import documents, modes, multipart, tagging
from gateway.s3.auth import AuthRules, Verifier
from gateway.s3.chunked import ChunkDecoder
from gateway.s3.form import FormParser
from gateway.s3.headers import content_fields, form_sent, metadata_fields
from gateway.s3.payload import plan_of_form
from gateway.s3.post_policy import check_policy
from gateway.s3.proof import ChunkSeed
from gateway.s3.stored import read_stored
from tests.fuzz.clients import forms, recorded
from tests.fuzz.hunt import check_field, kind_of, outcome
from tests.s3.auth.bodies import body_of
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, SECRET

BUCKET = Bucket("bucket")
VERIFIER = Verifier(AuthRules(), {ACCESS_KEY: SECRET}.get)


def _same(read: Callable[[Iterable[bytes]], tuple[bytes, object]], data: bytes) -> str:
    """Whole and byte by byte it means the same, to the failure, and no other byte is given out before one."""
    whole, single = _read(read, [data]), _read(read, [data[at : at + 1] for at in range(len(data))])
    assert whole == single, f"whole {whole!r:.200}, byte by byte {single!r:.200}"
    return whole if isinstance(whole, str) else f"{len(whole[0]).bit_length()}"


def _read(
    read: Callable[[Iterable[bytes]], tuple[bytes, object]], pieces: Iterable[bytes]
) -> tuple[bytes, object] | str:
    try:
        return read(pieces)
    except GatewayError as error:
        return f"{type(error).__name__}: {error}"


# form


def form(data: bytes) -> str:
    """A Content-Type on the first line, then the body; then all that is asked of its fields."""
    content_type, _, body = data.partition(b"\n")
    kind = content_type.decode("latin-1")
    said = _same(lambda pieces: _parsed(kind, pieces), body)
    return said + outcome(lambda: _accepted(kind, body))


def _parsed(content_type: str, pieces: Iterable[bytes]) -> tuple[bytes, object]:
    parser = FormParser(content_type)
    file = b"".join([part for piece in pieces for part in parser.feed(piece)])
    parser.end()
    return file, parser.fields


def _accepted(content_type: str, body: bytes) -> str:
    parser = FormParser(content_type)
    parser.feed(body)
    fields = parser.fields
    said = [
        outcome(lambda: str(VERIFIER.authenticate_form(fields))),
        outcome(lambda: str(check_policy(fields, BUCKET, NOW_S) is None)),
        outcome(lambda: str(plan_of_form(fields).checksum is None)),
        outcome(lambda: _kept(fields)),
    ]
    return " ".join(said)


def _kept(fields: Mapping[str, str]) -> str:
    stored = read_stored(form_sent(fields))
    for name, value in (*content_fields(stored.content), *metadata_fields(stored.metadata)):
        check_field(name, value)
    return str(len(stored.metadata))


def form_samples() -> Sequence[bytes]:
    """Forms as browsers and curl send them, with the fields that clients sign."""
    return [*map(_form_of, forms()), *_FORM_CORNERS]


def _form_of(fields: Mapping[str, str]) -> bytes:
    parts = "".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    )
    file = (
        '--edge\r\nContent-Disposition: form-data; name="file"; filename="C:\\\\x\\"y.txt"\r\n'
        "Content-Type: text/plain\r\n\r\nthe file\r\n--edg not the end\r\n--edge--\r\n"
    )
    return f"multipart/form-data; boundary=edge\n{parts}{file}".encode()


_FORM_CORNERS = (
    b'multipart/form-data; charset=utf-8; boundary="a b"\npreamble\r\n--a b \t\r\n'
    b'content-disposition:form-data;name=key;filename*=x\r\nX: y\r\n\r\n\r\n--a b\r\n\r\n\r\n--a b--',
    b'multipart/form-data; boundary=edge\n--edge\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n--edge\r\n'
    b'Content-Disposition: form-data; name="Content-Type"\r\n\r\na\r\nb\r\n--edge\r\n'
    b'Content-Disposition: form-data; name="file"\r\n\r\n\r\n\r\n--edge\r\n--edge--',
)  # fmt: skip


# policy


def post_policy(data: bytes) -> str:
    """The policy of a form."""
    fields = {"policy": b64encode(data).decode(), "key": "a/b", "acl": "private", "x-amz-meta-a": "b"}
    return outcome(lambda: str(check_policy(fields, BUCKET, NOW_S)))


def post_policy_samples() -> Sequence[bytes]:
    """The policies that clients sign, and corners of the grammar."""
    return [*(b64decode(fields["policy"]) for fields in forms()), *_POLICY_CORNERS]


_POLICY_CORNERS = (
    b'{"expiration": "2026-01-02T00:00:00Z", "conditions": [{"bucket": "bucket"}, {"ACL": "private"}, '
    b'["starts-with", "$key", "a/"], ["eq", "$Key", "a/b"], ["content-length-range", "1", 1e1]]}',
    b'{"expiration": "9999-12-31T23:59:59.999Z", "conditions": []}',
    b'\xef\xbb\xbf{"expiration": "0001-01-01T00:00:00Z", "conditions": [[], {}, null, ["eq"], {"a": 1}]}',
)


# chunked


def chunked(data: bytes) -> str:
    """The first byte says which signatures there are, the rest is the body."""
    kind, body = data[:1], data[1:]
    signed = kind in (b"s", b"t")
    return _same(lambda pieces: _dechunked(pieces, signed=signed, trailer_signed=kind == b"t"), body)


def _dechunked(pieces: Iterable[bytes], *, signed: bool, trailer_signed: bool) -> tuple[bytes, object]:
    decoder = ChunkDecoder(_SEED if signed else None, trailer_signed=trailer_signed)
    payload = b"".join([bytes(view) for piece in pieces for view in decoder.feed(piece)])
    decoder.end()
    if signed and payload:
        assert payload in _SIGNED_PAYLOADS, "nobody signed this payload"
    return payload, decoder.trailers


_CHUNKS: tuple[list[bytes], ...] = ([b"hello", b" world"], [b"a" * 1024], [b"b" * 70, b"c"], [])
_SIGNED_PAYLOADS = frozenset(b"".join(chunks) for chunks in _CHUNKS)


def _seed() -> ChunkSeed:
    seed = body_of(modes.CHUNKS_SIGNED, []).proof.seed
    assert seed is not None
    return seed


_SEED = _seed()


def chunked_samples() -> Sequence[bytes]:
    """Bodies in every mode, those that boto3 frames, and corners."""
    kinds = ((b"s", modes.CHUNKS_SIGNED), (b"t", modes.CHUNKS_AND_TRAILER_SIGNED), (b"u", modes.CHUNKS_UNSIGNED))
    ours = [kind + body_of(mode, chunks).raw for kind, mode in kinds for chunks in _CHUNKS]
    framed = [b"u" + request.body for request in recorded() if request.body.endswith(b"\r\n\r\n")]
    assert framed, "boto3 frames bodies over TLS"
    return [*ours, *framed, *_CHUNK_CORNERS]


_CHUNK_CORNERS = (
    b"u0\r\n",
    b"u0\r\n\r\nmore",
    b"u1;a=b;chunk-signature=c\r\nx\r\n00\r\na:b\nc: d\r\n\r\n",
    b"u" + b"1\r\nx\r\n" * 10_002 + b"0\r\n\r\n",
    b"u0\r\na:" + b"b" * 4096 + b"\r\n\r\n",
)


# xml


def xml(data: bytes) -> str:
    """Every document that clients send."""
    readers: tuple[Callable[[], object], ...] = (
        lambda: multipart.read_complete(data),
        lambda: documents.read_delete(data),
        lambda: documents.check_location(data),
        lambda: tagging.read_document(data, count_max=10),
    )
    return " ".join(map(kind_of, readers))


def xml_samples() -> Sequence[bytes]:
    """The documents that clients write, and corners of XML."""
    return [*{request.body for request in recorded() if request.body.startswith(b"<")}, *_XML_CORNERS]


_XML_CORNERS = (
    b'<?xml version="1.0" encoding="ISO-8859-1"?><Delete><Quiet> true </Quiet><Object><Key>a&amp;&#13;b</Key>'
    b"<VersionId>null</VersionId><Size>1</Size><ETag>&quot;e&quot;</ETag></Object></Delete>",
    "<Delete><Object><Key>\u00e9</Key></Object></Delete>".encode("utf-16"),
    b"<a:Tagging xmlns:a='u'><a:TagSet><a:Tag><a:Key>k</a:Key><a:Value/></a:Tag></a:TagSet></a:Tagging>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><Delete>&b;</Delete>",
    b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
    b"<CreateBucketConfiguration/>",
)
