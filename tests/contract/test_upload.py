"""Multipart uploads: parts in any order, by any instance; completed, repeated, aborted."""

import asyncio
import contextlib
import hashlib
import random
from dataclasses import replace

import pytest

from gateway.backends.base import (
    PART_SIZE_MIN,
    Backend,
    Completion,
    ListQuery,
    Part,
    UploadId,
    UploadQuery,
    WriteSpec,
)
from gateway.errors import (
    ArgumentInvalid,
    BodyIncomplete,
    ConditionFailed,
    PartInvalid,
    PartOrderInvalid,
    PartTooSmall,
    RequestInvalid,
    SpanOutside,
    UploadMissing,
    VersionChanged,
)
from gateway.model import (
    Algorithm,
    Checksum,
    ChecksumSpec,
    ChecksumType,
    ContentHeaders,
    ETag,
    IfAbsent,
    IfVersion,
    Key,
    PartRun,
    Span,
    Version,
)
from tests.contract.bodies import Broken, Sent, Stalled, get, put
from tests.contract.stores import Store, asynchronous

KEY = Key(b"folder/big")
BIG = [random.Random(number).randbytes(PART_SIZE_MIN + number) for number in range(3)]
LAST = b"the last part may be small"


async def begun(backend: Backend, spec: WriteSpec | None = None, key: Key = KEY) -> UploadId:
    return await backend.begin_upload(key, spec or WriteSpec())


async def sent(backend: Backend, upload: UploadId, number: int, data: bytes) -> Part:
    part = await backend.write_part(upload, number, Sent(data))
    assert (part.number, part.size) == (number, len(data))
    return part


async def keys_of(backend: Backend) -> list[bytes]:
    return [entry.key for entry in (await backend.list(ListQuery())).entries]


async def uploads_of(backend: Backend) -> list[UploadId]:
    return list((await backend.list_uploads(UploadQuery())).uploads)


def etag_of(*contents: bytes) -> str:
    digests = b"".join(hashlib.md5(content).digest() for content in contents)
    return f"{hashlib.md5(digests).hexdigest()}-{len(contents)}"


