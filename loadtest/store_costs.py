"""What a hit costs at the store alone, without HTTP: CPU time of the thread of the event loop."""

import asyncio
import os
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import uvloop

from gateway.clock import SystemClock
from gateway.config import StoreConfig
from gateway.model import MIB
from gateway.store import slices
from gateway.store.disk import SYSTEM_FILES
from gateway.store.resident import Slice
from gateway.store.store import BlockStore
from gateway.store.values import Content
from loadtest.client import LoadFailed
from loadtest.cpu_time import us_per_item
from loadtest.finding import Finding
from loadtest.store_worker import BUCKET, Filler

RECORDS = {False: 100_000, True: 400_000}
RECORD_SIZE = 512
LARGE_SIZE = 100_000
LARGE_RECORDS = 100
HITS = 20_000
SENDS = 2_000
HEAD = b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"x" * 400 + b"\r\n\r\n"
DRAIN_SIZE = MIB
TRIES_MAX = 100

LOOKUP_MAX_US = 10
CHECKED_RATIO_MAX = 2.5
SENT_RATIO_MAX = 1.25


def findings(directory: Path, *, full: bool) -> list[Finding]:
    """Measures a store in `directory`."""
    return uvloop.run(_findings(directory, RECORDS[full]))


async def _findings(directory: Path, records: int) -> list[Finding]:
    print(f"a store of {records} records", file=sys.stderr)
    config = StoreConfig.model_validate({"paths": [str(directory / "hits")], "capacity": 2 << 30})
    async with BlockStore.open(config, SystemClock()) as store:
        filler = Filler(store, int(SystemClock().now_s()))
        await filler.fill(RECORD_SIZE, 0, records)
        await filler.fill(LARGE_SIZE, records, LARGE_RECORDS)
        numbers = random.Random(1).choices(range(records), k=HITS)
        small = [filler.named(number, RECORD_SIZE)[0] for number in numbers]
        large = [filler.named(records + number, LARGE_SIZE)[0] for number in range(LARGE_RECORDS)]
        await asyncio.sleep(0)
        return [*_lookups(store, small, large), *_sends(store, large)]


def _lookups(store: BlockStore, small: list[Content], large: list[Content]) -> Iterator[Finding]:
    # Everything is in the page cache; yet now and then the kernel would rather not say so at once.
    def hit(content: Content) -> None:
        [place] = store.places(content, 0, 1)
        assert place is not None
        found = store.slice_now(place, 0, content.size, 0)
        if found is not None:
            found.count()
            found.release()

    def known_hit(content: Content) -> None:
        held = store.held(BUCKET, content.key)
        assert held is not None
        assert held.place is not None
        found = store.slice_now(held.place, 0, content.size)
        if found is not None:
            found.count()
            found.release()

    lookup_us = us_per_item(hit, small)
    yield Finding("store, lookup, unpacking, counter, two probes", lookup_us, LOOKUP_MAX_US, "us")
    yield Finding("store, the same from a key, with its info, and the bytes", us_per_item(known_hit, small), None, "us")
    checked_us = _checked_us(store, large)
    name = f"store, lookup, read and check of {LARGE_SIZE // 1000} KB ({checked_us:.1f} us), to the lookup"
    yield Finding(name, checked_us / lookup_us, CHECKED_RATIO_MAX, "x")


def _checked_us(store: BlockStore, large: list[Content]) -> float:
    found = _slice_of(store, large[0])
    fd = found.fd

    def check(content: Content) -> None:
        [place] = store.places(content, 0, 1)
        assert place is not None
        slices.read_checked(SYSTEM_FILES, fd, place, 0, content.size)

    # The descriptor is that of the segment of the first, where as many others lie as are looked at.
    first = store.places(large[0], 0, 1)[0]
    same = [content for content in large if _segment_of(store, content) == (first.segment if first else None)]
    us = us_per_item(check, same * (SENDS // len(same)))
    found.release()
    return us


def _segment_of(store: BlockStore, content: Content) -> int | None:
    [place] = store.places(content, 0, 1)
    return place.segment if place is not None else None


def _slice_of(store: BlockStore, content: Content) -> Slice:
    [place] = store.places(content, 0, 1)
    assert place is not None
    for _ in range(TRIES_MAX):
        found = store.slice_now(place, 0, content.size)
        if found is not None:
            return found
    raise LoadFailed("what was just written is not in the page cache")


def _sends(store: BlockStore, large: list[Content]) -> Iterator[Finding]:
    with _drained() as sock:
        out = sock.fileno()

        def send(where: tuple[int, int]) -> None:
            fd, offset = where
            sock.send(HEAD, socket.MSG_MORE)
            sent = 0
            while sent < LARGE_SIZE:
                sent += os.sendfile(out, fd, offset + sent, LARGE_SIZE - sent)

        def send_hit(content: Content) -> None:
            found = _slice_of(store, content)
            found.count()
            send((found.fd, found.offset))
            found.release()

        held = [_slice_of(store, content) for content in large]
        turns = SENDS // len(large)
        us_per_item(send_hit, large)
        hit_us = us_per_item(send_hit, large * turns)
        alone_us = us_per_item(send, [(found.fd, found.offset) for found in held] * turns)
        for found in held:
            found.release()
    name = f"store, hit, head and sendfile of {LARGE_SIZE // 1000} KB ({hit_us:.1f} us), to head and sendfile"
    yield Finding(name, hit_us / alone_us, SENT_RATIO_MAX, "x")


@contextmanager
def _drained() -> Iterator[socket.socket]:
    """A connection over loopback to a process that drops what it receives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    process = get_context("fork").Process(target=_drain, args=(receiver, sock))
    process.start()
    receiver.close()
    try:
        yield sock
    finally:
        sock.close()
        process.join()


def _drain(receiver: socket.socket, other_end: socket.socket) -> None:
    other_end.close()
    buffer = bytearray(DRAIN_SIZE)
    while receiver.recv_into(buffer):
        pass
    # What the parent has open is the parent's to close.
    os._exit(0)
