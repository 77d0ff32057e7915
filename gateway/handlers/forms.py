"""PostObject: a browser's form. Who sends it and what it may do stands in its fields, before the file."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from gateway.access.callers import Caller
from gateway.access.facts import ACL
from gateway.backends.base import Completion, Part, WriteSpec
from gateway.errors import RequestTimeout, Unsupported
from gateway.handlers.bodies import Held, judge
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.commits import race_told, written_fields
from gateway.handlers.completions import location_of
from gateway.handlers.permission import Wish, check_writable, require, served_mount
from gateway.handlers.service import Service
from gateway.handlers.writes import write_spec
from gateway.model import MIB, Checksum, Info, Key
from gateway.mounts import Mount
from gateway.s3 import payload
from gateway.s3.auth import client_address, scheme_of
from gateway.s3.documents import post_response
from gateway.s3.form import FormParser
from gateway.s3.headers import Sent, form_sent, quoted
from gateway.s3.names import check_key
from gateway.s3.operations import PostObject
from gateway.s3.payload import OBJECT_SIZE_MAX, Receiver, Verdict
from gateway.s3.post_policy import SizeRange, check_policy
from gateway.s3.proof import Mechanism
from gateway.s3.stored import check_headers, read_stored
from gateway.s3.validators import write_conditions

PART_SIZE = 8 * MIB
"""A file's size shows only at its end, and stores want it before: larger files are stored in parts of this size."""
FORM_MEMORY = 2 * PART_SIZE
FIELDS_TIME_MAX_S = 10.0
"""What stands before the file says who asks, as a head does; nobody is known before, so nobody may be slow."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that is signed and allowed; its file is still to come."""

    fields: Mapping[str, str]
    key: Key
    sent: Sent
    sizes: SizeRange


class FormSource:
    """The body of a form, taken apart as it comes in; judged as a whole at its end."""

    def __init__(self, service: Service, call: Call) -> None:
        plan = payload.plan(call.head, call.proof, length_required=False, size_max=None, checksum_of_body=False)
        self._incoming = call.incoming
        self._hashers = service.hashers
        self._receiver = Receiver(plan)
        self._parser = FormParser(call.head.text(b"content-type"))
        self._pending = b""
        self.ended = False

    async def fields(self) -> Mapping[str, str]:
        """All that stands before the file, by lower-case name; `RequestTimeout` if it takes too long to come."""
        try:
            async with asyncio.timeout(FIELDS_TIME_MAX_S):
                while not self._parser.file_started and not self.ended:
                    await self._advance()
        except TimeoutError as error:
            raise RequestTimeout from error
        return self._parser.fields

    async def piece(self) -> bytes:
        """The next bytes of the file; none if there are none just now, or `ended`."""
        if not self._pending and not self.ended:
            await self._advance()
        piece, self._pending = self._pending, b""
        return piece

    async def _advance(self) -> None:
        chunk = await self._incoming.chunk()
        if chunk is None:
            self._receiver.end()
            self._parser.end()
            self.ended = True
            return
        raw = await judge(self._receiver, [chunk], self._hashers)
        self._pending += b"".join(self._parser.feed(bytes(raw)))


class File:
    """The file of a form: counted, hashed, and judged at its end."""

    def __init__(self, source: FormSource, form: Form, service: Service) -> None:
        self._source = source
        self._sizes = form.sizes
        self._receiver = Receiver(payload.plan_of_form(form.fields))
        self._hashers = service.hashers
        self._size = 0
        self._verdict: Verdict | None = None

    @property
    def ended(self) -> bool:
        return self._verdict is not None

    @property
    def checksum(self) -> Checksum | None:
        """What the form proved about the file; known once it has `ended`."""
        assert self._verdict is not None, "the file is not over"
        return self._verdict.checksum

    async def take(self, size: int) -> bytes:
        """About `size` bytes, fewer only at the end. Raises what is wrong with the file as a whole there."""
        taken = bytearray()
        while len(taken) < size and not self.ended:
            piece = await self._source.piece()
            self._size += len(piece)
            if self._size > self._sizes.size_max:
                self._sizes.check(self._size)
            taken += await judge(self._receiver, [piece], self._hashers)
            if self._source.ended:
                self._sizes.check(self._size)
                self._verdict = self._receiver.end()
        return bytes(taken)


