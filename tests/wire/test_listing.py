"""Listings of objects, version 1 and 2."""

import re
from itertools import pairwise

import pytest

from tests.real.node import Node
from tests.real.wire import Answer, Query
from tests.wire.place import Place, text, texts, tree
from tests.wire.sending import Draft

pytestmark = pytest.mark.slow

KEYS = ["a", "b/1", "b/2", "b/c/3", "b0", "c//d", "d/", "d/e", "ä", "\U0001f4a7"]
"""In the order of their bytes."""


@pytest.fixture
def full(place: Place) -> Place:
    """A bucket with the keys of `KEYS`."""
    for key in reversed(KEYS):
        place.put(key, b"" if key.endswith("/") else key.encode())
    return place


def v2(place: Place, *query: tuple[str, str]) -> Answer:
    return place.ask("GET", query=[("list-type", "2"), *query])


def items(answer: Answer) -> list[str]:
    """Keys and common prefixes, merged in order."""
    assert answer.status == 200, answer
    found = texts(answer, "Contents/Key") + texts(answer, "CommonPrefixes/Prefix")
    return sorted(found, key=str.encode)


EXPECTED: list[tuple[Query, list[str]]] = [
    ([], KEYS),
    ([("prefix", "b")], ["b/1", "b/2", "b/c/3", "b0"]),
    ([("prefix", "b/")], ["b/1", "b/2", "b/c/3"]),
    ([("prefix", "nothing")], []),
    ([("delimiter", "/")], ["a", "b/", "b0", "c/", "d/", "ä", "\U0001f4a7"]),
    ([("delimiter", "/"), ("prefix", "b")], ["b/", "b0"]),
    ([("delimiter", "/"), ("prefix", "b/")], ["b/1", "b/2", "b/c/"]),
    ([("delimiter", "/"), ("prefix", "d/")], ["d/", "d/e"]),
    ([("delimiter", "/"), ("prefix", "c/")], ["c//"]),
    ([("delimiter", "//")], [*KEYS[:5], "c//", "d/", "d/e", "ä", "\U0001f4a7"]),
    ([("delimiter", "")], KEYS),
    ([("delimiter", "1")], ["a", "b/1", *KEYS[2:]]),
]


@pytest.mark.parametrize(("query", "expected"), EXPECTED)
def test_a_listing_is_one_sequence_of_keys_and_prefixes(full: Place, query: Query, expected: list[str]) -> None:
    first = full.ask("GET", query=query)
    second = v2(full, *query)
    assert items(first) == items(second) == expected
    assert text(second, "KeyCount") == str(len(expected))
    assert text(first, "IsTruncated") == text(second, "IsTruncated") == "false"
    assert text(first, "Name") == full.bucket
    assert (text(first, "Delimiter") or "") == dict(query).get("delimiter", "")
    assert text(first, "Prefix") == dict(query).get("prefix", "")
    if not dict(query).get("delimiter"):
        assert b"<Delimiter>" not in first.body


CUTS: list[tuple[Query, list[str]]] = [
    ([("cut", "b/1"), ("delimiter", "")], ["b/2", "b/c/3", "b0", "c//d", "d/", "d/e", "ä", "\U0001f4a7"]),
    ([("cut", "b/11"), ("delimiter", ""), ("prefix", "b/")], ["b/2", "b/c/3"]),
    ([("cut", "a"), ("delimiter", "/")], ["b/", "b0", "c/", "d/", "ä", "\U0001f4a7"]),
    ([("cut", "b/"), ("delimiter", "/")], ["b0", "c/", "d/", "ä", "\U0001f4a7"]),
    ([("cut", "b/2"), ("delimiter", "/")], ["b/", "b0", "c/", "d/", "ä", "\U0001f4a7"]),
    ([("cut", "b/c/3"), ("delimiter", "/")], ["b0", "c/", "d/", "ä", "\U0001f4a7"]),
    ([("cut", "(null)"), ("delimiter", "/")], ["a", "b/", "b0", "c/", "d/", "ä", "\U0001f4a7"]),
    ([("cut", "zz"), ("prefix", "b"), ("delimiter", "")], []),
    ([("cut", ""), ("prefix", "b/")], ["b/1", "b/2", "b/c/3"]),
]


