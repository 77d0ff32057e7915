"""Sealed envelopes as inputs: none opens but those we made."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.model import Bucket, Key
from gateway.s3 import documents, listing, multipart
from gateway.s3.operations import ListBuckets, ListMultipartUploads, ListObjects, ListStyle
from gateway.s3.seal import Sealer
from tests.fuzz.hunt import kind_of

TOKENS = Sealer([b"k" * 32, b"l" * 32], "list")
UPLOADS = Sealer([b"k" * 32], "upload")
PAGE = ListObjects(Bucket("demo"), ListStyle.V2)
KEY = Key(b"a")
UPLOADS_PAGE = ListMultipartUploads(Bucket("demo"), key_marker=KEY)


def samples() -> Sequence[bytes]:
    """Envelopes of every kind, and text that is none."""
    return [*_OURS, b"=", b"AAAA", b"\xc3\xa9" * 20, b"A" * 17_000]


_OURS = (
    multipart.UploadTicket("demo", KEY, "native", 1).seal(UPLOADS).encode(),
    listing.seal_token(PAGE, TOKENS, "demo", listing.Cut(b"a", "native")).encode(),
    listing.seal_token(PAGE, TOKENS, "demo", listing.Cut(b"")).encode(),
    documents.seal_bucket_token(TOKENS, Bucket("demo")).encode(),
)


def seal(data: bytes) -> str:
    """Tokens and upload ids that somebody made up."""
    text = data.decode("latin-1")
    for sealer in (TOKENS, UPLOADS):
        assert sealer.open(text) is None or data in _OURS, "nobody sealed this"
    readers: tuple[Callable[[], object], ...] = (
        lambda: multipart.open_ticket(UPLOADS, text, "demo", KEY),
        lambda: multipart.open_marker(UPLOADS, replace(UPLOADS_PAGE, upload_id_marker=text), "demo"),
        lambda: listing.cut_of(replace(PAGE, token=text), TOKENS, "demo"),
        lambda: documents.open_bucket_token(ListBuckets(token=text), TOKENS),
    )
    return " ".join(map(kind_of, readers))