async def post_object(service: Service, call: Call, operation: PostObject) -> Answer:
    """Stores the file of a form under the key that stands in its fields."""
    source = FormSource(service, call)
    # Memory is lent to who may write only: strangers could keep it from all others.
    fields = await source.fields()
    call = replace(call, caller=_caller(service, call, fields))
    form = _checked(service, call, operation, fields)
    mount = served_mount(service, call, operation.bucket, form.sent)
    check_writable(mount)
    conditions = write_conditions(form.sent)
    spec = await write_spec(service, call, mount, form.key, read_stored(form.sent), conditions)
    async with service.memory(FORM_MEMORY):
        with race_told(conditions):
            info = await _store(service, mount, form.key, File(source, form, service), spec)
    return _answer(service, call, operation, form, info)


def _caller(service: Service, call: Call, fields: Mapping[str, str]) -> Caller:
    if call.proof.mechanism is not Mechanism.FORM:
        return call.caller
    rules = service.verifier.rules
    return service.access.caller(
        service.verifier.authenticate_form(fields),
        address=client_address(call.head, rules),
        secure=scheme_of(call.head, rules) == "https",
    )


def _checked(service: Service, call: Call, operation: PostObject, fields: Mapping[str, str]) -> Form:
    if "tagging" in fields:
        raise Unsupported("The form field tagging is not implemented.", Parameter="tagging")
    sent = form_sent(fields)
    check_headers(sent)
    key = Key(fields["key"].encode())
    check_key(key)
    acl = sent.text("x-amz-acl")
    require(service, call, Wish(operation.action, operation.bucket, key, {} if acl is None else {ACL: acl}))
    allowed = check_policy(fields, operation.bucket, call.now_s) or SizeRange(0, OBJECT_SIZE_MAX)
    return Form(fields, key, sent, SizeRange(allowed.size_min, min(allowed.size_max, OBJECT_SIZE_MAX)))


async def _store(service: Service, mount: Mount, key: Key, file: File, spec: WriteSpec) -> Info:
    cache = service.cache
    data = await file.take(PART_SIZE)
    if file.ended:
        return await cache.write(mount, key, Held(data, file.checksum), spec)
    upload = await mount.backend.begin_upload(key, spec)
    try:
        parts: list[Part] = []
        while data:
            parts.append(await cache.write_part(mount, upload, len(parts) + 1, Held(data, None)))
            data = await file.take(PART_SIZE)
        sizes = {part.number: part.size for part in parts if part.size}
        return await cache.complete_upload(
            mount, upload, parts, Completion(spec.condition, checksum=file.checksum), sizes
        )
    except BaseException:
        await cache.abort_upload(mount, upload)
        raise


def _answer(service: Service, call: Call, operation: PostObject, form: Form, info: Info) -> Answer:
    location = f"{location_of(service, call).rstrip('/')}/{quote(form.key)}"
    fields = [("location", location), *written_fields(info)]
    redirect = _redirect(operation, form, info)
    if redirect is not None:
        return Answer(303, [("location", redirect), *fields[1:]])
    match form.fields.get("success_action_status"):
        case "201":
            body = post_response(location, operation.bucket, form.key, info.etag)
            return Answer(201, [XML_TYPE, *fields], body)
        case "200":
            return Answer(200, fields)
        case _:
            return Answer(204, fields)


def _redirect(operation: PostObject, form: Form, info: Info) -> str | None:
    """Where the browser is sent, with what was stored in the query; None if the form asks for nothing usable."""
    wanted = form.fields.get("success_action_redirect", form.fields.get("redirect", ""))
    # An unsigned form must not make this server send people anywhere, nor any form break the answer's head.
    if "policy" not in form.fields or not (wanted.isascii() and wanted.isprintable()):
        return None
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    stored = urlencode({"bucket": operation.bucket, "key": form.key, "etag": quoted(info.etag)})
    return urlunsplit(parts._replace(query=f"{parts.query}&{stored}" if parts.query else stored))
