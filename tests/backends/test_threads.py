"""Threads: failures are translated, and a caller that leaves loses nothing that must be given back."""

import asyncio
import errno
import gc
import os
import threading

import pytest

from gateway.backends.local.errnos import meaning
from gateway.backends.local.renaming import rename_new
from gateway.backends.local.threads import Threads
from gateway.errors import (
    AccessRefused,
    BackendUnavailable,
    Conflict,
    GatewayError,
    KeyUnusable,
    ObjectTooLarge,
    SlowDown,
    StorageFull,
)
from tests.contract.stores import asynchronous


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.EACCES, AccessRefused),
        (errno.EROFS, AccessRefused),
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.ENAMETOOLONG, KeyUnusable),
        (errno.EMFILE, SlowDown),
        (errno.EBUSY, Conflict),
        (errno.EFBIG, ObjectTooLarge),
        (errno.EIO, BackendUnavailable),
        (errno.ESTALE, BackendUnavailable),
        (errno.EREMOTEIO, BackendUnavailable),
    ],
)
@asynchronous
async def test_errors_of_the_system_become_ours_and_show_no_path(number: int, failure: type[GatewayError]) -> None:
    threads = Threads(1)

    def fail() -> None:
        raise OSError(number, os.strerror(number), "/a/path/of/ours")

    for call in (threads.run(fail), threads.settle(fail), threads.together(fail, fail)):
        with pytest.raises(failure) as raised:
            await call
        assert "/a/path" not in str(raised.value)
    await threads.close()


@asynchronous
async def test_a_failure_whose_caller_has_left_is_no_news() -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    threads = Threads(2)
    begun, may_fail = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        may_fail.wait(10)
        raise OSError(errno.EIO, "broken")

    for work in (threads.settle(fail), threads.together(fail, fail)):
        begun.clear()
        may_fail.clear()
        async with asyncio.TaskGroup() as callers:
            caller = callers.create_task(work)
            await asyncio.to_thread(begun.wait, 10)
            caller.cancel()
            may_fail.set()
    del caller, work
    gc.collect()
    assert complaints == []
    await threads.close()


def test_an_error_without_a_number_is_an_unavailable_backend() -> None:
    assert isinstance(meaning(OSError("odd")), BackendUnavailable)


class Blocked:
    """Work that begins, says so, and goes on when it is let."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.let = threading.Event()
        self.is_over = False

    def __call__(self) -> str:
        self.loop.call_soon_threadsafe(self.begun.set)
        assert self.let.wait(30)
        self.is_over = True
        return "result"


@asynchronous
async def test_a_late_result_nobody_waits_for_is_undone() -> None:
    threads, work = Threads(1), Blocked()
    undone: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        caller = tasks.create_task(
            threads.run(work, lambda late: (loop.call_soon_threadsafe(undone.put_nowait, late), None)[1])
        )
        await work.begun.wait()
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        assert not work.is_over
        work.let.set()
    assert await undone.get() == "result"
    await threads.close()


@pytest.mark.parametrize("call", ["settle", "together"])
@asynchronous
async def test_a_caller_of_work_that_changes_something_leaves_when_it_is_over(call: str) -> None:
    threads, work = Threads(2), Blocked()
    abandoned: list[bool] = []

    def abandon() -> None:
        abandoned.append(work.is_over)
        work.let.set()

    async with asyncio.TaskGroup() as tasks:
        if call == "settle":
            caller: asyncio.Task[object] = tasks.create_task(threads.settle(work, abandon))
        else:
            caller = tasks.create_task(threads.together(lambda: None, lambda: (work(), None)[1]))
        await work.begun.wait()
        caller.cancel()
        if call == "together":
            work.let.set()
        await asyncio.wait([caller])
        assert caller.cancelled()
        assert work.is_over
    assert abandoned == ([False] if call == "settle" else [])
    await threads.close()


def test_a_rename_that_must_not_replace_does_not(tmp_path: os.PathLike[str]) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    os.mkdir(b"one", dir_fd=fd)
    os.mkdir(b"two", dir_fd=fd)
    with pytest.raises(FileExistsError):
        rename_new(fd, b"one", fd, b"two")
    rename_new(fd, b"one", fd, b"three")
    assert sorted(os.listdir(fd)) == ["three", "two"]
    with pytest.raises(FileNotFoundError):
        rename_new(fd, b"one", fd, b"four")
    os.close(fd)
