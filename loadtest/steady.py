"""Hits at half the rate that one core can serve: how late they come while the store works, and while its disk is slow.

The node has the first core to itself, with all its threads. Its store is small and full of small records, last checked
more than a week ago: it has to be scrubbed, and every fill makes it seal, sync, evict and, as thousands of entries go
with each segment, compact its index now and then; how much of that happened is told. For the slow disk the pages of
all segments are dropped but for those of the hits, and a control group lets the node read a few MB/s, which cold
readers use up.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.client import Channel, LoadFailed, Server
from loadtest.contestants import keep_to_the_other_cores, on_a_core_of_its_own, server_of
from loadtest.finding import Finding
from loadtest.load import waves
from loadtest.paced import Latencies, paced
from loadtest.slow_disk import CannotSlow, drop_page_cache, slowed
from loadtest.store_process import StoreProcess
from tests.cache_system.scene import MIB, Scene, Thing, configuration
from tests.fakes.stub import Stub
from tests.real.node import Node

BUCKET = "forever"
CAPACITY_BYTES = 768 * MIB
SMALL_SIZE, SMALL_RECORDS, SMALL_PARTS = 1200, 25_000, 14
"""What lies in the store before; a part fills about one segment."""
DAYS_BEHIND = 8

HOT, HOT_SIZE = 256, "4KiB"
WARM_REQUESTS = 8_000
LOAD = 0.5
ROUNDS = 3
SECONDS = 6.0
COLD_SIZE = "1MiB"
FILLS_PER_S, FILL_READERS = 25.0, 4
FILLED = 3_000
SLOW_BYTES_PER_S = 4 * MIB
SLOW_OBJECTS, SLOW_READERS = 200, 4
FOR_EVER = 1e9

BUSY_RATIO_MAX = 5.0
SLOW_RATIO_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """Hits in quiet and in trouble."""

    quiet: Latencies
    busy: Latencies


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What was measured, `per_s` hits taking `core_share` of a core.

    `slow` is empty where no disk can be slowed; `happened` is what the store did meanwhile.
    """

    per_s: float
    core_share: float
    rounds: list[Round]
    slow: list[Round]
    happened: dict[str, float]

    def findings(self) -> Iterator[Finding]:
        """The best round counts: the machine is shared."""
        ratio = min(one.busy.p99_us / one.quiet.p50_us for one in self.rounds)
        yield Finding("hits while the store works, p99 to the quiet p50", ratio, BUSY_RATIO_MAX, "x")
        for what, amount in self.happened.items():
            yield Finding(f"meanwhile: {what}", amount, None, "")
        if self.slow:
            ratio = min(one.busy.p99_us / one.quiet.p99_us for one in self.slow)
            yield Finding("hits while others wait for a slow disk, p99 to the quiet p99", ratio, SLOW_RATIO_MAX, "x")


def print_steadiness(steadiness: Steadiness) -> None:
    """All rounds."""
    title = f"4 KiB, {steadiness.per_s:.0f}/s, {steadiness.core_share:.0%} of a core"
    print(f"\n{title:34} {'quiet p50':>12} {'p99':>9} {'busy p50':>12} {'p99':>9}   us")
    for name, rounds in (("store at work", steadiness.rounds), ("slow disk", steadiness.slow)):
        for one in rounds:
            quiet, busy = one.quiet, one.busy
            print(f"{name:34} {quiet.p50_us:12.0f} {quiet.p99_us:9.0f} {busy.p50_us:12.0f} {busy.p99_us:9.0f}")
    print(flush=True)


