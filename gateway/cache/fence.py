"""The write fence: what the backend was asked before a write ended is not kept after it.

Who asks the backend about an object opens a question, who writes through here opens a write. A write spoils the
questions that run while it begins or ends: their answers may be passed on, and must not be kept. Of two
writes that overlap nobody knows which the backend took last, so neither may say what is there now.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.errors import SlowDown
from gateway.model import Bucket, Key

OPEN_MAX = 65_536
"""Writes that may be open at once; one more is refused before anything is written."""
CHANGED_MAX = 4096
"""Keys changed during a question about a bucket, beyond which it is spoiled for every key."""


@dataclass(slots=True)
class _Traffic:
    """What runs about one key. `changed` is the moment of the last begin or end of a write, or other spoiling."""

    changed: int = 0
    writes: int = 0
    questions: int = 0


@dataclass(slots=True)
class _BucketTraffic:
    """What runs about all keys of a bucket: the moments of their last begin or end, latest last.

    `forgotten` is the latest moment that is no longer among them.
    """

    changed: OrderedDict[Key, int] = field(default_factory=OrderedDict)
    forgotten: int = 0
    questions: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A write that is open: given out by `Fence.begin`, and given back to `Fence.end`."""

    bucket: Bucket
    key: Key
    began: int
    began_alone: bool


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question to the backend about one object, open until `Fence.close`."""

    bucket: Bucket
    key: Key
    asked: int
    _traffic: _Traffic

    @property
    def spoiled(self) -> bool:
        """Whether a write was open at some time since it was asked: the answer must not be kept."""
        return self._traffic.writes > 0 or self._traffic.changed > self.asked


@dataclass(frozen=True, slots=True, eq=False)
class BucketQuestion:
    """A question to the backend about many objects of a bucket, as a page of a listing; open until `Fence.close`."""

    bucket: Bucket
    asked: int
    _traffic: _BucketTraffic
    _fence: "Fence"

    def spoiled(self, key: Key) -> bool:
        """Whether a write of this key was open at some time since it was asked; perhaps said of too many keys."""
        return (
            self._traffic.forgotten > self.asked
            or self._traffic.changed.get(key, 0) > self.asked
            or self._fence.is_open(self.bucket, key)
        )


class Fence:
    """The open writes and questions of this node. Every call is O(1); what is closed leaves nothing behind.

    Moments are counted: each begin and each end of a write is one, and whatever else spoils.
    """

    def __init__(self) -> None:
        self._moment = 0
        self._open_writes = 0
        self._keys: dict[tuple[Bucket, Key], _Traffic] = {}
        self._buckets: dict[Bucket, _BucketTraffic] = {}

    def begin(self, bucket: Bucket, key: Key) -> Write:
        """Opens a write, before the backend hears of it. Raises `SlowDown` when `OPEN_MAX` are open."""
        if self._open_writes >= OPEN_MAX:
            raise SlowDown
        self._open_writes += 1
        traffic = self._keys.setdefault((bucket, key), _Traffic())
        traffic.writes += 1
        self._change(bucket, key, traffic)
        return Write(bucket, key, traffic.changed, began_alone=traffic.writes == 1)

    def is_alone(self, write: Write) -> bool:
        """Whether no other write of the key was open since this one began; once false it stays so."""
        traffic = self._keys[write.bucket, write.key]
        return write.began_alone and traffic.changed == write.began

    def end(self, write: Write) -> bool:
        """Closes a write, after the backend is done with it.

        True: it was alone all the time, so its result may be kept. False: what is known of the object
        must be dropped.
        """
        traffic = self._keys[write.bucket, write.key]
        was_alone = self.is_alone(write)
        traffic.writes -= 1
        self._open_writes -= 1
        self._change(write.bucket, write.key, traffic)
        self._leave(write.bucket, write.key, traffic)
        return was_alone

    def ask(self, bucket: Bucket, key: Key) -> Question:
        """Opens a question, before it goes to the backend."""
        traffic = self._keys.setdefault((bucket, key), _Traffic())
        traffic.questions += 1
        return Question(bucket, key, self._moment, traffic)

    def ask_bucket(self, bucket: Bucket) -> BucketQuestion:
        """Opens a question about many objects, before it goes to the backend."""
        traffic = self._buckets.setdefault(bucket, _BucketTraffic())
        traffic.questions += 1
        return BucketQuestion(bucket, self._moment, traffic, self)

    def close(self, question: Question | BucketQuestion) -> None:
        """Closes a question, after its answer was kept or dropped. From here on nothing spoils it."""
        match question:
            case Question(bucket, key):
                traffic = self._keys[bucket, key]
                traffic.questions -= 1
                self._leave(bucket, key, traffic)
            case BucketQuestion(bucket):
                bucket_traffic = self._buckets[bucket]
                bucket_traffic.questions -= 1
                if not bucket_traffic.questions:
                    del self._buckets[bucket]

    def spoil(self, bucket: Bucket, key: Key) -> None:
        """Something newer than what running questions may answer was seen; an open write will spoil them anyway."""
        traffic = self._keys.get((bucket, key))
        if traffic is not None and not traffic.writes:
            self._change(bucket, key, traffic)

    def spoil_all(self, bucket: Bucket, prefix: bytes) -> None:
        """Spoils what runs about all keys that begin with `prefix`, writes too; costs as much as runs at all."""
        self._moment += 1
        for (its_bucket, key), traffic in self._keys.items():
            if its_bucket == bucket and key.startswith(prefix):
                traffic.changed = self._moment
        bucket_traffic = self._buckets.get(bucket)
        if bucket_traffic is not None:
            bucket_traffic.forgotten = self._moment

    def is_open(self, bucket: Bucket, key: Key) -> bool:
        """Whether a write of the key is open: every read must ask the backend, and keep nothing."""
        traffic = self._keys.get((bucket, key))
        return traffic is not None and traffic.writes > 0

    def _change(self, bucket: Bucket, key: Key, traffic: _Traffic) -> None:
        self._moment += 1
        traffic.changed = self._moment
        bucket_traffic = self._buckets.get(bucket)
        if bucket_traffic is None:
            return
        bucket_traffic.changed[key] = self._moment
        bucket_traffic.changed.move_to_end(key)
        if len(bucket_traffic.changed) > CHANGED_MAX:
            _, bucket_traffic.forgotten = bucket_traffic.changed.popitem(last=False)

    def _leave(self, bucket: Bucket, key: Key, traffic: _Traffic) -> None:
        if not traffic.writes and not traffic.questions:
            del self._keys[bucket, key]