@asynchronous
async def test_parts_sent_out_of_order_join_in_order(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        contents = {1: BIG[0], 5: BIG[1], 10_000: LAST}
        parts = {number: await sent(backend, upload, number, contents[number]) for number in (10_000, 1, 5)}
        assert await keys_of(backend) == []
        info = await backend.complete_upload(upload, [parts[1], parts[5], parts[10_000]], Completion())
        assert await get(backend, KEY) == BIG[0] + BIG[1] + LAST
        assert await backend.stat(KEY) == info
        assert info.etag in (etag_of(BIG[0], BIG[1], LAST), info.etag if info.etag.endswith("-1") else "")
        assert info.parts in ((PartRun(1, len(BIG[0])), PartRun(1, len(BIG[1])), PartRun(1, len(LAST))), ())
        assert await uploads_of(backend) == []


@asynchronous
async def test_the_part_that_ends_last_wins(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        first = await sent(backend, upload, 1, b"first")
        second = await sent(backend, upload, 1, b"second")
        page = await backend.list_parts(upload, 0, 1000)
        assert [(part.number, part.etag) for part in page.parts] == [(1, second.etag)]
        with pytest.raises(PartInvalid):
            await backend.complete_upload(upload, [first], Completion())
        await backend.complete_upload(upload, [second], Completion())
        assert await get(backend, KEY) == b"second"


@asynchronous
async def test_a_part_may_be_sent_again_and_again(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        for content in (b"a", b"b", b"a"):
            part = await sent(backend, upload, 7, content)
        await backend.complete_upload(upload, [part], Completion())
        assert await get(backend, KEY) == b"a"


@asynchronous
async def test_parts_are_listed_in_pages(store: Store) -> None:
    async with store.opened() as backend:
        spec = WriteSpec(ContentHeaders("text/plain"), checksum=ChecksumSpec(Algorithm.CRC32, ChecksumType.COMPOSITE))
        upload = await begun(backend, spec)
        checksum = Checksum(Algorithm.CRC32, b"\x01\x02\x03\x04")
        for number in (3, 1, 9, 7):
            body = Sent(b"part %d" % number, checksum)
            written = await backend.write_part(upload, number, body)
            assert written.checksum == checksum
        page = await backend.list_parts(upload, 0, 1000)
        assert [part.number for part in page.parts] == [1, 3, 7, 9]
        assert [part.size for part in page.parts] == [6] * 4
        assert page.parts[3].etag == hashlib.md5(b"part 9").hexdigest()
        assert page.parts[3].checksum in (checksum, None)
        assert page.spec.content in (spec.content, ContentHeaders())
        assert page.spec.checksum in (spec.checksum, None)
        assert not page.truncated
        page = await backend.list_parts(upload, 1, 2)
        assert ([part.number for part in page.parts], page.truncated) == ([3, 7], True)
        page = await backend.list_parts(upload, 7, 2)
        assert ([part.number for part in page.parts], page.truncated) == ([9], False)
        await backend.abort_upload(upload)


@asynchronous
async def test_open_uploads_are_listed_by_key_and_roll_up(store: Store) -> None:
    async with store.opened() as backend:
        keys = [b"a", b"d/1", b"d/2", b"d/2x/3", b"e"]
        for key in reversed(keys):
            await begun(backend, key=Key(key))
        page = await backend.list_uploads(UploadQuery())
        assert [upload.key for upload in page.uploads] == keys
        assert not page.truncated
        page = await backend.list_uploads(UploadQuery(delimiter=b"/"))
        assert ([upload.key for upload in page.uploads], page.prefixes) == ([b"a", b"e"], (b"d/",))
        page = await backend.list_uploads(UploadQuery(prefix=b"d/", limit=2))
        assert ([upload.key for upload in page.uploads], page.truncated) == ([b"d/1", b"d/2"], True)
        page = await backend.list_uploads(UploadQuery(key_marker=b"d/1"))
        assert [upload.key for upload in page.uploads] == [b"d/2", b"d/2x/3", b"e"]
        page = await backend.list_uploads(UploadQuery(delimiter=b"/", key_marker=b"d/"))
        assert ([upload.key for upload in page.uploads], page.prefixes) == ([b"e"], ())


@asynchronous
async def test_uploads_of_one_key_continue_after_a_marker(store: Store) -> None:
    async with store.opened() as backend:
        if not backend.capabilities.uploads_per_key_many:
            return
        begun_ones = [await begun(backend) for _ in range(3)]
        found: list[UploadId] = []
        marker: UploadId | None = None
        while True:
            query = UploadQuery(key_marker=marker.key if marker else b"", upload_marker=marker, limit=1)
            page = await backend.list_uploads(query)
            found += page.uploads
            marker = found[-1]
            if not page.truncated:
                break
        assert sorted(upload.native for upload in found) == sorted(upload.native for upload in begun_ones)


@asynchronous
async def test_parts_left_out_are_dropped(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        parts = [await sent(backend, upload, number, BIG[number - 1]) for number in (1, 2, 3)]
        info = await backend.complete_upload(upload, [parts[0], parts[2]], Completion())
        assert info.size == len(BIG[0]) + len(BIG[2])
        assert await get(backend, KEY) == BIG[0] + BIG[2]


@asynchronous
async def test_a_wrong_list_is_refused_and_the_upload_lives(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        one, two = await sent(backend, upload, 1, BIG[0]), await sent(backend, upload, 2, LAST)
        three = await sent(backend, upload, 3, b"after a small one")
        with pytest.raises(PartInvalid):
            await backend.complete_upload(upload, [replace(one, etag=ETag("0" * 32))], Completion())
        with pytest.raises(PartInvalid):
            await backend.complete_upload(upload, [replace(one, etag=ETag("no tag"))], Completion())
        with pytest.raises(PartInvalid):
            await backend.complete_upload(upload, [one, replace(two, number=4)], Completion())
        with pytest.raises(PartOrderInvalid):
            await backend.complete_upload(upload, [two, one], Completion())
        with pytest.raises(PartTooSmall):
            await backend.complete_upload(upload, [one, two, three], Completion())
        with pytest.raises(RequestInvalid):
            await backend.complete_upload(upload, [one, two], Completion(size=1))
        assert await keys_of(backend) == []
        await backend.complete_upload(upload, [one, two], Completion(size=one.size + two.size))
        assert await get(backend, KEY) == BIG[0] + LAST


@asynchronous
async def test_an_aborted_upload_leaves_nothing(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        part = await sent(backend, upload, 1, LAST)
        await backend.abort_upload(upload)
        with pytest.raises(UploadMissing):
            await backend.write_part(upload, 2, Sent(LAST))
        with pytest.raises(UploadMissing):
            await backend.list_parts(upload, 0, 1000)
        with pytest.raises(UploadMissing):
            await backend.complete_upload(upload, [part], Completion())
        with pytest.raises(UploadMissing):
            await backend.abort_upload(upload)
        assert await uploads_of(backend) == []
        assert await keys_of(backend) == []


@asynchronous
async def test_a_part_that_ends_after_the_abort_is_refused(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)

        class Late(Sent):
            async def pieces(self):  # type: ignore[no-untyped-def]  # the type is the base class's
                await backend.abort_upload(upload)
                async for piece in super().pieces():
                    yield piece

        with pytest.raises(UploadMissing):
            await backend.write_part(upload, 1, Late(LAST))
        assert await uploads_of(backend) == []


@asynchronous
async def test_an_abort_amid_parts_succeeds_and_leaves_nothing(store: Store) -> None:
    async with store.opened() as backend:

        async def send(upload: UploadId, number: int) -> None:
            with contextlib.suppress(UploadMissing):
                await sent(backend, upload, number, LAST)

        for _ in range(60):
            upload = await begun(backend)
            async with asyncio.TaskGroup() as tasks:
                sending = [tasks.create_task(send(upload, number)) for number in range(1, 15)]
                await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                await backend.abort_upload(upload)
        assert await uploads_of(backend) == []


@pytest.mark.parametrize("number", [0, 10_001, -1])
@asynchronous
async def test_part_numbers_outside_are_refused(store: Store, number: int) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        with pytest.raises(ArgumentInvalid):
            await backend.write_part(upload, number, Sent(LAST))


@pytest.mark.parametrize(
    "change",
    [{"native": "0" * 32}, {"native": "../../x"}, {"native": ""}, {"key": Key(b"other")}],
)
@asynchronous
async def test_an_upload_that_never_was_is_missing(store: Store, change: dict[str, str]) -> None:
    async with store.opened() as backend:
        upload = replace(await begun(backend), **change)  # type: ignore[arg-type]  # one field of several types
        with pytest.raises(UploadMissing):
            await backend.write_part(upload, 1, Sent(LAST))
        with pytest.raises(UploadMissing):
            await backend.list_parts(upload, 0, 10)
        with pytest.raises(UploadMissing):
            await backend.complete_upload(upload, [Part(1, ETag("x"))], Completion())
        with pytest.raises(UploadMissing):
            await backend.abort_upload(upload)


@asynchronous
async def test_a_part_whose_body_fails_or_stalls_leaves_nothing(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        kept = await sent(backend, upload, 1, LAST)
        with pytest.raises(BodyIncomplete):
            await backend.write_part(upload, 1, Broken(BIG[0], good=2))
        body = Stalled(BIG[0])
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(backend.write_part(upload, 2, body))
            await body.stalled.wait()
            writer.cancel()
        page = await backend.list_parts(upload, 0, 10)
        assert [(part.number, part.etag) for part in page.parts] == [(1, kept.etag)]


@asynchronous
async def test_two_uploads_of_one_key_do_not_meet(store: Store) -> None:
    async with store.opened() as backend:
        if not backend.capabilities.uploads_per_key_many:
            return
        one, other = await begun(backend), await begun(backend)
        part_of_one = await sent(backend, one, 1, b"one")
        part_of_other = await sent(backend, other, 1, b"other")
        await backend.complete_upload(one, [part_of_one], Completion())
        assert await get(backend, KEY) == b"one"
        await backend.complete_upload(other, [part_of_other], Completion())
        assert await get(backend, KEY) == b"other"


@asynchronous
async def test_a_plain_write_during_an_upload_does_not_disturb_it(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        part = await sent(backend, upload, 1, LAST)
        await put(backend, KEY, b"plain")
        assert await get(backend, KEY) == b"plain"
        await backend.complete_upload(upload, [part], Completion())
        assert await get(backend, KEY) == LAST


@asynchronous
async def test_a_conditional_complete_obeys_and_lives_when_refused(store: Store) -> None:
    async with store.opened() as backend:
        plain = await put(backend, KEY, b"plain")
        upload = await begun(backend)
        part = await sent(backend, upload, 1, LAST)
        for condition in (IfAbsent(), IfVersion(Version(b"never was"))):
            with pytest.raises(ConditionFailed):
                await backend.complete_upload(upload, [part], Completion(condition))
        assert await backend.stat(KEY) == plain
        await backend.complete_upload(upload, [part], Completion(IfVersion(plain.version)))
        assert await get(backend, KEY) == LAST


@pytest.mark.parametrize("condition", [IfAbsent(), None])
@asynchronous
async def test_a_repeated_complete_answers_the_same(store: Store, condition: IfAbsent | None) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        parts = [await sent(backend, upload, 1, BIG[0]), await sent(backend, upload, 2, LAST)]
        completion = Completion() if condition is None else Completion(condition)
        first = await backend.complete_upload(upload, parts, completion)
        assert await backend.complete_upload(upload, parts, completion) == first
        with pytest.raises(UploadMissing):
            await backend.complete_upload(upload, parts[:1], completion)
        await put(backend, KEY, b"another")
        with pytest.raises(UploadMissing):
            await backend.complete_upload(upload, parts, completion)


@asynchronous
async def test_racing_completes_of_one_upload_both_succeed(store: Store) -> None:
    async with store.opened() as one, store.opened() as other:
        upload = await begun(one)
        part = await sent(one, upload, 1, BIG[0])
        async with asyncio.TaskGroup() as tasks:
            answers = [
                tasks.create_task(backend.complete_upload(upload, [part], Completion(IfAbsent())))
                for backend in (one, other)
            ]
        assert answers[0].result() == answers[1].result() == await one.stat(KEY)
        assert await uploads_of(one) == []


@asynchronous
async def test_a_part_may_be_copied_from_an_object(store: Store) -> None:
    async with store.opened() as backend:
        source = await put(backend, b"source", BIG[0])
        upload = await begun(backend)
        whole = await backend.copy_part(upload, 1, Key(b"source"), Span(0, source.size), source.version)
        piece = await backend.copy_part(upload, 2, Key(b"source"), Span(10, 20), source.version)
        assert whole.etag == hashlib.md5(BIG[0]).hexdigest()
        assert piece.size == 10
        for span in (Span(0, source.size + 1), Span(source.size, source.size + 1)):
            with pytest.raises(SpanOutside):
                await backend.copy_part(upload, 3, Key(b"source"), span, source.version)
        await put(backend, b"source", BIG[1])
        with pytest.raises(VersionChanged):
            await backend.copy_part(upload, 3, Key(b"source"), Span(0, 1), source.version)
        await backend.complete_upload(upload, [whole, piece], Completion())
        assert await get(backend, KEY) == BIG[0] + BIG[0][10:20]


@asynchronous
async def test_what_was_given_at_the_begin_belongs_to_the_object(store: Store) -> None:
    async with store.opened() as backend:
        content = ContentHeaders("video/mp4", content_language="fr")
        tags = (("kind", "video"),) if backend.capabilities.tags else ()
        upload = await begun(backend, WriteSpec(content, (("name", "é"),), tags))
        part = await sent(backend, upload, 1, LAST)
        checksum = Checksum(Algorithm.CRC32, b"1234", ChecksumType.COMPOSITE, 1)
        await backend.complete_upload(upload, [part], Completion(checksum=checksum))
        info = await backend.stat(KEY)
        assert (info.content, info.metadata) == (content, (("name", "é"),))
        assert info.checksum in (checksum, None)
        if tags:
            assert await backend.tags(KEY) == tags


@asynchronous
async def test_another_instance_continues_an_upload(store: Store) -> None:
    async with store.opened() as one:
        upload = await begun(one)
        first = await sent(one, upload, 1, BIG[0])
        async with store.opened() as other:
            assert [part.number for part in (await other.list_parts(upload, 0, 10)).parts] == [1]
            second = await sent(other, upload, 2, LAST)
        info = await one.complete_upload(upload, [first, second], Completion())
        assert info.size == len(BIG[0]) + len(LAST)


@asynchronous
async def test_an_object_of_many_parts_tells_their_layout(store: Store) -> None:
    async with store.opened() as backend:
        upload = await begun(backend)
        content = BIG[0][:PART_SIZE_MIN]
        parts = [await sent(backend, upload, number, content) for number in (1, 2, 3)]
        parts.append(await sent(backend, upload, 4, LAST))
        info = await backend.complete_upload(upload, parts, Completion())
        assert info.parts in ((PartRun(3, PART_SIZE_MIN), PartRun(1, len(LAST))), ())