def measure(directory: Path) -> Steadiness:
    """Both parts, on one node."""
    with _full_node(directory) as scene:
        server = server_of(scene, BUCKET)
        hot = [scene.thing(HOT_SIZE, BUCKET) for _ in range(HOT)]
        heads = [server.get_head(thing.key) for thing in hot]
        size = hot[0].size
        waves(server, heads, size)
        cost = waves(server, heads * (WARM_REQUESTS // HOT), size)
        # The client may be slower than the node; and where others use the core as well, less of it can serve.
        per_s = LOAD * min(cost.requests / cost.seconds, 1e6 / cost.cpu_us_per_request)

        def hits() -> Latencies:
            return paced(server, heads, size, per_s, SECONDS)

        before = _doings(scene)
        rounds = []
        for number in range(1, ROUNDS + 1):
            print(f"store at work, round {number} of {ROUNDS}", file=sys.stderr)
            things = [scene.thing(COLD_SIZE, BUCKET) for _ in range(FILLED)]
            quiet = hits()
            with _reading(server, things, FILLS_PER_S, FILL_READERS):
                rounds.append(Round(quiet, hits()))
        after = _doings(scene)
        happened = {name: after[name] - before[name] for name in after}
        core_share = per_s * cost.cpu_us_per_request / 1e6
        return Steadiness(per_s, core_share, rounds, _slow_rounds(scene, server, hits), happened)


def _slow_rounds(scene: Scene, server: Server, hits: Callable[[], Latencies]) -> list[Round]:
    things = [scene.thing(COLD_SIZE, BUCKET) for _ in range(SLOW_OBJECTS)]
    store, rounds = scene.node.directory / "store", []
    for thing in things:
        scene.get(thing)
    for number in range(1, ROUNDS + 1):
        print(f"slow disk, round {number} of {ROUNDS}", file=sys.stderr)
        drop_page_cache(store.rglob("*.seg"))
        hits()
        quiet = hits()
        try:
            with slowed(scene.node.pid, store, SLOW_BYTES_PER_S), _reading(server, things, FOR_EVER, SLOW_READERS):
                rounds.append(Round(quiet, hits()))
        except CannotSlow as reason:
            print(f"hits beside a slow disk are not measured: {reason}", file=sys.stderr)
            return []
    return rounds


@contextmanager
def _full_node(directory: Path) -> Iterator[Scene]:
    """A node whose store is full, and old, when it starts."""
    home = directory / "steady"
    home.mkdir()
    with StoreProcess(home / "store", capacity_bytes=CAPACITY_BYTES, days_behind=DAYS_BEHIND) as store:
        for part in range(SMALL_PARTS):
            print(f"filling a store, part {part + 1} of {SMALL_PARTS}", file=sys.stderr)
            store.fill(SMALL_SIZE, part * SMALL_RECORDS, SMALL_RECORDS)
        store.stop()
    keep_to_the_other_cores()
    with Stub() as stub, ExitStack() as stack:
        with on_a_core_of_its_own():
            extra = configuration(stub.endpoint, capacity=f"{CAPACITY_BYTES // MIB}MiB")
            node = stack.enter_context(Node(home, extra=extra))
        yield Scene(stub, node)


def _doings(scene: Scene) -> dict[str, float]:
    logs = (path.read_text(errors="replace") for path in (scene.node.directory / "store").glob("*/idx/LOG*"))
    return {
        "MiB filled": scene.stub.traffic().bytes / MIB,
        "MiB evicted": scene.metric("forebay_cache_evicted_bytes_total") / MIB,
        "compactions of the index": sum(text.count('"event": "compaction_finished"') for text in logs),
    }


@contextmanager
def _reading(server: Server, things: Sequence[Thing], per_s: float, readers: int) -> Iterator[None]:
    """While within, other processes share in reading the things, so many a second together."""
    context = multiprocessing.get_context("fork")
    shares = [things[number::readers] for number in range(readers)]
    processes = [context.Process(target=_read, args=(server, share, per_s / readers)) for share in shares]
    for process in processes:
        process.start()
    try:
        yield
        if not all(process.is_alive() for process in processes):
            raise LoadFailed("the readers in the background ended early")
    finally:
        for process in processes:
            process.kill()
            process.join()


def _read(server: Server, things: Sequence[Thing], per_s: float) -> None:
    channel, started = Channel(server), time.monotonic()
    for number, thing in enumerate(things):
        time.sleep(max(0.0, started + number / per_s - time.monotonic()))
        channel.send(server.get_head(thing.key))
        channel.finish()
