"""Keys: the percent-decoded bytes, never normalised, never outside the bucket."""

import pytest

from tests.real.node import Node
from tests.real.wire import Wire, path
from tests.wire.place import Place, text
from tests.wire.sending import Draft

pytestmark = pytest.mark.slow

KEYS = [
    "a//b",
    "/lead",
    "//",
    "./d",
    "../d",
    "a/../b",
    "a/./b",
    "..",
    ".",
    "dir/",
    "dir//",
    " ",
    " a b ",
    "a+b",
    "a%2Fb",
    "a%b",
    "~",
    "-._",
    "'()*!",
    'q"uote',
    "a?b#c&d=e",
    "back\\slash",
    "semi;colon:at@",
    "<&>",
    "é",
    "e\u0301",
    "\U0001f4a7",
    "tab\tnewline\nreturn\r",
    "\x01\x7f",
    "con.",
    "/".join(["d" * 253, "d" * 253, "s" * 255]),
    "/".join(["é" * 126, "é" * 126, "é" * 127]),
    "a/.forebay",
]


@pytest.mark.parametrize("key", KEYS, ids=ascii)
def test_a_key_is_kept_as_it_is(place: Place, key: str) -> None:
    body = key.encode()
    if key.endswith("/"):
        body = b""
    place.put(key, body)
    assert place.wire.get(place.bucket, key) == body
    assert place.wire.keys(place.bucket) == [key]
    assert place.ask("DELETE", key).status == 204
    assert place.wire.keys(place.bucket) == []


def test_a_key_of_1024_bytes_is_not_too_long(wire: Wire) -> None:
    memory = Place(wire, "memory")
    for key in ("k" * 1024, "é" * 512):
        memory.put(key, b"x")
        assert wire.keys("memory") == [key]
        memory.clear()


@pytest.mark.parametrize("key", [".forebay", ".forebay/tmp/x"])
def test_what_the_gateway_keeps_for_itself_is_no_key(place: Place, key: str) -> None:
    with place.untouched():
        answer = place.ask("PUT", key, body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert place.ask("GET", key).status in (400, 404)


@pytest.mark.parametrize("key", ["s" * 256, "a/" + "é" * 128])
def test_a_directory_has_no_names_above_255_bytes(local: Place, key: str) -> None:
    with local.untouched():
        answer = local.ask("PUT", key, body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_keys_that_look_alike_are_different(place: Place) -> None:
    alike = ["e\u0301", "é", "a", "A", "a/", "a//", "/a", "./a", "a/.", "a%2F", "a ", "a+", "a%20"]
    for key in alike:
        place.put(key, b"" if key.endswith("/") else key.encode())
    assert place.wire.keys(place.bucket) == sorted(alike, key=str.encode)
    for key in alike:
        assert place.wire.get(place.bucket, key) == (b"" if key.endswith("/") else key.encode())


@pytest.mark.parametrize(
    ("raw", "key"),
    [("%41%62", "Ab"), ("'()*!", "'()*!"), ("%27%28%29%2A%21", "'()*!"), ("%7e", "~"), ("a+b", "a+b"), ("%c3%BC", "ü")],
)
def test_a_key_may_be_encoded_in_any_way(local: Place, raw: str, key: str) -> None:
    draft = Draft(local.wire, "PUT", f"/{local.bucket}/{raw}", body=b"x", signed_target=path(local.bucket, key))
    assert draft.send().status == 200
    assert local.wire.keys(local.bucket) == [key]


def test_a_key_may_be_sent_as_raw_utf_8(local: Place) -> None:
    raw = f"/{local.bucket}/ü".encode().decode("latin-1")
    draft = Draft(local.wire, "PUT", raw, body=b"x", signed_target=path(local.bucket, "ü"))
    assert draft.send().status == 200
    assert local.wire.keys(local.bucket) == ["ü"]


FAULTS = [
    ("%ff", "InvalidURI"),
    ("%c3", "InvalidURI"),
    ("%ed%a0%80", "InvalidURI"),
    ("%zz", "InvalidURI"),
    ("%2", "InvalidURI"),
    ("a%", "InvalidURI"),
    ("a%00b", "InvalidArgument"),
    ("k" * 1025, "KeyTooLongError"),
    ("%C3%A9" * 512 + "k", "KeyTooLongError"),
]


@pytest.mark.parametrize(("raw", "code"), FAULTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_cannot_be_a_key_is_refused(place: Place, method: str, raw: str, code: str) -> None:
    with place.untouched():
        draft = Draft(place.wire, method, f"/{place.bucket}/{raw}", body=b"x" if method == "PUT" else b"")
        answer = draft.send()
    assert (answer.status, answer.code) == (400, code), answer
    if code == "KeyTooLongError":
        assert (text(answer, "Size"), text(answer, "MaxSizeAllowed")) == ("1025", "1024")
    if code == "InvalidURI":
        assert text(answer, "Message") == "Couldn't parse the specified URI."


# A directory whose names are the keys themselves.

UNUSABLE = ["a//b", "/lead", "./d", "../d", "a/../b", "a/..", "..", ".", "dir//", ".forebay", ".forebay/x", "s" * 256]


@pytest.mark.parametrize("key", UNUSABLE, ids=ascii)
@pytest.mark.parametrize("way", ["put", "copy", "upload"])
def test_a_directory_refuses_what_it_cannot_hold_exactly(node: Node, wire: Wire, key: str, way: str) -> None:
    demo = Place(wire, "demo", node.directory / "demo")
    demo.put("kept", b"x")
    outside = sorted(str(found) for found in node.directory.glob("*"))
    with demo.untouched():
        match way:
            case "put":
                answer = demo.ask("PUT", key, body=b"x")
            case "copy":
                answer = demo.ask("PUT", key, headers={"x-amz-copy-source": "demo/kept"})
            case _:
                answer = demo.ask("POST", key, [("uploads", "")])
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    assert sorted(str(found) for found in node.directory.glob("*")) == outside
    assert demo.ask("GET", key).status in (400, 404)
    assert demo.ask("DELETE", key).status in (204, 400)


def test_nothing_outside_a_directory_can_be_read(node: Node, wire: Wire) -> None:
    demo = Place(wire, "demo", node.directory / "demo")
    demo.put("kept", b"x")
    (node.directory / "secret").write_bytes(b"secret")
    (node.directory / "demo" / "link").symlink_to(node.directory / "secret")
    for key in ("../secret", "kept/../../secret", "/../secret", "..%2Fsecret", "link", ".forebay/../../secret"):
        answer = demo.ask("GET", key)
        assert answer.status in (400, 403, 404), key
        assert b"secret" not in answer.body.replace(b"secret</", b"")
    (node.directory / "demo" / "link").unlink()


def test_files_that_others_put_into_a_directory_are_objects(node: Node, wire: Wire) -> None:
    found = node.directory / "demo" / "deep" / "file.txt"
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_bytes(b"found there")
    (found.parent.parent / "deep" / "caf\udce9").write_bytes(b"not UTF-8")
    demo = Place(wire, "demo")
    assert wire.get("demo", "deep/file.txt") == b"found there"
    assert wire.keys("demo", "deep/") == ["deep/file.txt"]
    etag = demo.ask("HEAD", "deep/file.txt").headers["etag"]
    assert etag.endswith('-1"'), "nobody has computed an MD5 of it"
    assert demo.ask("GET", "deep/file.txt", headers={"if-match": etag}).status == 200
