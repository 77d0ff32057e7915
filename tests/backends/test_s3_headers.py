"""Headers, documents and places of S3 stores: what is written is read, and what is foreign stays as it is."""

from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.backends.base import WriteSpec
from gateway.backends.s3 import documents
from gateway.backends.s3.headers import (
    carried,
    checksum_headers,
    etag_of_version,
    info_of,
    size_of_version,
    stored_headers,
    told,
    version_of,
)
from gateway.backends.s3.place import place_of
from gateway.backends.signing import encoded_query
from gateway.config.places import S3Options
from gateway.errors import KeyTooLong, KeyUnusable
from gateway.model import Algorithm, Checksum, ChecksumType, ContentHeaders, ETag, Key

LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
LOOKALIKE = st.from_regex(r"=\?(UTF-8|utf-8|ISO-8859-1|x)\?[BbQq]\?[A-Za-z0-9=_+/]{0,8}\?=", fullmatch=True)
ESCAPED = {"\r": "&#13;"}
"""A carriage return that stands in a document as it is is read as a line feed (XML 1.0, section 2.11)."""
HEAD = {"etag": '"tag"', "last-modified": "Wed, 21 Oct 2026 07:28:00 GMT"}


@given(text=LATIN)
def test_header_text_comes_back_as_it_was_and_travels_as_ascii(text: str) -> None:
    assert carried(text).isascii()
    assert text.isascii() or told(carried(text)) == text


@given(text=st.one_of(LATIN.filter(str.isascii), LOOKALIKE.map(lambda word: f"a {word}")))
def test_ascii_text_that_is_no_encoded_word_stays_as_it_is(text: str) -> None:
    assert carried(text) == text
    assert text.startswith("=?") or told(text) == text


@given(text=LOOKALIKE)
def test_any_encoded_word_is_read_or_left(text: str) -> None:
    assert isinstance(told(text), str)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("=?UTF-8?Q?caf=C3=A9_noir?=", "caf\xc3\xa9 noir"),
        ("=?utf-8?b?w6k=?= =?utf-8?b?w6k=?=", "\xc3\xa9\xc3\xa9"),
        ("=?ISO-8859-1?Q?caf=E9?=", "caf\xe9"),
        ("=?no-such-charset?B?w6k=?=", "=?no-such-charset?B?w6k=?="),
        ("=?UTF-8?B?***?=", "=?UTF-8?B?***?="),
        ("caf\udcc3\udca9", "caf\xc3\xa9"),
    ],
)
def test_encoded_words_of_other_writers_are_read(sent: str, meant: str) -> None:
    assert told(sent) == meant


@given(
    content=st.builds(ContentHeaders, *([st.none() | LATIN.filter(lambda text: text[:2] != "=?")] * 6)),
    names=st.lists(st.from_regex(r"[a-eg-z0-9][a-z0-9_-]{0,8}", fullmatch=True), unique=True, max_size=4),
    value=LATIN.filter(lambda text: text[:2] != "=?"),
)
def test_what_is_stored_beside_an_object_is_what_its_info_says(
    content: ContentHeaders, names: list[str], value: str
) -> None:
    metadata = tuple((name, value) for name in sorted(names))
    spelled = {name.title(): text for name, text in stored_headers(WriteSpec(content, metadata)).items()}
    info = info_of(CIMultiDict({**HEAD, **spelled}), 7)
    if content.content_type != "binary/octet-stream":
        assert info.content == content
    assert info.metadata == metadata


def test_an_object_without_a_type_has_none() -> None:
    assert info_of({**HEAD, "content-type": "binary/octet-stream"}, 7).content == ContentHeaders()


@given(etag=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1), size=st.integers(0, 2**50))
def test_a_version_is_the_tag_and_the_size(etag: str, size: int) -> None:
    version = version_of(etag, size)
    assert version == f"{etag}/{size}".encode()
    assert (etag_of_version(version), size_of_version(version)) == (ETag(etag), size)


