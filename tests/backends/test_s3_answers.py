"""What an S3 store answers is checked before a byte of it is believed."""

import asyncio
import logging

import pytest

from gateway.backends.base import ListQuery, WriteSpec
from gateway.errors import (
    AccessRefused,
    ArgumentInvalid,
    BackendBroken,
    BackendUnavailable,
    BodyIncomplete,
    ConditionFailed,
    Conflict,
    CredentialsRefused,
    GatewayError,
    KeyUnusable,
    ObjectArchived,
    ObjectMissing,
    RootMissing,
    SlowDown,
    SpanOutside,
    StorageFull,
    VersionChanged,
)
from gateway.model import MIB, Key, Span, Version
from tests.backends.scripted import FIXED, STAMP, answer, refused, scripted, stored
from tests.contract.bodies import Broken, get, put
from tests.contract.stores import asynchronous

PART = {"content_range": "bytes 2-4/7"}
LISTED = (
    b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>%s</Key><Size>1</Size>"
    b"<LastModified>2026-10-21T07:28:00.999Z</LastModified><ETag>&quot;t&quot;</ETag></Contents></ListBucketResult>"
)


@asynchronous
async def test_a_span_is_asked_for_and_its_info_is_that_of_the_whole_object() -> None:
    async with scripted([stored(b"cde", 206, **PART)]) as (backend, store):
        async with backend.read(Key(b"k"), Span(2, 5), None) as reading:
            assert (reading.info.size, reading.info.version) == (7, b"tag/7")
            assert b"".join([bytes(piece) async for piece in reading.pieces()]) == b"cde"
        assert "range: bytes=2-4" in store.requests[0]


@asynchronous
async def test_a_whole_object_is_asked_for_without_a_range() -> None:
    async with scripted([stored(b"content")]) as (backend, store):
        assert await get(backend, b"k") == b"content"
        assert not [line for line in store.requests[0] if line.startswith("range")]
        assert "accept-encoding: identity" in store.requests[0]


@asynchronous
async def test_a_store_that_knows_no_ranges_is_cut_here() -> None:
    async with scripted([stored(b"abcdefg"), stored(b"abcdefg"), stored(b"abcdefg")]) as (backend, _):
        assert await get(backend, b"k", Span(2, 5)) == b"cde"
        assert await get(backend, b"k", Span(5, 100)) == b"fg"
        with pytest.raises(SpanOutside):
            await get(backend, b"k", Span(7, 8))


@pytest.mark.parametrize(
    "broken",
    [
        stored(b"cde", 206, content_range="bytes 3-5/7"),
        stored(b"cde", 206, content_range="bytes 2-3/7"),
        stored(b"cde", 206, content_range="bytes 2-4/4"),
        stored(b"cd", 206, **PART),
        stored(b"cde", 206),
        stored(b"cde", 206, content_range="lines 2-4/7"),
        answer(206, b"cde", last_modified=STAMP, **PART),
        answer(206, b"cde", etag='"tag"', **PART),
        answer(206, b"cde", etag='"tag"', last_modified="yesterday", **PART),
        stored(b"cde", 204, **PART),
        stored(b"cde", 206, **PART).replace(b"content-length: 3\r\n", b""),
        stored(b"cde", 206, **{**PART, "content_length": "-3"}),
        answer(302, location="http://elsewhere.example/"),
        b"nothing like HTTP\r\n\r\n",
    ],
)
@asynchronous
async def test_an_answer_that_contradicts_itself_or_the_question_is_broken(broken: bytes) -> None:
    async with scripted([broken]) as (backend, _):
        with pytest.raises(BackendBroken):
            await get(backend, b"k", Span(2, 5))


@asynchronous
async def test_an_answer_to_the_whole_may_be_no_part() -> None:
    async with scripted([stored(b"cde", 206, **PART)]) as (backend, _):
        with pytest.raises(BackendBroken):
            await get(backend, b"k")


@asynchronous
async def test_a_body_that_breaks_off_is_no_body() -> None:
    begun = stored(b"cde", 206, content_length="8", content_range="bytes 2-9/10")
    async with scripted([begun]) as (backend, store), backend.read(Key(b"k"), Span(2, 10), None) as reading:
        pieces = reading.pieces()
        assert bytes(await anext(pieces)) == b"cde"
        asyncio.get_running_loop().call_soon(store.hang_up)
        with pytest.raises(BackendUnavailable):
            await anext(pieces)


@asynchronous
async def test_a_silent_store_is_given_up() -> None:
    options = {**FIXED, "silence_timeout": 0.1}
    late = stored(b"cde", 206, content_length="8", content_range="bytes 2-9/10")
    async with scripted([b"", late], options) as (backend, _):
        for _ in range(2):
            with pytest.raises(BackendUnavailable) as failure:
                await get(backend, b"k", Span(2, 10))
            assert failure.value.silent


