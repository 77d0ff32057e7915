"""What can go wrong with an answer of the stub, and which answers it happens to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tests.fakes.s3_answers import Request


class Kind(Enum):
    """What happens."""

    STATUS = "status"
    """An error document with `status` instead of the answer; nothing is done."""
    CUT = "cut"
    """The connection is closed, as a process that ends closes it."""
    RESET = "reset"
    """The connection is reset."""
    SHORT = "short"
    """Head and body agree on too few bytes: `after` of them."""
    DRIP = "drip"
    """The body comes in at most `rate` bytes a second, in small pieces."""
    HOLD = "hold"
    """Nothing more comes until the stub is calmed."""
    CHANGE = "change"
    """The object is overwritten; the answer goes on with the old bytes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `after` counts bytes of the body already sent; -1: before the head."""

    kind: Kind
    after: int = -1
    status: int = 503
    rate: int = 0


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int
    method: str
    name: str
    skip: int

    def hits(self, request: Request) -> bool:
        return self.method == request.method and self.name in ("", request.name)


class Faults:
    """The faults that wait for their requests: each for the next `count` that fit, after `skip` that pass."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def arm(self, given: Mapping[str, str | int]) -> None:
        """Takes what was posted: kind, and as wanted after, status, rate, count, skip, method, name."""
        fault = Fault(
            Kind(given["kind"]),
            int(given.get("after", -1)),
            int(given.get("status", 503)),
            int(given.get("rate", 0)),
        )
        count, skip = int(given.get("count", 1)), int(given.get("skip", 0))
        self._armed.append(_Armed(fault, count, str(given.get("method", "GET")), str(given.get("name", "")), skip))

    def next(self, request: Request) -> Fault | None:
        """The fault that befalls this request."""
        for armed in self._armed:
            if not armed.hits(request):
                continue
            if armed.skip:
                armed.skip -= 1
                continue
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)
            return armed.fault
        return None

    def clear(self) -> None:
        """Forgets all of them."""
        self._armed.clear()
