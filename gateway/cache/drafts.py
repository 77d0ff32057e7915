"""Which bytes of an object lie in which draft: what passed as a body and was kept before its version was known.

A draft is cut into pieces of `BLOCK_SIZE` from its own byte 0; the last is shorter. Times are seconds of a clock
that never runs back.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.model import BLOCK_SIZE, Bucket, ETag, Key, Span, Version

SOURCES_MAX = 65_536
"""Sources remembered of all versions together."""
SOURCES_MAX_S = 3600.0
PARTS_MAX = 65_536
"""Parts remembered of all open uploads together."""
PARTS_MAX_S = 24 * 3600.0
"""How long an upload to which no part comes is remembered."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The bytes [start, stop) of a version are the draft `op`, whole."""

    start: int
    stop: int
    op: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """The bytes [start, stop) of one piece of the draft `op`."""

    op: bytes
    number: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Remembered:
    sources: tuple[Stretch, ...]
    since_s: float


class DraftMap:
    """The drafts that make up the versions written last: at most `SOURCES_MAX` sources, for `SOURCES_MAX_S`."""

    def __init__(self) -> None:
        self._versions: OrderedDict[tuple[Bucket, Key, Version], _Remembered] = OrderedDict()
        self._count = 0

    def remember(self, bucket: Bucket, key: Key, version: Version, sources: Sequence[Stretch], now_s: float) -> None:
        """The sources lie in order, do not overlap and are not empty; between them may be bytes that no draft holds."""
        name = (bucket, key, version)
        self._drop(name)
        self._versions[name] = _Remembered(tuple(sources), now_s)
        self._count += len(sources)
        while self._count > SOURCES_MAX or self._oldest_is_over(now_s):
            self._drop(next(iter(self._versions)))

    def cuts(self, bucket: Bucket, key: Key, version: Version, span: Span, now_s: float) -> tuple[Cut, ...] | None:
        """The cuts that are exactly the span, in order; None if a byte of it lies in no draft."""
        remembered = self._versions.get((bucket, key, version))
        if remembered is None or now_s - remembered.since_s >= SOURCES_MAX_S:
            return None
        cuts: list[Cut] = []
        at = span.start
        first = bisect_right(remembered.sources, at, key=lambda source: source.start) - 1
        for source in remembered.sources[max(first, 0) :]:
            if at >= span.stop:
                break
            if not source.start <= at < source.stop:
                return None
            stop = min(span.stop, source.stop)
            cuts += _cuts(source, at, stop)
            at = stop
        return tuple(cuts) if at >= span.stop else None

    def _oldest_is_over(self, now_s: float) -> bool:
        oldest = next(iter(self._versions.values()), None)
        return oldest is not None and now_s - oldest.since_s >= SOURCES_MAX_S

    def _drop(self, name: tuple[Bucket, Key, Version]) -> None:
        dropped = self._versions.pop(name, None)
        if dropped is not None:
            self._count -= len(dropped.sources)


def _cuts(source: Stretch, start: int, stop: int) -> Iterator[Cut]:
    """The bytes [start, stop) of the version, all of which lie in the source."""
    at, end = start - source.start, stop - source.start
    while at < end:
        number = at // BLOCK_SIZE
        base = number * BLOCK_SIZE
        piece_stop = min(end, base + BLOCK_SIZE)
        yield Cut(source.op, number, at - base, piece_stop - base)
        at = piece_stop


@dataclass(frozen=True, slots=True)
class _PartDraft:
    size: int
    op: bytes


@dataclass(slots=True)
class _Upload:
    """Parts by number and ETag: one sent twice under one number is two, until Complete names which it is."""

    parts: dict[tuple[int, ETag], _PartDraft] = field(default_factory=dict)
    last_s: float = 0.0


class PartDrafts:
    """The drafts of the parts of open uploads: at most `PARTS_MAX`; the uploads that rest longest leave first."""

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, _Upload] = OrderedDict()
        self._count = 0

    def put(self, upload: str, number: int, etag: ETag, size: int, op: bytes, now_s: float) -> None:
        """`upload` is the store's own name for it. A part that is known by number and ETag is replaced."""
        entry = self._uploads.setdefault(upload, _Upload())
        self._count -= len(entry.parts)
        entry.parts[number, etag] = _PartDraft(size, op)
        self._count += len(entry.parts)
        entry.last_s = now_s
        self._uploads.move_to_end(upload)
        while self._count > PARTS_MAX or self._oldest_is_over(now_s):
            self.drop(next(iter(self._uploads)))

    def sources(self, upload: str, parts: Sequence[tuple[int, ETag]], sizes: Mapping[int, int]) -> list[Stretch] | None:
        """Where the drafts lie in the object that these parts make, in this order.

        `sizes` are those of parts, by number, as far as the caller knows them. A part whose draft is not known
        is left out; None if its size is not known either, so that nobody knows where the next one starts.
        """
        entry = self._uploads.get(upload, _Upload())
        sources: list[Stretch] = []
        at = 0
        for number, etag in parts:
            draft = entry.parts.get((number, etag))
            size = sizes.get(number, None if draft is None else draft.size)
            if size is None:
                return None
            if draft is not None and draft.size == size > 0:
                sources.append(Stretch(at, at + size, draft.op))
            at += size
        return sources

    def drop(self, upload: str) -> None:
        """The upload is completed or aborted."""
        entry = self._uploads.pop(upload, None)
        if entry is not None:
            self._count -= len(entry.parts)

    def _oldest_is_over(self, now_s: float) -> bool:
        oldest = next(iter(self._uploads.values()), None)
        return oldest is not None and now_s - oldest.last_s >= PARTS_MAX_S