@asynchronous
async def test_a_pin_goes_along_and_another_version_yields_no_byte() -> None:
    answers = [stored(b"content"), answer(412), stored(b"content", etag='"other"'), stored(b"longer content")]
    async with scripted(answers) as (backend, store):
        assert await get(backend, b"k", None, Version(b"tag/7")) == b"content"
        assert 'if-match: "tag"' in store.requests[0]
        for _ in range(3):
            with pytest.raises(VersionChanged):
                await get(backend, b"k", None, Version(b"tag/7"))


@asynchronous
async def test_the_size_of_a_range_outside_is_asked_for_where_it_is_not_told() -> None:
    outside = refused(416, "InvalidRange")
    head = stored(b"", content_length="7")
    async with scripted([refused(416, "InvalidRange", content_range="bytes */9"), outside, head]) as (backend, store):
        for size in (9, 7):
            with pytest.raises(SpanOutside) as failure:
                await get(backend, b"k", Span(10, 11))
            assert failure.value.size == size
        assert store.requests[-1][0] == "HEAD /b/k HTTP/1.1"


@asynchronous
async def test_a_pinned_read_outside_of_another_size_met_another_version() -> None:
    async with scripted([refused(416, "InvalidRange", content_range="bytes */3")]) as (backend, _):
        with pytest.raises(VersionChanged):
            await get(backend, b"k", Span(5, 6), Version(b"tag/7"))


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        (refused(404, "NoSuchKey"), ObjectMissing),
        (answer(404), ObjectMissing),
        (refused(404, "NoSuchBucket"), RootMissing),
        (refused(403, "AccessDenied"), AccessRefused),
        (refused(403, "InvalidAccessKeyId"), CredentialsRefused),
        (refused(403, "SignatureDoesNotMatch"), CredentialsRefused),
        (refused(400, "ExpiredToken"), CredentialsRefused),
        (refused(403, "InvalidObjectState"), ObjectArchived),
        (refused(400, "KeyTooLongError"), KeyUnusable),
        (refused(409, "OperationAborted"), Conflict),
        (refused(507, "QuotaExceeded"), StorageFull),
        (refused(503, "SlowDown"), SlowDown),
        (answer(429), SlowDown),
        (answer(503, retry_after="3"), SlowDown),
        (refused(500, "InternalError"), BackendUnavailable),
        (answer(502, b"<html>a proxy</html>"), BackendUnavailable),
        (answer(400, b"<Error><Code>"), BackendBroken),
        (refused(418, "Teapot"), BackendBroken),
    ],
)
@asynchronous
async def test_a_refusal_is_told_by_its_name(refusal: bytes, failure: type[GatewayError]) -> None:
    async with scripted([refusal]) as (backend, _):
        with pytest.raises(failure) as raised:
            await get(backend, b"k")
        assert type(raised.value) is failure


@asynchronous
async def test_how_long_a_store_wants_to_be_left_alone_is_passed_on() -> None:
    async with scripted([answer(503, retry_after="3")]) as (backend, _):
        with pytest.raises(SlowDown) as failure:
            await get(backend, b"k")
        assert failure.value.wait_s == 3.0


@asynchronous
async def test_a_refused_head_learns_the_reason_from_a_get() -> None:
    async with scripted([answer(403), refused(403, "ExpiredToken")]) as (backend, store):
        with pytest.raises(CredentialsRefused):
            await backend.stat(Key(b"k"))
        assert [request[0] for request in store.requests] == ["HEAD /b/k HTTP/1.1", "GET /b/k HTTP/1.1"]


@asynchronous
async def test_refused_credentials_are_logged_without_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted([refused(403, "SignatureDoesNotMatch")]) as (backend, _):
        with pytest.raises(CredentialsRefused) as failure:
            await get(backend, b"k")
    assert [record.levelname for record in caplog.records if record.name.startswith("gateway")] == ["ERROR"]
    told = f"{failure.value!r}{[vars(record) for record in caplog.records]}"
    assert FIXED["secret_access_key"] not in told


