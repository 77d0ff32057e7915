"""ListObjects of both versions over a bucket of many names."""

import pytest

from tests.handlers.node import Node

NAMES = ["a", "b/1", "b/2", "b/c/3", "c d", "c+d", "dir/", "z&<>", "é"]


@pytest.fixture
def keys(node: Node) -> list[str]:
    from urllib.parse import quote

    for name in NAMES:
        node.request("PUT", f"/demo/{quote(name)}", name.encode())
    return sorted(NAMES, key=str.encode)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_of_version_2_join_to_the_whole(node: Node, keys: list[str], size: int, delimiter: str) -> None:
    seen: list[str] = []
    query = ""
    while True:
        page = node.request("GET", f"/demo?list-type=2&max-keys={size}&delimiter={delimiter}{query}")
        found = page.texts("Key") + page.texts("Prefix")[1:]
        assert int(page.text("KeyCount")) == len(found) <= size
        seen += found
        if page.text("IsTruncated") == "false":
            break
        query = f"&continuation-token={page.text('NextContinuationToken')}"
    assert sorted(seen, key=str.encode) == (keys if not delimiter else rolled(keys))


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_of_version_1_join_to_the_whole(node: Node, keys: list[str], size: int) -> None:
    from urllib.parse import quote

    seen: list[str] = []
    marker = ""
    while True:
        page = node.request("GET", f"/demo?max-keys={size}&delimiter=/&marker={quote(marker)}")
        seen += page.texts("Key") + page.texts("Prefix")[1:]
        if page.text("IsTruncated") == "false":
            break
        marker = page.text("NextMarker")
    assert sorted(seen, key=str.encode) == rolled(keys)


def rolled(keys: list[str]) -> list[str]:
    return sorted({key if "/" not in key else key[: key.index("/") + 1] for key in keys}, key=str.encode)


def test_a_list_shows_what_head_shows(node: Node, keys: list[str]) -> None:
    page = node.request("GET", "/demo?list-type=2&prefix=a")
    head = node.request("HEAD", "/demo/a")
    assert page.text("ETag") == head.fields["etag"]
    assert page.text("Size") == str(head.size)


def test_no_keys_asked_for_is_an_empty_page_that_ends(node: Node, keys: list[str]) -> None:
    page = node.request("GET", "/demo?list-type=2&max-keys=0")
    assert (page.texts("Key"), page.text("IsTruncated")) == ([], "false")


def test_a_list_begins_after_a_key_that_need_not_exist(node: Node, keys: list[str]) -> None:
    assert node.request("GET", "/demo?list-type=2&start-after=b/2&prefix=b/").texts("Key") == ["b/c/3"]
    assert node.request("GET", "/demo?list-type=2&start-after=b/15&prefix=b/").texts("Key") == ["b/2", "b/c/3"]
    assert node.request("GET", "/demo?marker=b/2&prefix=b/").texts("Key") == ["b/c/3"]


@pytest.mark.parametrize(
    "query",
    [
        "list-type=3",
        "list-type=2&max-keys=-1",
        "list-type=2&max-keys=x",
        "list-type=2&encoding-type=base64",
        "list-type=2&continuation-token=foreign",
        "uploads&max-uploads=x",
    ],
)
def test_an_argument_that_cannot_be_is_refused(node: Node, query: str) -> None:
    reply = node.request("GET", f"/demo?{query}")
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_a_token_is_good_for_its_own_query_only(node: Node, keys: list[str]) -> None:
    token = node.request("GET", "/demo?list-type=2&max-keys=1").text("NextContinuationToken")
    assert node.request("GET", f"/demo?list-type=2&continuation-token={token}").status == 200
    for other in ("/demo?list-type=2&prefix=a", "/other?list-type=2", "/demo?list-type=2&delimiter=/"):
        assert node.request("GET", f"{other}&continuation-token={token}").code == "InvalidArgument"


def test_names_can_be_had_percent_encoded(node: Node, keys: list[str]) -> None:
    page = node.request("GET", "/demo?list-type=2&encoding-type=url&prefix=c")
    assert page.texts("Key") == ["c%20d", "c%2Bd"]


def test_the_owner_is_shown_when_asked_for(node: Node, keys: list[str]) -> None:
    assert node.request("GET", "/demo?list-type=2").texts("Owner") == []
    assert set(node.request("GET", "/demo?list-type=2&fetch-owner=true").texts("DisplayName")) == {"forebay"}
    assert set(node.request("GET", "/demo").texts("DisplayName")) == {"forebay"}
