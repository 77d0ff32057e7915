"""What one line of the table of operations is, and the request that it reads."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.model import Bucket, Key
from gateway.s3.head import Target
from gateway.s3.headers import Sent
from gateway.s3.operations import Operation
from gateway.s3.parameters import Parameters


class Level(Enum):
    """What a request addresses."""

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose operation is being chosen."""

    target: Target
    sent: Sent
    parameters: Parameters

    @property
    def bucket(self) -> Bucket:
        assert self.target.bucket is not None, "a rule of a bucket met a request without one"
        return self.target.bucket

    @property
    def key(self) -> Key:
        assert self.target.key is not None, "a rule of an object met a request without a key"
        return self.target.key


@dataclass(frozen=True, slots=True)
class Rule:
    """One operation: the method and the sub-resources that select it, and the parameters it reads."""

    method: str
    make: Callable[[Request], Operation]
    selectors: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()


def words(text: str) -> frozenset[str]:
    """Names written with blanks between them."""
    return frozenset(text.split())