@pytest.mark.parametrize(
    "moved",
    [
        refused(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3"),
        refused(307, "TemporaryRedirect", x_amz_bucket_region="eu-west-3"),
        answer(400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>"),
    ],
)
@asynchronous
async def test_a_store_that_names_another_region_is_asked_again_and_remembered(moved: bytes) -> None:
    async with scripted([moved, stored(b"content"), stored(b"content")]) as (backend, store):
        for _ in range(2):
            assert await get(backend, b"k") == b"content"
        scopes = [line.split("/")[2] for request in store.requests for line in request if "Credential=" in line]
        assert scopes == ["us-east-1", "eu-west-3", "eu-west-3"]


@asynchronous
async def test_without_credentials_nothing_is_signed() -> None:
    async with scripted([stored(b"content")], {"anonymous": True}) as (backend, store):
        assert await get(backend, b"k") == b"content"
        assert not [line for line in store.requests[0] if "authorization" in line.lower()]


@asynchronous
async def test_a_small_body_whose_verdict_is_bad_is_never_sent() -> None:
    async with scripted([]) as (backend, store):
        with pytest.raises(BodyIncomplete):
            await backend.write(Key(b"k"), Broken(b"x" * 10, good=1), WriteSpec())
        assert store.requests == []


@asynchronous
async def test_the_last_piece_of_a_body_waits_for_the_verdict() -> None:
    async with scripted([answer(200)]) as (backend, store):
        with pytest.raises(BodyIncomplete):
            await backend.write(Key(b"k"), Broken(b"x" * (3 * MIB), good=3), WriteSpec())
        assert store.bodies == []


@asynchronous
async def test_an_object_overwritten_at_once_is_told_as_it_was_written() -> None:
    answers = [answer(200, etag='"tag"', date=STAMP), answer(412)]
    async with scripted(answers) as (backend, _):
        info = await put(backend, b"k", b"content", WriteSpec(metadata=(("a", "1"),)))
        assert (info.version, info.size, info.metadata) == (b"tag/7", 7, (("a", "1"),))
        assert info.modified_s == 1_792_567_680


@asynchronous
async def test_metadata_of_the_gateway_is_neither_shown_nor_taken() -> None:
    head = stored(b"", content_length="7", x_amz_meta_forebay_write="id", x_amz_meta_a="1", X_Amz_Meta_Forebay_x="2")
    async with scripted([answer(200, etag='"tag"'), head]) as (backend, store):
        spec = WriteSpec(metadata=(("a", "1"), ("forebay-y", "2")), write_id="id")
        info = await put(backend, b"k", b"content", spec)
        assert (info.metadata, info.write_id) == ((("a", "1"),), "id")
        sent = [line for line in store.requests[0] if line.startswith("x-amz-meta-")]
        assert sent == ["x-amz-meta-a: 1", "x-amz-meta-forebay-write: id"]


@asynchronous
async def test_an_error_inside_a_success_is_an_error() -> None:
    copied = b"<Error><Code>InternalError</Code></Error>"
    async with scripted([stored(b"", content_length="7"), answer(200, copied)]) as (backend, _):
        with pytest.raises(BackendUnavailable):
            await backend.copy(Key(b"k"), Version(b"tag/7"), Key(b"l"), WriteSpec())


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<html></html>",
        b"<ListBucketResult>",
        LISTED % b"a" + b"<more/>",
        (LISTED % b"a").replace(b"<Size>1</Size>", b""),
        (LISTED % b"a").replace(b">1<", b">one<"),
        (LISTED % b"a").replace(b"false", b"true"),
        b'<!DOCTYPE x [<!ENTITY e "boom">]>' + LISTED % b"&e;",
    ],
)
@asynchronous
async def test_a_listing_that_cannot_be_read_is_no_empty_one(page: bytes) -> None:
    async with scripted([answer(200, page)]) as (backend, _):
        with pytest.raises(BackendBroken):
            await backend.list(ListQuery())


@asynchronous
async def test_a_listed_time_and_key_are_those_of_the_object() -> None:
    async with scripted([answer(200, LISTED % b"a+b%2Bc%2F%01")]) as (backend, store):
        (entry,) = (await backend.list(ListQuery(prefix=b"a b"))).entries
        assert (entry.key, entry.modified_s, entry.version) == (b"a b+c/\x01", 1_792_567_680, b"t/1")
        assert "encoding-type=url" in store.requests[0][0]
        assert "prefix=a%20b" in store.requests[0][0]


@asynchronous
async def test_the_first_page_out_of_order_takes_start_after_away(caplog: pytest.LogCaptureFixture) -> None:
    entry = (LISTED % b"b").partition(b"<Contents>")[2].partition(b"</Contents>")[0]
    page = (LISTED % b"a").replace(b"<Contents>", b"<Contents>" + entry + b"</Contents><Contents>")
    async with scripted([answer(200, page)]) as (backend, _):
        assert backend.capabilities.ordered_list
        await backend.list(ListQuery())
        assert not backend.capabilities.ordered_list
        assert not backend.capabilities.start_after
        with pytest.raises(GatewayError):
            await backend.list(ListQuery(start_after=b"a"))
    assert [record.levelname for record in caplog.records if record.name.startswith("gateway")] == ["WARNING"]


@pytest.mark.parametrize("token", ["", "x", "s", "s%", "pYQ", "YQ=="])
@asynchronous
async def test_a_token_that_is_none_never_reaches_the_store(token: str) -> None:
    async with scripted([]) as (backend, store):
        with pytest.raises(ArgumentInvalid):
            await backend.list(ListQuery(token=token))
        assert store.requests == []


@asynchronous
async def test_no_condition_is_promised_before_the_store_was_tried() -> None:
    async with scripted([refused(403, "AccessDenied")]) as (backend, _):
        before = backend.capabilities
        assert before.conditional_create.value == before.conditional_delete.value == "no"
        assert await backend.probe() == backend.capabilities
        assert not backend.capabilities.tags


@asynchronous
async def test_a_delete_of_a_version_where_nothing_is_succeeds() -> None:
    async with scripted([refused(403, "AccessDenied"), answer(404)]) as (backend, _):
        await backend.delete(Key(b"k"), Version(b"tag/7"))
    async with scripted([refused(403, "AccessDenied"), stored(b"", content_length="8")]) as (backend, _):
        with pytest.raises(ConditionFailed):
            await backend.delete(Key(b"k"), Version(b"tag/7"))