@given(value=st.binary(min_size=4, max_size=4), count=st.integers(1, 10_000))
def test_checksums_come_back(value: bytes, count: int) -> None:
    whole = Checksum(Algorithm.CRC32C, value)
    headers = {name.replace("crc32c", "CRC32C"): text for name, text in checksum_headers(whole).items()}
    assert info_of({**HEAD, **headers}, 7).checksum == whole
    parts = Checksum(Algorithm.CRC32C, value, ChecksumType.COMPOSITE, count)
    assert checksum_headers(parts) == {}
    text = f"{headers['x-amz-checksum-CRC32C']}-{count}"
    assert info_of({**HEAD, "x-amz-checksum-CRC32C": text}, 7).checksum == parts


@given(key=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_every_key_is_listed_as_it_was_sent(key: str) -> None:
    encoded = encoded_query([("k", key)]).removeprefix("k=").replace("%20", "+")
    assert documents.decoded(encoded) == key.encode()


@example(keys=["Object", "Delete>", "a\r\nb"])
@given(keys=st.lists(st.text(st.characters(codec="utf-8")), max_size=4))
def test_names_that_xml_carries_arrive_in_documents(keys: list[str]) -> None:
    sendable = [key for key in keys if documents.is_xml_text(key)]
    sent = ElementTree.fromstring(documents.deletion(sendable))
    assert [row.findtext("{*}Key") for row in sent.iterfind("{*}Object")] == sendable
    rows = "".join(f"<Error><Key>{escape(key, ESCAPED)}</Key></Error>" for key in sendable)
    found = [record["Key"] for record in documents.delete_errors_of(f"<DeleteResult>{rows}</DeleteResult>".encode())]
    assert found == sendable


@given(document=st.binary(max_size=60))
def test_any_bytes_are_an_error_document_or_say_nothing(document: bytes) -> None:
    documents.error_of(document)
    documents.error_of(b"<Error>" + document + b"</Error>")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        (b"a//b", "/bucket/p/a//b"),
        (b"/lead", "/bucket/p//lead"),
        (b"./d", "/bucket/p/./d"),
        (b"a/../b", "/bucket/p/a/../b"),
        (b"a%2Fb +", "/bucket/p/a%252Fb%20%2B"),
        ("é".encode(), "/bucket/p/%C3%A9"),
    ],
)
def test_a_key_is_put_behind_the_prefix_as_it_is(key: bytes, path: str) -> None:
    assert place_of("s3://bucket/p/", S3Options(), "us-east-1").path(Key(key)) == path


@pytest.mark.parametrize("key", [b"", b"a\0", b"\xff", b".forebay/x"])
def test_what_is_no_key_has_no_path(key: bytes) -> None:
    place = place_of("s3://bucket", S3Options(), "us-east-1")
    with pytest.raises(KeyUnusable):
        place.path(Key(key))
    with pytest.raises(KeyTooLong):
        place.path(Key(b"k" * 1025))


@pytest.mark.parametrize(
    ("options", "region", "origin", "root"),
    [
        ({}, "eu-west-3", "https://s3.eu-west-3.amazonaws.com", "/b.c"),
        ({}, "cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn", "/b.c"),
        ({"addressing": "virtual"}, "eu-west-3", "https://b.c.s3.eu-west-3.amazonaws.com", ""),
        ({"endpoint_url": "http://Store:80/"}, "x", "http://store", "/b.c"),
        ({"endpoint_url": "http://[::1]:9000"}, "x", "http://[::1]:9000", "/b.c"),
    ],
)
def test_a_bucket_has_its_host_and_its_path(options: dict[str, str], region: str, origin: str, root: str) -> None:
    place = place_of("s3://b.c", S3Options.model_validate(options), region)
    assert (place.origin, place.root) == (origin, root)
    assert place.host == origin.partition("://")[2]
