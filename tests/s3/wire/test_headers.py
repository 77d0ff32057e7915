"""Header fields as values and back."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ArgumentInvalid
from gateway.model import ContentHeaders, ETag, Info, Version
from gateway.s3.guards import TagList
from gateway.s3.head import Head
from gateway.s3.headers import (
    Sent,
    form_sent,
    metadata_fields,
    not_modified_fields,
    object_fields,
    read_content,
    read_metadata,
    read_sent,
)
from gateway.s3.stored import read_stored
from gateway.s3.target import resolve
from gateway.s3.validators import if_range, parse_tag_list
from tests.s3.wire.heads import head

FULL = ContentHeaders("text/plain", "no-cache", "inline", "gzip", "de", "not a date")


def sent(target: str, fields: dict[str, str] | None = None) -> Sent:
    request = head("PUT", target, fields)
    return read_sent(request, resolve(request, ""))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("*", TagList(any=True)),
        ('"a"', TagList(strong=("a",))),
        ("a", TagList(strong=("a",))),
        ('""', TagList(strong=("",))),
        ('W/"a"', TagList(weak=("a",))),
        ("W/a", TagList(weak=("a",))),
        ('"a", W/"b" ,c', TagList(strong=("a", "c"), weak=("b",))),
        ('"a,b"', TagList(strong=("a,b",))),
        ('"*"', TagList(strong=("*",))),
        ("", TagList()),
        (" , ,", TagList()),
    ],
)
def test_tags_are_read_with_and_without_quotes(text: str, tags: TagList) -> None:
    assert parse_tag_list(text) == tags


@given(st.text())
def test_any_text_is_some_list_of_tags(text: str) -> None:
    tags = parse_tag_list(text)
    assert all('"' not in tag for tag in (*tags.strong, *tags.weak))


def test_if_range_is_a_date_or_a_tag() -> None:
    assert if_range(Sent({"if-range": "Sun, 06 Nov 1994 08:49:37 GMT"})) == 784_111_777
    assert if_range(Sent({"if-range": '"tag"'})) == TagList(strong=("tag",))
    assert if_range(Sent({})) is None


def test_fields_of_one_name_are_joined() -> None:
    request = Head("PUT", b"/b/k", ((b"host", b"h"), (b"x-amz-meta-a", b"1"), (b"x-amz-meta-a", b"\xe9")))
    assert read_metadata(read_sent(request, resolve(request, ""))) == (("a", "1,é"),)


def test_a_presigned_url_carries_headers_unless_the_header_itself_is_there() -> None:
    said = sent("/b/k?X-Amz-Signature=s&X-Amz-Meta-A=1&x-amz-acl=private", {"x-amz-acl": "public-read"})
    assert said.text("x-amz-meta-a") == "1"
    assert said.text("x-amz-acl") == "public-read"


def test_a_version_2_url_carries_the_content_type_too() -> None:
    assert sent("/b/k?AWSAccessKeyId=i&content-type=text/plain").text("content-type") == "text/plain"
    assert sent("/b/k?X-Amz-Signature=s&content-type=text/plain").text("content-type") is None


def test_only_a_presigned_url_carries_headers() -> None:
    assert sent("/b/k?x-amz-acl=private").text("x-amz-acl") is None


def test_checksums_are_never_taken_from_a_query() -> None:
    said = sent("/b/k?X-Amz-Signature=s&x-amz-checksum-crc32=AAAAAA==&x-amz-sdk-checksum-algorithm=CRC32")
    assert said.text("x-amz-checksum-crc32") is None
    assert said.text("x-amz-sdk-checksum-algorithm") is None


def test_a_form_says_the_same_under_its_own_names() -> None:
    said = form_sent({"acl": "private", "x-amz-meta-a": "é", "tagging": "<Tagging/>"})
    assert said.text("x-amz-acl") == "private"
    assert read_metadata(said) == (("a", "é".encode().decode("latin-1")),)


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0", "\x7f"])
@pytest.mark.parametrize("name", ["content-type", "cache-control", "x-amz-meta-a"])
def test_what_no_header_field_could_carry_is_not_stored(name: str, value: str) -> None:
    with pytest.raises(ArgumentInvalid):
        read_stored(form_sent({name: value}))


@pytest.mark.parametrize("name", ["a\nset-cookie", "a b", "a:", "\xe9", "\u4e2d"])
def test_what_no_header_field_could_be_called_is_no_metadata(name: str) -> None:
    with pytest.raises(ArgumentInvalid):
        read_stored(form_sent({f"x-amz-meta-{name}": "1"}))
    with pytest.raises(ArgumentInvalid):
        read_stored(sent(f"/b/k?X-Amz-Signature=s&x-amz-meta-{quote(name)}=1"))


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("gzip", "gzip"),
        ("gzip,br", "gzip,br"),
        ("aws-chunked", None),
        ("gzip, aws-chunked", "gzip"),
        ("AWS-Chunked,gzip , br", "gzip, br"),
        ("aws-chunked,aws-chunked", None),
        ("", ""),
    ],
)
def test_aws_chunked_is_framing_and_not_stored(said: str, stored: str | None) -> None:
    assert read_content(Sent({"content-encoding": said})).content_encoding == stored


def test_what_was_stored_is_answered_verbatim() -> None:
    there = Info(Version(b"v"), 3, 784_111_777, ETag("tag"), FULL, (("a", ""), ("b", "\xe9")))
    fields = dict(object_fields(there))
    assert fields["etag"] == '"tag"'
    assert fields["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert fields["accept-ranges"] == "bytes"
    assert read_content(Sent(fields)) == FULL
    assert read_metadata(Sent(dict(metadata_fields(there.metadata)))) == there.metadata
    assert [name for name, _ in not_modified_fields(there)] == ["etag", "last-modified", "cache-control", "expires"]


def test_overrides_replace_stored_headers_and_the_default_type() -> None:
    there = Info(Version(b"v"), 3, 0, ETag("tag"))
    assert dict(object_fields(there))["content-type"] == "binary/octet-stream"
    fields = dict(object_fields(there, (("content-type", "text/html"), ("expires", "never"))))
    assert (fields["content-type"], fields["expires"]) == ("text/html", "never")
