"""A real node with a store in front of the counting stub, and the objects that lie behind it."""

import itertools
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.content import made, size_named
from tests.fakes.stub import BUCKET, Stub
from tests.real.node import Node
from tests.real.wire import Answer, Wire, path

MIB = 1024 * 1024
MOUNTS = {
    "plain": "",
    "always": 'freshness = "always"',
    "forever": 'freshness = "immutable"',
    "brief": 'freshness = "1s"',
    "patient": 'freshness = "1s"\nstale_if_error = "1h"',
    "unkept": "cache_writes = false",
    "bypassed": 'admission = "bypass"',
}
"""Buckets of the node, each over a prefix of its own at the stub, and what sets them apart."""

_MOUNT = """
[[mount]]
bucket = "{bucket}"
backend = "s3"
uri = "s3://{lake}/{bucket}/"
{policy}
[mount.options]
endpoint_url = "{endpoint}"
region = "us-east-1"
access_key_id = "STUBKEY"
secret_access_key = "secret-that-the-stub-ignores"
{options}
"""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that the stub makes: its bucket at the node, its key, its size."""

    bucket: str
    key: str
    size: int

    @property
    def place(self) -> str:
        """Its key at the stub."""
        return f"{self.bucket}/{self.key}"

    @property
    def target(self) -> str:
        return path(self.bucket, self.key)

    def content(self, version: int = 1, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes [start, stop) of a version."""
        return made(f"{BUCKET}/{self.place}", version, start, self.size if stop is None else min(stop, self.size))


@dataclass(slots=True)
class Scene:
    """The node, the stub behind it, and a signing client."""

    stub: Stub
    node: Node
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def wire(self) -> Wire:
        return Wire(self.node)

    def thing(self, size: str, bucket: str = "plain") -> Thing:
        """An object that nobody has read yet; `size` as in `64MiB`."""
        key = f"thing{next(self._numbers)}-{size}"
        found = size_named(key)
        assert found is not None
        return Thing(bucket, key, found)

    def get(
        self, thing: Thing, start: int = 0, stop: int | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One GET, with a range if either end is given."""
        return self.wire.request("GET", thing.target, headers={**range_header(start, stop), **(headers or {})})

    def head(self, thing: Thing, headers: Mapping[str, str] | None = None) -> Answer:
        """One HEAD."""
        return self.wire.request("HEAD", thing.target, headers=headers)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 if there are none."""
        with urllib.request.urlopen(f"{self.node.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [line for line in lines if line.startswith((f"{name} ", name + "{")) and all(w in line for w in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in found)


def range_header(start: int, stop: int | None) -> dict[str, str]:
    """The header that asks for [start, stop); none for the whole."""
    if start == 0 and stop is None:
        return {}
    return {"range": f"bytes={start}-{'' if stop is None else stop - 1}"}


def configuration(
    endpoint: str, *, mounts: Mapping[str, str] = MOUNTS, capacity: str = "4GiB", limits: str = "", options: str = ""
) -> str:
    """What a node's configuration has besides what every test's node has."""
    text = f'[store]\npaths = ["store"]\ncapacity = "{capacity}"\nmemory = "128MiB"\n'
    if limits:
        text += f"[limits]\n{limits}\n"
    for bucket, policy in mounts.items():
        text += _MOUNT.format(bucket=bucket, lake=BUCKET, policy=policy, endpoint=endpoint, options=options)
    return text


@contextmanager
def opened(
    directory: Path,
    *stub_options: str,
    mounts: Mapping[str, str] = MOUNTS,
    capacity: str = "4GiB",
    limits: str = "",
    options: str = "",
) -> Iterator[Scene]:
    """A scene of its own in `directory`; `limits` and `options` are further lines of their sections."""
    with Stub(*stub_options) as stub:
        extra = configuration(stub.endpoint, mounts=mounts, capacity=capacity, limits=limits, options=options)
        with Node(directory, extra=extra) as node:
            yield Scene(stub, node)
