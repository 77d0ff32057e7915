"""Rights: policies, owners, who proves nothing, and proxies that are trusted."""

from collections.abc import Iterator

import pytest

from tests.real.node import Node
from tests.real.wire import EMPTY_SHA256, Answer, Signer, Wire, fetch, head_bytes
from tests.wire.place import Place, text, texts
from tests.wire.sending import send_raw, send_unsigned

pytestmark = pytest.mark.slow

SECRET = "another-secret-of-forty-characters-00000"


def key(name: str, *policies: str, user: str = "") -> str:
    names = ", ".join(f'"{policy}"' for policy in policies)
    return f'[[access_key]]\nid = "{name}"\nsecret = "{SECRET}"\nuser = "{user or name.lower()}"\npolicy = [{names}]\n'


def policy(name: str, *statements: str) -> str:
    return f"[policy.{name}]\nstatement = [{', '.join(statements)}]\n"


EXTRA = "\n".join(
    [
        '[[mount]]\nbucket = "data"\nbackend = "memory"\n',
        '[[mount]]\nbucket = "public"\nbackend = "memory"\n',
        '[[mount]]\nbucket = "read-only"\nbackend = "memory"\nwrites = "deny"\n',
        key("READER", "reading"),
        key("WRITER", "writing"),
        key("ALL", "all"),
        key("DENIED", "all", "no-secrets"),
        key("OWNER", "own", user="owner"),
        key("OWNER2", user="owner"),
        key("OWNER3", "own", "nothing", user="owner"),
        key("PREFIX", "prefix"),
        key("ADDRESS", "address"),
        key("SECURE", "secure"),
        key("NOTACTION", "all-but-delete"),
        key("EXPIRED", "all").replace("policy =", 'expires = "2020-01-01T00:00:00Z"\npolicy ='),
        policy("reading", '{ effect = "Allow", action = "s3:GetObject", resource = "data/open/*" }'),
        policy(
            "writing",
            '{ effect = "Allow", action = ["S3:PutObject", "s3:deleteobject"], resource = ["arn:aws:s3:::data/*"] }',
        ),
        policy("all", '{ effect = "Allow", action = "*", resource = "*" }'),
        policy("no-secrets", '{ effect = "Deny", action = "s3:*", resource = "data/secret?*" }'),
        policy("own", '{ effect = "Allow", action = ["s3:CreateBucket", "s3:ListAllMyBuckets"], resource = ["*"] }'),
        policy("nothing", '{ effect = "Deny", action = "s3:DeleteObject", resource = "*" }'),
        policy(
            "prefix",
            '{ effect = "Allow", action = "s3:ListBucket", resource = "data",'
            ' condition = { StringLike = { "s3:prefix" = ["mine/*"] },'
            ' NumericLessThanEquals = { "s3:max-keys" = 10 } } }',
        ),
        policy(
            "address",
            '{ effect = "Allow", action = "s3:*", resource = "*",'
            ' condition = { IpAddress = { "aws:SourceIp" = "192.0.2.0/24" } } }',
        ),
        policy(
            "secure",
            '{ effect = "Allow", action = "s3:*", resource = "*",'
            ' condition = { Bool = { "aws:SecureTransport" = true } } }',
        ),
        policy("all-but-delete", '{ effect = "Allow", not_action = "s3:Delete*", not_resource = "read-only/*" }'),
        policy(
            "anonymous",
            '{ effect = "Allow", action = ["s3:GetObject", "s3:PutObject"], resource = "public/*" }',
            '{ effect = "Allow", action = "s3:GetObject", resource = "data/open/*" }',
        ),
    ]
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with many keys, of which each has other rights; it trusts the proxies on this host."""
    directory = tmp_path_factory.mktemp("node")
    with Node(directory, extra=EXTRA, sets=('listen.trusted_proxies=["127.0.0.1/32"]',)) as running:
        yield running


@pytest.fixture(scope="module")
def data(wire: Wire) -> Place:
    """A bucket with a few objects, which no test changes."""
    place = Place(wire, "data")
    for name in ("open/a", "secret/b", "mine/c", "other"):
        place.put(name, name.encode())
    return place


def by(node: Node, who: str) -> Wire:
    """The way to the node with the rights of this key."""
    return Wire(node, Signer(who, SECRET))


RIGHTS: list[tuple[str, str, str, int]] = [
    ("READER", "GET", "/data/open/a", 200),
    ("READER", "GET", "/data/open/missing", 403),
    ("READER", "GET", "/data/other", 403),
    ("READER", "PUT", "/data/open/new", 403),
    ("READER", "GET", "/data", 403),
    ("READER", "HEAD", "/data", 403),
    ("READER", "GET", "/missing-bucket/k", 403),
    ("READER", "GET", "/", 403),
    ("WRITER", "PUT", "/data/new", 200),
    ("WRITER", "GET", "/data/new", 403),
    ("WRITER", "DELETE", "/data/new", 204),
    ("WRITER", "POST", "/data/new?uploads=", 200),
    ("WRITER", "GET", "/data?uploads=", 403),
    ("WRITER", "GET", "/data/new?acl=", 403),
    ("WRITER", "PUT", "/data/new?tagging=", 403),
    ("ALL", "GET", "/data", 200),
    ("ALL", "GET", "/missing-bucket/k", 404),
    ("ALL", "GET", "/data/missing", 404),
    ("DENIED", "GET", "/data/other", 200),
    ("DENIED", "GET", "/data/secret/b", 403),
    ("DENIED", "GET", "/data/secret", 404),
    ("NOTACTION", "GET", "/data/other", 200),
    ("NOTACTION", "DELETE", "/data/missing", 403),
    ("NOTACTION", "GET", "/read-only/k", 403),
    ("PREFIX", "GET", "/data?max-keys=10&prefix=mine%2Fx", 200),
    ("PREFIX", "GET", "/data?max-keys=11&prefix=mine%2Fx", 403),
    ("PREFIX", "GET", "/data?max-keys=10&prefix=other", 403),
    ("PREFIX", "GET", "/data?max-keys=10", 403),
    ("SECURE", "GET", "/data", 403),
    ("ADDRESS", "GET", "/data", 403),
    ("EXPIRED", "GET", "/data", 403),
]


@pytest.mark.parametrize(("who", "method", "target", "status"), RIGHTS)
def test_a_key_may_do_what_its_policies_say(
    node: Node, data: Place, who: str, method: str, target: str, status: int
) -> None:
    answer = by(node, who).request(method, target, body=b"x" if method == "PUT" else None)
    assert answer.status == status, answer


def test_an_expired_key_is_unknown(node: Node, data: Place) -> None:
    assert by(node, "EXPIRED").request("GET", "/data").code == "InvalidAccessKeyId"


def test_each_key_of_a_delete_needs_its_right(node: Node, data: Place) -> None:
    names = "".join(f"<Object><Key>{name}</Key></Object>" for name in ("gone", "secret/b"))
    answer = by(node, "DENIED").request("POST", "/data?delete=", body=f"<Delete>{names}</Delete>".encode())
    assert (texts(answer, "Deleted/Key"), texts(answer, "Error/Key")) == (["gone"], ["secret/b"])
    assert data.wire.get("data", "secret/b") == b"secret/b"


def test_a_read_only_bucket_refuses_every_write(node: Node, data: Place) -> None:
    everything = by(node, "ALL")
    writes: list[tuple[str, str, bytes | None, dict[str, str]]] = [
        ("PUT", "/read-only/k", b"x", {}),
        ("PUT", "/read-only/k", None, {"x-amz-copy-source": "data/other"}),
        ("DELETE", "/read-only/k", None, {}),
        ("POST", "/read-only?delete=", b"<Delete><Object><Key>k</Key></Object></Delete>", {}),
        ("POST", "/read-only/k?uploads=", None, {}),
        ("PUT", "/read-only/k?tagging=", b"<Tagging><TagSet/></Tagging>", {}),
        ("DELETE", "/read-only/k?tagging=", None, {}),
    ]
    for method, target, body, headers in writes:
        answer = everything.request(method, target, headers=headers, body=body)
        assert (answer.status, answer.code) == (403, "AccessDenied"), (method, target, answer)
    assert everything.request("GET", "/read-only").status == 200


# Owners.


def test_a_user_may_do_all_in_its_own_buckets_unless_a_deny_says_no(node: Node, data: Place) -> None:
    owner, other_key, denied = by(node, "OWNER"), by(node, "OWNER2"), by(node, "OWNER3")
    assert owner.request("PUT", "/owned").status == 200
    assert owner.put("owned", "k", b"x").status == 200
    assert other_key.get("owned", "k") == b"x", "the bucket belongs to the user, whichever key"
    assert other_key.request("PUT", "/another").status == 403, "that user's other key may make none"
    assert denied.request("DELETE", "/owned/k").code == "AccessDenied"
    assert by(node, "READER").request("GET", "/owned/k").code == "AccessDenied"
    assert texts(owner.request("GET", "/"), "Buckets/Bucket/Name") == ["owned"]
    assert other_key.request("DELETE", "/owned/k").status == 204
    assert owner.request("DELETE", "/owned").status == 204


# Nobody.


NOBODY: list[tuple[str, str, int]] = [
    ("GET", "/public/k", 403),
    ("PUT", "/public/k", 200),
    ("GET", "/public/k", 200),
    ("DELETE", "/public/k", 403),
    ("GET", "/public", 403),
    ("POST", "/public/k?uploads=", 200),
    ("GET", "/data/open/a", 200),
    ("GET", "/data/other", 403),
    ("GET", "/missing-bucket/k", 403),
    ("PUT", "/new-bucket", 403),
    ("GET", "/", 403),
]


def test_who_proves_nothing_has_the_rights_of_the_policy_anonymous(data: Place) -> None:
    for method, target, status in NOBODY:
        answer = send_unsigned(data.wire, method, target, body=b"x" if method == "PUT" else None)
        assert answer.status == status, (method, target, answer)


def test_unsigned_forms_may_be_allowed(data: Place) -> None:
    form = b'--e\r\nContent-Disposition: form-data; name="key"\r\n\r\nform\r\n'
    form += b'--e\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--e--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=e"}
    assert send_unsigned(data.wire, "POST", "/public", kind, form).status == 204
    assert send_unsigned(data.wire, "POST", "/data", kind, form).status == 403


def test_a_bucket_that_nobody_needs_a_key_for_is_public(data: Place) -> None:
    public = {name: text(data.wire.request("GET", f"/{name}?policyStatus="), "IsPublic") for name in
              ("public", "data", "read-only")}  # fmt: skip
    assert public == {"public": "true", "data": "true", "read-only": "false"}


def test_what_nobody_may_have_are_overrides(data: Place) -> None:
    answer = send_unsigned(data.wire, "GET", "/data/open/a?response-content-type=text%2Fhtml")
    assert (answer.status, answer.code) == (400, "InvalidRequest")


# Proxies.


def through_proxy(node: Node, who: str, forwarded: dict[str, str], signed_host: str | None = None) -> Answer:
    """A listing as a proxy would pass it on."""
    wire = by(node, who)
    fields = wire.signer.signed("GET", "/data", {"host": signed_host or wire.host})
    return send_raw(wire, head_bytes("GET", "/data", {**fields, "host": wire.host, **forwarded}))


@pytest.mark.parametrize(
    ("forwarded", "host", "status"),
    [
        ({"x-forwarded-host": "s3.example.org"}, "s3.example.org", 200),
        ({"x-forwarded-host": "s3.example.org, inner"}, "s3.example.org", 200),
        ({"x-forwarded-host": "s3.example.org", "x-forwarded-port": "8443"}, "s3.example.org:8443", 200),
        ({"x-forwarded-host": "inner, s3.example.org"}, "s3.example.org", 403),
        ({}, "s3.example.org", 403),
    ],
)
def test_a_trusted_proxy_says_what_host_was_signed(
    node: Node, data: Place, forwarded: dict[str, str], host: str, status: int
) -> None:
    assert through_proxy(node, "ALL", forwarded, host).status == status


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ({"x-forwarded-for": "192.0.2.7"}, 200),
        ({"x-forwarded-for": "10.0.0.1, 192.0.2.7, 127.0.0.1"}, 200),
        ({"x-forwarded-for": "192.0.2.7, 10.0.0.1"}, 403),
        ({"x-forwarded-for": "192.0.2.7, nonsense"}, 403),
        ({}, 403),
    ],
)
def test_a_trusted_proxy_says_who_the_client_is(
    node: Node, data: Place, forwarded: dict[str, str], status: int
) -> None:
    assert through_proxy(node, "ADDRESS", forwarded).status == status


@pytest.mark.parametrize(("proto", "status"), [("https", 200), ("http", 403), ("nonsense", 403)])
def test_a_trusted_proxy_says_whether_tls_was_spoken(node: Node, data: Place, proto: str, status: int) -> None:
    assert through_proxy(node, "SECURE", {"x-forwarded-proto": proto}).status == status


# The admin port, which lets the same keys in.


def test_the_right_to_administer_must_be_named(node: Node, data: Place) -> None:
    """`*` gives every right of S3 and none over the node."""
    assert status_of(node, Signer("ALL", SECRET)) == 403
    assert status_of(node, data.wire.signer) == 200


def status_of(node: Node, who: Signer) -> int:
    """The HTTP status of the node's own status, asked by this key."""
    host = f"127.0.0.1:{node.admin_port}"
    fields = who.signed("GET", "/api/v1/status", {"host": host}, payload=EMPTY_SHA256)
    return fetch(f"http://{host}/api/v1/status", headers=fields).status
