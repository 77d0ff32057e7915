"""What a node answers that is configured otherwise: another region, other rules for version 2, no new buckets."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from tests.real.node import Node
from tests.real.wire import Answer, Wire
from tests.wire.place import Place, text
from tests.wire.sending import send_unsigned
from tests.wire.signing import presigned_v2, signature_v2

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node in Frankfurt that takes version 2 everywhere, for URLs of at most a minute."""
    sets = ("s3.region=eu-central-1", "s3.signature_v2=all", "s3.signature_v2_expires_max=1m")
    with Node(tmp_path_factory.mktemp("node"), sets=sets) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """The way to a node that takes no version 2 at all."""
    with Node(tmp_path_factory.mktemp("strict"), sets=("s3.signature_v2=off",)) as running:
        yield Wire(running)


def url(wire: Wire, target: str, expires_s: int) -> str:
    proof = presigned_v2(wire.signer, "GET", target, expires=str(int(time.time()) + expires_s))
    return f"{target}?{proof}"


def signed_v2(wire: Wire, method: str, target: str, headers: dict[str, str], amz: str = "") -> Answer:
    """A request with a version 2 signature in its header."""
    date = "" if "x-amz-date" in headers else headers["date"]
    signature = signature_v2(wire.signer, f"{method}\n\n\n{date}\n{amz}{target}")
    return send_unsigned(
        wire, method, target, {**headers, "authorization": f"AWS {wire.signer.access_key}:{signature}"}
    )


def test_another_region_is_named(local: Place) -> None:
    assert text(local.ask("GET", query=[("location", "")]), ".") == "eu-central-1"
    assert local.ask("HEAD").headers["x-amz-bucket-region"] == "eu-central-1"


def test_elsewhere_an_own_bucket_cannot_be_made_again(local: Place) -> None:
    answer = local.ask("PUT")
    assert (answer.status, answer.code) == (409, "BucketAlreadyOwnedByYou")


def test_version_2_headers_are_taken_where_they_are_switched_on(local: Place) -> None:
    local.put("k", b"x")
    date = format_datetime(datetime.now(UTC), usegmt=True)
    assert signed_v2(local.wire, "GET", local.target("k"), {"date": date}).body == b"x"
    amazon = signed_v2(local.wire, "GET", local.target("k"), {"x-amz-date": date}, f"x-amz-date:{date}\n")
    assert amazon.body == b"x"
    old = signed_v2(local.wire, "GET", local.target("k"), {"date": "Sun, 06 Nov 1994 08:49:37 GMT"})
    assert (old.status, old.code) == (403, "RequestTimeTooSkewed")
    wrong = signed_v2(local.wire, "GET", local.target("other"), {"date": date}, "x-amz-meta-a:1\n")
    assert (wrong.status, wrong.code) == (403, "SignatureDoesNotMatch")
    malformed = send_unsigned(local.wire, "GET", local.target("k"), {"date": date, "authorization": "AWS nonsense"})
    assert (malformed.status, malformed.code) == (400, "AuthorizationHeaderMalformed")


def test_version_2_urls_end_within_the_limit(local: Place) -> None:
    local.put("k", b"x")
    assert send_unsigned(local.wire, "GET", url(local.wire, local.target("k"), 50)).body == b"x"
    late = send_unsigned(local.wire, "GET", url(local.wire, local.target("k"), 120))
    assert (late.status, late.code) == (403, "AccessDenied")


def test_version_2_can_be_switched_off(strict: Wire) -> None:
    answer = send_unsigned(strict, "GET", url(strict, "/demo/k", 50))
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert "Please use AWS4-HMAC-SHA256." in (text(answer, "Message") or "")
    form = b'--e\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    for name in ("AWSAccessKeyId", "policy", "signature"):
        form += f'--e\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nx\r\n'.encode()
    form += b'--e\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--e--\r\n'
    posted = send_unsigned(strict, "POST", "/demo", {"content-type": "multipart/form-data; boundary=e"}, form)
    assert (posted.status, posted.code) == (400, "InvalidRequest")
    assert strict.request("GET", "/demo").status == 200, "version 4 is always good"
