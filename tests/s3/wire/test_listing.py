"""Listings: tokens, pages that join, documents that say what was meant."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import ArgumentInvalid
from gateway.model import Algorithm, Bucket, Checksum, ETag, Key
from gateway.s3 import xml
from gateway.s3.documents import Owner
from gateway.s3.listing import Cut, Page, Row, cut_of, list_document, seal_token
from gateway.s3.operations import ListObjects, ListStyle
from gateway.s3.seal import Sealer

SEALER = Sealer([b"key"], "tokens")
OWNER = Owner("id", "name")
V1 = ListObjects(Bucket("b"), ListStyle.V1)
V2 = ListObjects(Bucket("b"), ListStyle.V2)
NAMES = st.text("ab/\té&\u0001 +", max_size=5).map(str.encode)


def row(key: bytes) -> Row:
    return Row(Key(key), len(key), 0, ETag("tag"))


def model(keys: list[bytes], op: ListObjects) -> list[bytes]:
    """The whole listing: keys and common prefixes in one order of bytes."""
    items = set()
    for key in keys:
        rest = key.removeprefix(op.prefix)
        at = rest.find(op.delimiter) if op.delimiter else -1
        if key.startswith(op.prefix):
            items.add(key if at < 0 else op.prefix + rest[: at + len(op.delimiter)])
    return sorted(items)


def page_after(keys: list[bytes], op: ListObjects, cut: Cut) -> Page:
    """A page as a backend would give it, told from the model."""
    following = [item for item in model(keys, op) if item > cut.start_after]
    shown = following[: op.keys_max]
    rows = [row(item) for item in shown if item in keys and not is_prefix(item, op)]
    prefixes = [item for item in shown if is_prefix(item, op)]
    page = Page(rows, prefixes, truncated=len(following) > len(shown))
    if page.truncated and op.style is ListStyle.V2:
        assert page.last is not None
        page = replace(page, token=seal_token(op, SEALER, "mount", Cut(page.last)))
    return page


def is_prefix(item: bytes, op: ListObjects) -> bool:
    return bool(op.delimiter) and op.delimiter in item[len(op.prefix) :]


def pages(keys: list[bytes], op: ListObjects) -> Iterator[list[bytes]]:
    """What a client that follows markers or tokens reads."""
    while True:
        tree = xml.read(list_document(op, page_after(keys, op, cut_of(op, SEALER, "mount")), OWNER), "ListBucketResult")
        found = [unquote_to_bytes(entry.value("Key") or "") for entry in tree.all("Contents")]
        prefixes = [unquote_to_bytes(entry.value("Prefix") or "") for entry in tree.all("CommonPrefixes")]
        items = sorted(found + prefixes)
        yield items
        if tree.value("IsTruncated") != "true":
            return
        if op.style is ListStyle.V2:
            assert tree.value("KeyCount") == str(len(items))
            op = replace(op, token=tree.value("NextContinuationToken"))
        else:
            marker = tree.value("NextMarker")
            op = replace(op, marker=max(items) if marker is None else unquote_to_bytes(marker))


@settings(max_examples=60)
@given(
    st.lists(NAMES.filter(bool), max_size=8, unique=True),
    NAMES,
    st.sampled_from([b"", b"/", b"a", b"ab"]),
    st.integers(1, 4),
    st.sampled_from([V1, V2]),
)
def test_pages_of_any_size_join_to_the_whole(
    keys: list[bytes], prefix: bytes, delimiter: bytes, size: int, style: ListObjects
) -> None:
    op = replace(style, prefix=prefix[:1], delimiter=delimiter, keys_max=size, url_encoded=True)
    read = list(pages(keys, op))
    assert [item for page in read for item in page] == model(keys, op)
    assert all(len(page) <= size for page in read)


@given(NAMES, st.none() | st.text(max_size=10), NAMES, NAMES)
def test_a_token_says_where_to_go_on_and_only_for_its_own_query(
    last: bytes, backend_token: str | None, prefix: bytes, delimiter: bytes
) -> None:
    op = replace(V2, prefix=prefix, delimiter=delimiter, start_after=b"ignored beside a token")
    cut = Cut(last, backend_token)
    token = seal_token(op, SEALER, "mount", cut)
    assert cut_of(replace(op, token=token), SEALER, "mount") == cut
    others = [
        (replace(op, token=token, prefix=prefix + b"x"), "mount"),
        (replace(op, token=token, delimiter=delimiter + b"x"), "mount"),
        (replace(op, token=token, bucket=Bucket("other")), "mount"),
        (replace(op, token=token), "other mount"),
        (replace(op, token=token[:-2]), "mount"),
        (replace(op, token=SEALER.seal(b"")), "mount"),
    ]
    for other, mount in others:
        with pytest.raises(ArgumentInvalid):
            cut_of(other, SEALER, mount)


def test_without_a_token_the_cut_is_what_the_client_says() -> None:
    assert cut_of(replace(V1, marker=b"m"), SEALER, "mount") == Cut(b"m")
    assert cut_of(replace(V2, start_after=b"s", token=""), SEALER, "mount") == Cut(b"s")
    assert cut_of(V2, SEALER, "mount") == Cut(b"")


def shown(op: ListObjects, page: Page) -> xml.Element:
    return xml.read(list_document(op, page, OWNER), "ListBucketResult")


def test_v1_echoes_its_marker_and_names_the_next_only_with_a_delimiter() -> None:
    page = Page([row(b"a")], [b"b/"], truncated=True)
    assert shown(V1, page).value("Marker") == ""
    assert shown(V1, page).child("NextMarker") is None
    assert shown(replace(V1, delimiter=b"/", marker=b"m"), page).value("NextMarker") == "b/"
    assert shown(replace(V1, delimiter=b"/"), replace(page, truncated=False)).child("NextMarker") is None


def test_v2_echoes_what_was_sent_and_shows_owners_only_when_asked() -> None:
    page = Page([row(b"a")], [], truncated=False)
    tree = shown(replace(V2, token="", start_after=b"s"), page)
    assert (tree.value("ContinuationToken"), tree.value("StartAfter"), tree.value("KeyCount")) == ("", "s", "1")
    assert tree.child("Delimiter") is None
    (entry,) = tree.all("Contents")
    assert entry.child("Owner") is None
    (entry,) = shown(replace(V2, fetch_owner=True), page).all("Contents")
    owner = entry.child("Owner")
    assert owner is not None
    assert (owner.value("ID"), owner.value("DisplayName")) == ("id", "name")
    (entry,) = shown(V1, page).all("Contents")
    assert entry.child("Owner") is not None


def test_an_entry_says_the_same_as_head() -> None:
    checksum = Checksum(Algorithm.CRC32, b"\0\0\0\0")
    there = Row(Key(b"a"), 3, 1_795_402_800, ETag("tag"), checksum)
    (entry,) = shown(V2, Page([there], [], truncated=False)).all("Contents")
    assert {child.name: child.text for child in entry.children} == {
        "Key": "a",
        "LastModified": "2026-11-23T03:00:00.000Z",
        "ETag": '"tag"',
        "ChecksumAlgorithm": "CRC32",
        "ChecksumType": "FULL_OBJECT",
        "Size": "3",
        "StorageClass": "STANDARD",
    }


def test_url_encoding_reaches_every_name() -> None:
    odd = "é +\x01".encode()
    op = replace(V1, prefix=odd, delimiter=odd, marker=odd, url_encoded=True)
    tree = shown(op, Page([row(odd)], [odd + b"/"], truncated=True))
    encoded = "%C3%A9%20%2B%01"
    assert [tree.value(name) for name in ("Prefix", "Delimiter", "Marker")] == [encoded] * 3
    assert tree.value("NextMarker") == encoded + "/"
    assert [entry.value("Key") for entry in tree.all("Contents")] == [encoded]
    assert [entry.value("Prefix") for entry in tree.all("CommonPrefixes")] == [encoded + "/"]
    assert tree.value("EncodingType") == "url"
