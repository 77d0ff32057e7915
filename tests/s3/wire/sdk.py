"""The requests that botocore builds, caught before they are sent, and what its service model knows."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import boto3
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel, Shape, StructureShape

from gateway.s3.head import Head

BUCKET, OBJECT_KEY = "a-bucket", "a key/with+odd?ch%r"
Value = object
"""A parameter of an SDK call, of whatever shape its model asks for."""


class Recorder:
    """A client whose requests go nowhere."""

    def __init__(self, addressing: str = "path") -> None:
        self._caught: list[AWSPreparedRequest] = []
        self.client: BaseClient = boto3.client(
            "s3",
            endpoint_url="http://s3.example.org",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": addressing},
                retries={"total_max_attempts": 1},
                # Else the SDK says much by itself, and what is added makes no difference.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self.client.meta.events.register("before-send.s3", self._catch)

    def head(self, operation: str, parameters: Mapping[str, Value]) -> Head:
        """The request of this call."""
        self._caught.clear()
        # Every call is answered by an error, so that no answer needs to be made up.
        with suppress(ClientError):
            getattr(self.client, xform_name(operation))(**parameters)
        return _as_head(self._caught[0])

    def _catch(self, request: AWSPreparedRequest, **_: Value) -> AWSResponse:
        self._caught.append(request)
        return AWSResponse(request.url, 403, {}, _Refusal())


class _Refusal:
    def stream(self) -> Iterator[bytes]:
        yield b"<Error><Code>AccessDenied</Code></Error>"


def _as_head(request: AWSPreparedRequest) -> Head:
    url = urlsplit(request.url)
    fields = [(b"host", url.netloc.encode())]
    for name, value in request.headers.items():
        fields.append((name.lower().encode(), value if isinstance(value, bytes) else value.encode()))
    target = url.path + (f"?{url.query}" if url.query else "")
    return Head(request.method, target.encode(), tuple(fields))


@cache
def recorder() -> Recorder:
    return Recorder()


def operation_names() -> list[str]:
    return list(recorder().client.meta.service_model.operation_names)


@dataclass(frozen=True)
class Member:
    """An input of an operation that travels in the query or in a header."""

    name: str
    location: str
    wire_name: str
    shape: Shape

    def value(self) -> Value:
        return sample(self.shape, self.name)


def operation(name: str) -> OperationModel:
    return recorder().client.meta.service_model.operation_model(name)


def minimal(name: str) -> dict[str, Value]:
    """The parameters that the operation requires."""
    shape = operation(name).input_shape
    return {} if shape is None else _required(shape)


def optional_members(name: str) -> list[Member]:
    """What may be said besides, in the query or a header."""
    shape = operation(name).input_shape
    if shape is None:
        return []
    return [
        Member(member, place, value.serialization["name"], value)
        for member, value in shape.members.items()
        if (place := value.serialization.get("location")) in ("querystring", "header", "headers")
        and member not in shape.required_members
    ]


def sample(shape: Shape, name: str) -> Value:
    """Some value of a shape; known members get one that makes sense."""
    known = _KNOWN.get(name)
    if known is not None and (name != "Tagging" or shape.type_name == "string"):
        return known
    match shape.type_name:
        case "string":
            return shape.enum[-1] if shape.enum else "word"
        case "integer" | "long":
            return 7
        case "boolean":
            return True
        case "timestamp":
            return 1_700_000_000
        case "blob":
            return b"bytes"
        case "list":
            return [sample(shape.member, "")]
        case "map":
            return {"name": "word"}
        case "structure":
            return _required(shape)
    raise AssertionError(f"no sample of {shape.type_name}")


_KNOWN: dict[str, Value] = {
    "Bucket": BUCKET,
    "Key": OBJECT_KEY,
    "CopySource": {"Bucket": "source", "Key": "of copy"},
    "CopySourceRange": "bytes=0-9",
    "PartNumber": 3,
    "Range": "bytes=1-2",
    "EncodingType": "url",
    "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
    "ChecksumAlgorithm": "CRC32C",
    "ChecksumCRC32": "AAAAAA==",
    "ChecksumCRC32C": "AAAAAA==",
    "ChecksumCRC64NVME": "AAAAAAAAAAA=",
    "ChecksumSHA1": "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "Tagging": "a=b",
    "SSECustomerKey": "0" * 32,
    "CopySourceSSECustomerKey": "0" * 32,
    "StorageClass": "GLACIER",
    "FetchOwner": True,
    "ObjectOwnership": "ObjectWriter",
    "BucketNamespace": "account-regional",
    "KMSKeyArn": "arn:aws:kms:us-east-1:111122223333:key/k",
}


def _required(shape: StructureShape) -> dict[str, Value]:
    # One member of a union, whichever, must be there.
    names = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
    return {name: sample(shape.members[name], name) for name in names}


def says(head: Head, member: Member) -> bool:
    """Whether the SDK said this by itself, as it does with `encoding-type`."""
    return head.first(member.wire_name.lower().encode()) is not None or f"{member.wire_name}=".encode() in head.target
