"""Whether the caller may do an action here: the question to the policies, with the facts of the request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.access.callers import Caller
from gateway.access.facts import ACL, DELIMITER, KEYS_MAX, PREFIX
from gateway.access.policies import Ask, allows
from gateway.errors import AccessRefused, ObjectMissing
from gateway.handlers.call import Call
from gateway.handlers.owners import owner_of
from gateway.handlers.service import Service
from gateway.model import Bucket, Key
from gateway.mounts import Mount
from gateway.s3.headers import Sent, read_sent
from gateway.s3.operations import ListObjects, Operation

LIST_ACTION = "s3:ListBucket"
READ_ACTION = "s3:GetObject"


@dataclass(frozen=True, slots=True)
class Wish:
    """An action, and what it is to be done to; `facts` are those of the action, besides the request's."""

    action: str
    bucket: Bucket | None = None
    key: Key | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def may(service: Service, call: Call, wish: Wish) -> bool:
    """Whether the caller of this request may do this."""
    return caller_may(service, call.caller, wish)


def caller_may(service: Service, caller: Caller, wish: Wish) -> bool:
    """Whether the caller may do this."""
    mount = None if wish.bucket is None else service.mounts.find(wish.bucket)
    owned = mount is not None and caller.owns(mount.owner)
    ask = Ask(wish.action, wish.bucket, wish.key, caller.facts_with(wish.facts))
    return allows(caller.policies, ask, owned=owned)


def require(service: Service, call: Call, wish: Wish) -> None:
    """Raises AccessRefused unless the caller may."""
    if not may(service, call, wish):
        raise AccessRefused


def facts_of(call: Call, operation: Operation) -> Mapping[str, str]:
    """What policies may ask about the parameters of an operation."""
    if isinstance(operation, ListObjects):
        return {
            PREFIX: operation.prefix.decode(),
            DELIMITER: operation.delimiter.decode(),
            KEYS_MAX: str(operation.keys_max),
        }
    if call.head.method in ("GET", "HEAD"):
        return {}
    acl = read_sent(call.head, call.target).text("x-amz-acl")
    return {} if acl is None else {ACL: acl}


def served_mount(service: Service, call: Call, bucket: Bucket, sent: Sent | None = None) -> Mount:
    """The bucket's mount. Raises BucketMissing, and AccessRefused if the client expects another owner.

    `sent` is what the request says beyond its head and URL, if it says anything there.
    """
    mount = service.mounts.get(bucket)
    check_owner(mount, (sent or read_sent(call.head, call.target)).text("x-amz-expected-bucket-owner"))
    return mount


def check_owner(mount: Mount, expected: str | None) -> None:
    """Raises AccessRefused if the client expects the bucket to be another's."""
    if expected not in (None, owner_of(mount.owner).id):
        raise AccessRefused


def check_writable(mount: Mount) -> None:
    """Raises AccessRefused for a read-only bucket."""
    if not mount.writable:
        raise AccessRefused("This bucket is read-only.", BucketName=mount.bucket)


@contextmanager
def absence_hidden(service: Service, call: Call, bucket: Bucket) -> Iterator[None]:
    """Within, that an object is missing is told only to who may list the bucket ("GetObject", Permissions)."""
    try:
        yield
    except ObjectMissing as missing:
        if may(service, call, Wish(LIST_ACTION, bucket)):
            raise
        raise AccessRefused from missing
