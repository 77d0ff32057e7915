"""The hit lane: answers to reads of what is at hand, made between two callbacks of the parser.

Nothing here awaits, logs, or says no. What is not a plain success is None, leaves no trace, and is answered
by the door, by the same functions.
"""

from typing import NamedTuple

from gateway.access.callers import Caller
from gateway.budget import Budget
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.handlers.hits import Reach, hit
from gateway.handlers.permission import Wish, caller_may, check_owner
from gateway.handlers.service import Service
from gateway.metrics import Metrics
from gateway.mounts import Mount
from gateway.s3.auth import client_address, scheme_of
from gateway.s3.choice import choose
from gateway.s3.head import Head
from gateway.s3.headers import lines_of, read_sent
from gateway.s3.names import check_key
from gateway.s3.operations import GetObject, HeadObject
from gateway.s3.proof import Mechanism, Proof
from gateway.s3.target import resolve
from gateway.s3.usual import UsualRead
from gateway.server.arriving import Arrived
from gateway.server.heads import head_bytes
from gateway.server.stamps import Stamps
from gateway.store.resident import COPY_MAX, Slice
from gateway.tallies import Count, Timings

PLAIN_REACH = Reach(COPY_MAX, 64 * 1024 * 1024)
"""What is larger is looked up piece by piece, as it is sent: that is the reader's work."""
TLS_REACH = Reach(64 * 1024, 64 * 1024)
"""Every byte has to pass through memory, in one stretch of the event loop."""
READY_TARGET = b"/-/ready"
"""Unsigned, for load balancers, whatever the host: the door's to answer. No bucket can be called `-`."""
TIMING_ASKED = b"x-forebay-timing"
"""The field, of the value 1, that asks where the time goes."""
_OPERATIONS: dict[str, type[GetObject | HeadObject]] = {"GET": GetObject, "HEAD": HeadObject}


class Reply(NamedTuple):
    """An answer ready to be sent: its head, and the slices of its body, to be released."""

    arrived: Arrived
    request_id: str
    operation: str
    status: int
    started_s: float
    head: bytes
    slices: list[Slice]
    size: int


class Lane:
    """Shared by all connections of a node."""

    def __init__(self, service: Service, metrics: Metrics, clock: Clock, stamps: Stamps, slots: Budget) -> None:
        self.slots = slots
        self._service = service
        self._metrics = metrics
        self._clock = clock
        self._stamps = stamps
        node = service.node_name
        self._marks = lines_of([("x-amz-id-2", node), ("x-cache-node", node)])
        self._rows: dict[tuple[str, int], tuple[Count, Timings]] = {}
        self._usual_reads = service.verifier.usual_reads
        self.replies = 0
        self.has_understood = False
        """Whether `usual` knew what it was asked for last; where it had no answer then, `any` has none."""

    def usual(self, arrived: Arrived) -> Reply | None:
        """The answer to a read that says nothing unusual."""
        started_s, now_s = self._clock.monotonic_s(), self._clock.now_s()
        read = self._usual_reads.read(arrived.method, arrived.target, arrived.names, arrived.values, now_s)
        self.has_understood = read is not None
        if read is None:
            return None
        service = self._service
        mount = service.mounts.find(read.bucket)
        if mount is None or not self._may(arrived, read, mount):
            return None
        return self._reply(arrived, mount, read, started_s)

    def any(self, arrived: Arrived, head: Head) -> Reply | None:
        """The answer to any read; learns from it how to understand the next ones like it."""
        if head.first(TIMING_ASKED) is not None:
            # Where the time goes is measured on the ordinary way.
            return None
        started_s, now_s = self._clock.monotonic_s(), self._clock.now_s()
        service, verifier = self._service, self._service.verifier
        try:
            target = resolve(head, service.domain)
            if target.bucket is None or target.key is None:
                return None
            proof = verifier.authenticate(head, target, now_s)
            operation = choose(head, target)
            if not isinstance(operation, GetObject | HeadObject):
                return None
            caller = self._caller(proof, head)
            mount = service.mounts.find(target.bucket)
            if mount is None or not caller_may(service, caller, Wish(operation.action, target.bucket, target.key)):
                return None
            check_owner(mount, read_sent(head, target).text("x-amz-expected-bucket-owner"))
            check_key(target.key)
        except GatewayError:
            return None
        if proof.mechanism is Mechanism.V4_HEADER:
            verifier.usual_reads.learn(arrived.names, arrived.values)
        read = UsualRead(proof.key_id or "", target.bucket, target.key, operation.spec)
        return self._reply(arrived, mount, read, started_s)

    def count(self, reply: Reply) -> None:
        """It has been sent."""
        row = self._rows.get((reply.operation, reply.status))
        if row is None:
            row = self._rows[reply.operation, reply.status] = (
                self._metrics.s3_requests.row(reply.operation, str(reply.status), "hit"),
                self._metrics.s3_request_seconds.row(reply.operation, "hit"),
            )
        requests, seconds = row
        requests.value += 1
        seconds.observe(self._clock.monotonic_s() - reply.started_s)
        self._metrics.s3_bytes_sent.value += reply.size

    def _may(self, arrived: Arrived, read: UsualRead, mount: Mount) -> bool:
        action = _OPERATIONS[arrived.method].action
        if self._service.access.allows_all(read.key_id, action, read.bucket, mount.owner):
            return True
        try:
            caller = self._caller(Proof(Mechanism.V4_HEADER, read.key_id), arrived.head())
        except GatewayError:
            return False
        return caller_may(self._service, caller, Wish(action, read.bucket, read.key))

    def _caller(self, proof: Proof, head: Head) -> Caller:
        rules = self._service.verifier.rules
        return self._service.access.caller(
            proof, address=client_address(head, rules), secure=scheme_of(head, rules) == "https"
        )

    def _reply(self, arrived: Arrived, mount: Mount, read: UsualRead, started_s: float) -> Reply | None:
        if self.slots.is_used_up:
            return None
        reach = None
        if arrived.method == "GET":
            reach = PLAIN_REACH if arrived.scheme == "http" else TLS_REACH
        found = hit(self._service, mount, read.key, read.spec, reach)
        if found is None:
            return None
        request_id = self._stamps.request_id()
        framing = "" if found.size is None else f"content-length: {found.size}\r\n"
        marks = f"x-amz-request-id: {request_id}\r\n{self._marks}{framing}"
        head = head_bytes(found.status, self._stamps.lines(), found.lines, marks)
        size = 0 if reach is None or found.size is None else found.size
        operation = _OPERATIONS[arrived.method].__name__
        self.replies += 1
        return Reply(arrived, request_id, operation, found.status, started_s, head, found.slices, size)
