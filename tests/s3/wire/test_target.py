"""Where requests point: hosts, paths, keys and queries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ArgumentInvalid, GatewayError, MethodRefused, UriInvalid
from gateway.model import Key
from gateway.s3.head import Style, Target
from gateway.s3.target import parse_query, quote, resolve, unquote
from tests.s3.wire.heads import DOMAIN, head

KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(str.encode)


def target(line: str | bytes, host: str = "gateway.example.org", method: str = "GET") -> Target:
    return resolve(head(method, line, {"host": host}), DOMAIN)


@given(KEYS)
def test_every_key_comes_back_from_its_escaped_path_in_both_styles(key: bytes) -> None:
    assert target(f"/bucket/{quote(key)}").key == key
    assert target(f"/{quote(key)}", f"bucket.{DOMAIN}").key == key


@given(st.binary())
def test_decoding_undoes_encoding_of_any_bytes(raw: bytes) -> None:
    assert unquote(quote(raw).encode()) == raw
    assert unquote("".join(f"%{octet:02x}" for octet in raw).encode()) == raw


@pytest.mark.parametrize("path", ["a//b", "/lead", "./d", "a/../b", "dir/", "a+b", "x~y", "a%2520b", "//"])
def test_nothing_of_a_path_is_normalised(path: str) -> None:
    found = target(f"/bucket/{path}")
    assert found.key == path.replace("%25", "%").encode()
    assert found.path == f"/bucket/{path}".encode()


@pytest.mark.parametrize("line", ["/bucket", "/bucket/"])
def test_a_bucket_is_meant_with_and_without_its_slash(line: str) -> None:
    found = target(line)
    assert (found.bucket, found.key, found.style, found.path) == ("bucket", None, Style.PATH, line.encode())


def test_the_root_is_the_service_and_a_second_slash_a_bucket_without_name() -> None:
    assert target("/").bucket is None
    assert target("//").bucket == ""
    assert target("//key").key == b"key"


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        (f"my.dotted.bucket.{DOMAIN}", "my.dotted.bucket"),
        (f"Bucket.{DOMAIN.upper()}:9000", "bucket"),
        (DOMAIN, None),
        (f"x{DOMAIN}", None),
        (f".{DOMAIN}", None),
        ("[::1]:9000", None),
        ("127.0.0.1", None),
    ],
)
def test_a_host_under_the_domain_names_the_bucket(host: str, bucket: str | None) -> None:
    found = target("/a/b", host)
    expected = (Style.PATH, "a", b"b") if bucket is None else (Style.VIRTUAL_HOST, bucket, b"a/b")
    assert (found.style, found.bucket, found.key) == expected


def test_the_authority_of_an_absolute_target_replaces_the_host() -> None:
    found = target(f"http://bucket.{DOMAIN}/k?x=1", "elsewhere")
    assert (found.bucket, found.key, found.host, found.path) == ("bucket", b"k", f"bucket.{DOMAIN}".encode(), b"/k")
    assert target("HTTPS://host?list-type=2").query == ((b"list-type", b"2"),)


@pytest.mark.parametrize("line", [b"/b/%", b"/b/%4", b"/b/%zz", b"/%ff/k", b"/b/\xff", b"/b/%ed%a0%80", b"/b/k?a=%+1"])
def test_bad_escapes_and_bad_utf8_are_an_invalid_uri(line: bytes) -> None:
    with pytest.raises(UriInvalid):
        target(line)


@pytest.mark.parametrize("line", ["", "bucket/key", "*", "ftp://host/b", "http://", "http://user@host/b", "host:80"])
def test_targets_of_other_forms_are_refused(line: str) -> None:
    with pytest.raises(UriInvalid):
        target(line)


def test_a_key_with_nul_is_refused() -> None:
    with pytest.raises(ArgumentInvalid):
        target("/b/a%00b")


def test_the_asterisk_is_for_options_and_connect_for_nobody() -> None:
    assert target("*", method="OPTIONS").bucket is None
    with pytest.raises(MethodRefused):
        target("host:443", method="CONNECT")


def test_a_query_is_split_then_decoded_once_with_plus_as_blank() -> None:
    assert parse_query(b"a=1%262&b&c=&&d=x=y&e+f=%2B+%2b&g=%2541") == (
        (b"a", b"1&2"),
        (b"b", b""),
        (b"c", b""),
        (b"d", b"x=y"),
        (b"e f", b"+ +"),
        (b"g", b"%41"),
    )


@given(st.binary(max_size=60), st.sampled_from(["GET", "OPTIONS", "CONNECT", "WEIRD"]), st.binary(max_size=30))
def test_random_bytes_raise_nothing_but_expected_failures(line: bytes, method: str, host: bytes) -> None:
    try:
        found = resolve(head(method, line, {"host": host.decode("latin-1")}), DOMAIN)
    except GatewayError:
        return
    assert found.key is None or Key(found.key.decode().encode()) == found.key