@pytest.mark.parametrize(("query", "expected"), CUTS)
def test_a_cut_leaves_what_lies_behind_it(full: Place, query: Query, expected: list[str]) -> None:
    def named(name: str) -> Query:
        return [(name if parameter == "cut" else parameter, value) for parameter, value in query]

    first = full.ask("GET", query=named("marker"))
    second = v2(full, *named("start-after"))
    assert items(first) == items(second) == expected
    assert text(first, "Marker") == text(second, "StartAfter") == dict(query)["cut"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("query", [[], [("delimiter", "/")], [("prefix", "b"), ("delimiter", "/")]])
def test_pages_of_any_size_join_to_the_whole(full: Place, size: int, query: Query) -> None:
    whole = items(full.ask("GET", query=query))
    page = [*query, ("max-keys", str(size))]
    found: list[str] = []
    token: Query = []
    while True:
        answer = v2(full, *page, *token)
        shown = items(answer)
        assert len(shown) <= size
        found += shown
        if text(answer, "IsTruncated") == "false":
            assert text(answer, "NextContinuationToken") is None
            break
        token = [("continuation-token", text(answer, "NextContinuationToken") or "")]
    assert found == whole
    assert len(tree(answer)) > 0
    by_marker: list[str] = []
    while True:
        answer = full.ask("GET", query=[*page, ("marker", by_marker[-1] if by_marker else "")])
        by_marker += items(answer)
        following = text(answer, "NextMarker")
        if text(answer, "IsTruncated") == "false":
            break
        assert following == (by_marker[-1] if dict(query).get("delimiter") else None)
    assert by_marker == whole


def test_no_keys_are_a_page_that_is_not_truncated(full: Place) -> None:
    answer = v2(full, ("max-keys", "0"))
    assert (items(answer), text(answer, "IsTruncated"), text(answer, "MaxKeys")) == ([], "false", "0")


def test_more_than_a_thousand_are_a_thousand(full: Place) -> None:
    assert text(full.ask("GET", query=[("max-keys", "2147483647")]), "MaxKeys") == "1000"
    assert text(v2(full), "MaxKeys") == "1000"


FAULTS = [
    ("max-keys", "-1"),
    ("max-keys", "2147483648"),
    ("max-keys", "x"),
    ("max-keys", ""),
    ("max-keys", "1.0"),
    ("encoding-type", "base64"),
    ("encoding-type", ""),
    ("list-type", "1"),
    ("list-type", "x"),
]


@pytest.mark.parametrize(("name", "value"), FAULTS)
def test_parameters_that_cannot_be_are_refused(local: Place, name: str, value: str) -> None:
    answer = local.ask("GET", query=[(name, value)])
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert (text(answer, "ArgumentName"), text(answer, "ArgumentValue")) == (name, value)


def test_version_1_always_shows_the_owner_and_version_2_if_asked(local: Place) -> None:
    local.put("k")
    assert texts(local.ask("GET"), "Contents/Owner/DisplayName") == ["tester"]
    assert texts(v2(local), "Contents/Owner") == []
    assert texts(v2(local, ("fetch-owner", "true")), "Contents/Owner/DisplayName") == ["tester"]
    assert texts(v2(local, ("fetch-owner", "false")), "Contents/Owner") == []


def test_parameters_of_the_other_listings_are_ignored(full: Place) -> None:
    others = [("start-after", "z"), ("fetch-owner", "true"), ("key-marker", "z"), ("version-id-marker", "z")]
    assert items(full.ask("GET", query=others)) == KEYS
    assert items(v2(full, ("marker", "z"), ("key-marker", "z"))) == KEYS


def test_a_token_wins_over_a_cut_and_is_echoed(full: Place) -> None:
    first = v2(full, ("max-keys", "2"), ("start-after", "a"))
    token = text(first, "NextContinuationToken") or ""
    second = v2(full, ("max-keys", "2"), ("start-after", "z"), ("continuation-token", token))
    assert items(second) == ["b/c/3", "b0"]
    assert (text(second, "ContinuationToken"), text(second, "StartAfter")) == (token, "z")
    empty = v2(full, ("start-after", "d/"), ("continuation-token", ""))
    assert (items(empty), text(empty, "ContinuationToken")) == (["d/e", "ä", "\U0001f4a7"], "")


def test_a_token_is_good_for_its_own_query_only(full: Place) -> None:
    page = v2(full, ("max-keys", "1"), ("delimiter", "/"))
    token = text(page, "NextContinuationToken") or ""
    altered = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    wrong: list[Query] = [
        [("continuation-token", token)],
        [("continuation-token", token), ("delimiter", "/"), ("prefix", "b")],
        [("continuation-token", altered), ("delimiter", "/")],
        [("continuation-token", "nonsense"), ("delimiter", "/")],
        [("continuation-token", "a"), ("delimiter", "/")],
    ]
    for query in wrong:
        answer = v2(full, *query)
        assert (answer.status, answer.code, text(answer, "ArgumentName")) == (
            400,
            "InvalidArgument",
            "continuation-token",
        )
    elsewhere = full.wire.request("GET", f"/demo?list-type=2&delimiter=%2F&continuation-token={token}")
    assert elsewhere.code == "InvalidArgument"


def test_a_token_outlives_the_node_that_made_it(node: Node, local: Place) -> None:
    for key in "abc":
        local.put(key)
    token = text(v2(local, ("max-keys", "1")), "NextContinuationToken") or ""
    node.restart()
    assert items(v2(local, ("continuation-token", token))) == ["b", "c"]


def test_an_entry_says_what_head_says(place: Place) -> None:
    place.put("k", b"four")
    entry = tree(v2(place)).find("Contents")
    assert entry is not None
    head = place.ask("HEAD", "k").headers
    assert entry.findtext("ETag") == head["etag"]
    assert entry.findtext("Size") == "4"
    assert entry.findtext("StorageClass") == "STANDARD"
    moment = entry.findtext("LastModified") or ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", moment)
    assert moment[11:19] == head["last-modified"][17:25]
    order = [child.tag for child in entry]
    assert all(order.index(a) < order.index(b) for a, b in pairwise(["Key", "LastModified", "ETag", "Size"]))


ODD = ["a b", "a+b", "a%b", "a&<>\"'", "cr\rlf\ntab\t", "\x01", "ü/x", "\ufffe"]


def test_every_key_can_be_listed_encoded(place: Place) -> None:
    for key in ODD:
        place.put(key, b"x")
    answer = v2(place, ("encoding-type", "url"), ("delimiter", "/"), ("prefix", ""), ("start-after", " \x01"))
    assert text(answer, "EncodingType") == "url"
    assert text(answer, "StartAfter") == "%20%01"
    encoded = {"a%20b", "a%2Bb", "a%25b", "a%26%3C%3E%22%27", "cr%0Dlf%0Atab%09", "%EF%BF%BE"}
    assert set(texts(answer, "Contents/Key")) == encoded
    assert texts(answer, "CommonPrefixes/Prefix") == ["%C3%BC/"]


def test_without_encoding_xml_carries_all_it_can(place: Place) -> None:
    carried = [key for key in ODD if key not in ("\x01", "\ufffe")]
    for key in carried:
        place.put(key, b"x")
    assert sorted(texts(v2(place), "Contents/Key")) == sorted(carried)
    place.put("\x01", b"x")
    assert b"<Key>&#1;</Key>" in v2(place).body


def test_a_prefix_and_a_delimiter_are_echoed_encoded(local: Place) -> None:
    answer = local.ask("GET", query=[("prefix", "a +"), ("delimiter", "ü"), ("marker", "\n"), ("encoding-type", "url")])
    assert [text(answer, name) for name in ("Prefix", "Delimiter", "Marker")] == ["a%20%2B", "%C3%BC", "%0A"]


def test_a_listing_of_a_missing_bucket_is_told(local: Place) -> None:
    answer = local.wire.request("GET", "/missing-bucket?list-type=2")
    assert (answer.status, answer.code) == (404, "NoSuchBucket")


def test_a_listing_names_the_region(local: Place) -> None:
    assert local.ask("GET").headers["x-amz-bucket-region"] == "us-east-1"


def test_head_of_a_bucket_with_parameters_of_a_listing_is_refused_by_name(local: Place) -> None:
    answer = Draft(local.wire, "HEAD", f"/{local.bucket}?prefix=a").send()
    assert (answer.status, answer.body) == (501, b"")


def test_a_listing_of_thousands_is_complete_and_in_order(local: Place) -> None:
    keys = [f"{number % 7}/{number:05}" for number in range(2100)]
    local.wire.put_many(local.bucket, dict.fromkeys(keys, b"x"))
    assert local.wire.keys(local.bucket) == sorted(keys)
    rolled = v2(local, ("delimiter", "/"))
    assert texts(rolled, "CommonPrefixes/Prefix") == [f"{number}/" for number in range(7)]
    assert text(rolled, "IsTruncated") == "false"
