"""The worked examples of the Amazon S3 API Reference, all made with one example key on one day."""

import hashlib

import pytest

from gateway.s3.head import Head
from gateway.s3.payload import Receiver, plan
from gateway.s3.proof import Mechanism
from tests.s3.auth.requests import head_of, proof_of
from tests.s3.auth.signer import NOW_S, STAMP, authorization

EMPTY = hashlib.sha256(b"").hexdigest()
HOST = "examplebucket.s3.amazonaws.com"


def signed(method: str, path: str, signature: str, headers: dict[str, str]) -> Head:
    proof = authorization(signature, ["host", *headers])
    return head_of(method, f"http://{HOST}{path}", {**headers, "authorization": proof})


@pytest.mark.parametrize(
    "head",
    [
        signed(
            "GET",
            "/test.txt",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY, "x-amz-date": STAMP},
        ),
        signed(
            "PUT",
            "/test%24file.text",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                "x-amz-date": STAMP,
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
        ),
        signed(
            "GET",
            "/?lifecycle",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            {"x-amz-content-sha256": EMPTY, "x-amz-date": STAMP},
        ),
        signed(
            "GET",
            "/?max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            {"x-amz-content-sha256": EMPTY, "x-amz-date": STAMP},
        ),
    ],
    ids=["get", "put", "lifecycle", "list"],
)
def test_the_examples_of_signed_headers_verify(head: Head) -> None:
    assert proof_of(head, NOW_S).mechanism is Mechanism.V4_HEADER


def test_the_example_of_a_presigned_url_verifies_for_a_day() -> None:
    head = head_of(
        "GET",
        f"https://{HOST}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    )
    assert proof_of(head, NOW_S + 86399).mechanism is Mechanism.V4_QUERY


CHUNKED_BODY = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)


def test_the_example_of_signed_chunks_verifies() -> None:
    head = head_of(
        "PUT",
        "http://s3.amazonaws.com/examplebucket/chunkObject.txt",
        {
            "x-amz-date": STAMP,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "authorization": authorization(
                "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                [
                    "content-encoding",
                    "content-length",
                    "host",
                    "x-amz-content-sha256",
                    "x-amz-date",
                    "x-amz-decoded-content-length",
                    "x-amz-storage-class",
                ],
            ),
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            "content-length": "66824",
        },
    )
    assert len(CHUNKED_BODY) == 66824
    receiver = Receiver(plan(head, proof_of(head, NOW_S), length_required=True))
    assert b"".join(receiver.feed(CHUNKED_BODY)) == b"a" * 66560
    assert receiver.end().proven


TRAILED_BODY = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    + b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def test_the_example_of_a_signed_trailer_verifies() -> None:
    headers = {
        "x-amz-date": STAMP,
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "x-amz-trailer": "x-amz-checksum-crc32c",
    }
    signature = authorization("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", ["host", *headers])
    head = head_of(
        "PUT",
        "http://s3.amazonaws.com/examplebucket/chunkObject.txt",
        {**headers, "authorization": signature, "transfer-encoding": "chunked"},
    )
    receiver = Receiver(plan(head, proof_of(head, NOW_S), length_required=True))
    assert b"".join(receiver.feed(TRAILED_BODY)) == b"a" * 66560
    assert receiver.end().checksum is not None
