"""Delicate names: a store is tried once, and what it does not keep exactly is refused before it is asked."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.base import Backend, ListQuery
from gateway.backends.s3.delicate import SAMPLES, Delicacy, delicacies, is_delicate, whole_segments
from gateway.errors import BackendUnavailable, KeyUnusable, ObjectMissing
from gateway.model import Key
from tests.backends.scripted import answer, refused, scripted, stored
from tests.contract.bodies import get, put
from tests.contract.stores import asynchronous

DENIED = refused(403, "AccessDenied")
NAMES = st.lists(st.sampled_from([b"a", b".", b"/", b"\\", b"\n"]), max_size=8).map(b"".join)


def listed(*names: str) -> bytes:
    rows = "".join(
        f"<Contents><Key>{name}</Key><Size>7</Size><ETag>&quot;tag&quot;</ETag>"
        "<LastModified>2026-10-21T07:28:00Z</LastModified></Contents>"
        for name in names
    )
    return answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())


@given(name=NAMES)
def test_a_name_is_delicate_exactly_for_its_segments_and_backslashes(name: bytes) -> None:
    segments = name.split(b"/")
    assert (Delicacy.DOT in delicacies(name)) == (b"." in segments)
    assert (Delicacy.DOT_DOT in delicacies(name)) == (b".." in segments)
    assert (Delicacy.LEADING_SLASH in delicacies(name)) == (len(segments) > 1 and not segments[0])
    assert (Delicacy.EMPTY_SEGMENT in delicacies(name)) == (b"" in segments[1:-1])
    assert (Delicacy.BACKSLASH in delicacies(name)) == (b"\\" in name)
    assert is_delicate(name) == bool(delicacies(name))


@given(name=NAMES, rest=NAMES)
def test_what_is_delicate_about_the_whole_segments_of_a_prefix_is_so_for_every_name_behind_it(
    name: bytes, rest: bytes
) -> None:
    assert delicacies(whole_segments(name)) <= delicacies(name + rest)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_is_of_its_kind_alone(kind: Delicacy) -> None:
    for sample in SAMPLES[kind]:
        assert delicacies(b".forebay/probe/keys/" + sample) == {kind}


@asynchronous
async def test_an_ordinary_key_costs_one_request() -> None:
    async with scripted([stored(b"content"), listed()]) as (backend, store):
        assert await get(backend, b"a/.b/c..") == b"content"
        await backend.list(ListQuery(prefix=b"a/."))
        assert len(store.requests) == 2


@asynchronous
async def test_where_no_trial_is_possible_a_delicate_key_is_read_after_it_was_listed_exactly() -> None:
    script = [DENIED, listed("a//b"), stored(b"content"), listed("a/b"), listed(), listed("a/b")]
    async with scripted(script) as (backend, store):
        assert await get(backend, b"a//b") == b"content"
        with pytest.raises(ObjectMissing):
            await get(backend, b"a//b")
        with pytest.raises(ObjectMissing):
            await backend.stat(Key(b"a//b"))
        assert (await backend.list(ListQuery(prefix=b"a//"))).entries == ()
        assert [head[0].split()[0] for head in store.requests] == ["PUT", *["GET"] * 5]


@asynchronous
async def test_where_no_trial_is_possible_nothing_is_changed_under_a_delicate_key() -> None:
    async with scripted([DENIED]) as (backend, store):
        with pytest.raises(KeyUnusable):
            await put(backend, b"./d")
        with pytest.raises(KeyUnusable):
            await backend.delete(Key(b"a\\b"), None)
        outcomes = await backend.delete_batch([Key(b"/lead"), Key(b"..")])
        assert [type(outcome) for outcome in outcomes] == [KeyUnusable, KeyUnusable]
        assert len(store.requests) == 1


@asynchronous
async def test_a_trial_that_fails_is_made_again_for_the_next_key() -> None:
    async with scripted([refused(503, "ServiceUnavailable"), DENIED, listed("a//b"), stored(b"content")]) as (
        backend,
        _,
    ):
        with pytest.raises(BackendUnavailable):
            await get(backend, b"a//b")
        assert await get(backend, b"a//b") == b"content"


@asynchronous
async def test_callers_at_once_share_one_trial() -> None:
    async with scripted([DENIED]) as (backend, store):
        async with asyncio.TaskGroup() as tasks:
            for number in range(9):
                tasks.create_task(_is_refused(backend, b"a//%d" % number))
        assert len(store.requests) == 1


async def _is_refused(backend: Backend, key: bytes) -> None:
    with pytest.raises(KeyUnusable):
        await put(backend, key)
