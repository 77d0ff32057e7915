"""kill -9 at any moment: what was acknowledged is there, the rest is the old or the new, and nothing lies about."""

import io
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from tests.clients.contents import content
from tests.real.node import Node
from tests.real.wire import Answer, Wire, path
from tests.robust.watching import MIB, objects_on_disk, unfinished, until, visible

pytestmark = pytest.mark.slow

PART_SIZE = 5 * MIB
PARTS = 12
COMPLETE_TAKES_S = 0.08
"""About, on a slow disk; the kills fall at random moments of it."""
WRITERS = 3
KEYS_PER_WRITER = 4
LARGE_SIZE = 9 * MIB
"""boto3 sends this in two parts."""


def test_a_put_killed_in_the_middle_leaves_the_old_object_and_the_open_uploads(
    sufferer: Node, wire: Wire, demo: Path
) -> None:
    wire.put("demo", "victim", b"old")
    assert wire.request("POST", path("demo", "open") + "?uploads=").status == 200
    before, uploads = objects_on_disk(demo), wire.request("GET", "/demo?uploads=").body
    assert b"<Upload>" in uploads
    for _ in range(3):
        with Wire(sufferer).connect() as sock:
            head = wire.head("PUT", path("demo", "victim"), {"content-length": str(32 * MIB)})
            sock.sendall(head + content(16 * MIB))
            until(lambda: sum(file.stat().st_size for file in unfinished(demo)) >= 8 * MIB)
            sufferer.kill()
        sufferer.restart()
        assert wire.get("demo", "victim") == b"old"
        assert wire.keys("demo") == ["victim"]
        assert wire.request("GET", "/demo?uploads=").body == uploads
        assert objects_on_disk(demo) == before
        until(lambda: not unfinished(demo))
    upload = uploads.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()
    assert wire.request("DELETE", path("demo", "open", [("uploadId", upload)])).status == 204


@pytest.fixture(scope="module")
def parts() -> list[bytes]:
    """The parts of a large object."""
    return [content(PART_SIZE, seed=number) for number in range(PARTS)]


def test_a_complete_killed_in_the_middle_is_done_or_can_be_repeated(
    sufferer: Node, wire: Wire, demo: Path, parts: list[bytes]
) -> None:
    chance = random.Random(5)
    whole = b"".join(parts)
    for attempt in range(5):
        key = f"joined-{attempt}"
        wire.put("demo", key, b"old")
        upload, document = uploaded(wire, key, parts)
        target = path("demo", key, [("uploadId", upload)])
        with wire.connect() as sock:
            sock.sendall(wire.head("POST", target, {"content-length": str(len(document))}) + document)
            Event().wait(chance.uniform(0, COMPLETE_TAKES_S))
            sufferer.kill()
        sufferer.restart()
        body = wire.get("demo", key)
        assert body in (b"old", whole)
        assert body == whole or upload.encode() in wire.request("GET", "/demo?uploads=").body
        repeated = wire.request("POST", target, body=document)
        assert repeated.status == 200, repeated
        assert wire.get("demo", key) == whole
        assert b"<Upload>" not in wire.request("GET", "/demo?uploads=").body
        until(lambda: not unfinished(demo))
        assert wire.request("DELETE", path("demo", key)).status == 204


def uploaded(wire: Wire, key: str, parts: list[bytes]) -> tuple[str, bytes]:
    """An upload with all its parts, and the document that completes it."""
    created = wire.request("POST", path("demo", key) + "?uploads=")
    upload = created.body.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()
    rows = []
    for number, part in enumerate(parts, 1):
        target = path("demo", key, [("partNumber", str(number)), ("uploadId", upload)])
        etag = wire.request("PUT", target, body=part).headers["etag"]
        rows.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    return upload, f"<CompleteMultipartUpload>{''.join(rows)}</CompleteMultipartUpload>".encode()


def test_every_acknowledged_put_outlives_random_kills(sufferer: Node) -> None:
    survive_kills(sufferer, rounds=5, seed=1)


@pytest.mark.long
def test_every_acknowledged_put_outlives_many_random_kills(sufferer: Node) -> None:
    survive_kills(sufferer, rounds=50, seed=2)


def survive_kills(node: Node, rounds: int, seed: int) -> None:
    """Kills the node under load `rounds` times, and looks at every object after each."""
    chance = random.Random(seed)
    bucket = f"under-fire-{seed}"
    root = node.directory / "buckets" / bucket
    wire = Wire(node)
    assert wire.request("PUT", path(bucket)).status == 200
    kept = [{f"w{writer}/k{key}": Kept() for key in range(KEYS_PER_WRITER)} for writer in range(WRITERS)]
    for number in range(rounds):
        stop = Event()
        with ThreadPoolExecutor(WRITERS) as pool:
            writers = [
                pool.submit(write_until_killed, node, bucket, keys, random.Random(f"{seed}/{number}/{writer}"), stop)
                for writer, keys in enumerate(kept)
            ]
            Event().wait(chance.uniform(0.2, 1.0))
            node.kill()
            stop.set()
        assert sum(writer.result() for writer in writers) > 0, "somebody wrote something"
        node.restart()
        for keys in kept:
            for key, what in keys.items():
                what.settle(wire.request("GET", path(bucket, key)), key)
        files = [entry for entry in visible(root) if entry.is_file()]
        assert len(files) == len(wire.keys(bucket))
        until(lambda: not unfinished(root))


@dataclass(slots=True)
class Kept:
    """What one key may hold: the last acknowledged body, or one that was tried after it; both by their seeds."""

    acknowledged: int | None = None
    tried: set[int] = field(default_factory=set)

    def settle(self, answer: Answer, key: str) -> None:
        """Holds the answer to what is possible; what is there now stays."""
        if answer.status == 404:
            assert self.acknowledged is None, f"{key} is lost"
            return
        assert answer.status == 200, answer
        possible = self.tried if self.acknowledged is None else {*self.tried, self.acknowledged}
        found = [seed for seed in possible if body_of(seed) == answer.body]
        assert found, f"{key} holds what nobody wrote"
        self.acknowledged, self.tried = found[0], set()


def body_of(seed: int) -> bytes:
    """One in five goes up in parts."""
    return content(LARGE_SIZE if seed % 5 == 0 else seed % 300_000, seed)


def write_until_killed(node: Node, bucket: str, keys: dict[str, Kept], chance: random.Random, stop: Event) -> int:
    """Overwrites the keys at random until the node is gone; returns how many writes were acknowledged."""
    client = node.boto3(retries={"total_max_attempts": 1}, read_timeout=10, connect_timeout=5)
    count = 0
    while not stop.is_set():
        key, seed = chance.choice(list(keys)), chance.randrange(1_000_000)
        body = io.BytesIO(body_of(seed))
        keys[key].tried.add(seed)
        try:
            client.upload_fileobj(body, bucket, key)
        except (BotoCoreError, ClientError, Boto3Error):
            continue
        keys[key].acknowledged, keys[key].tried = seed, set()
        count += 1
    return count
