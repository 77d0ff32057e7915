"""What the stub has sent and been asked, per object and in all."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

BLOCK_SIZE = 1024 * 1024


@dataclass(slots=True)
class ObjectCounts:
    """Of one object: bytes of content sent, by block of 1 MiB, and requests by their words."""

    blocks: Counter[int] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)


class Counts:
    """All counts since the last reset. A request's words are its method and status: `GET 206`, `LIST 200`."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.objects: defaultdict[str, ObjectCounts] = defaultdict(ObjectCounts)

    def asked(self, name: str, words: str) -> None:
        """Counts a request."""
        self.requests[words] += 1
        self.objects[name].requests[words] += 1

    def sent(self, name: str, start: int, size: int) -> None:
        """Counts content [start, start + size), at most a block, as it is given to the socket."""
        blocks = self.objects[name].blocks
        first, stop = start // BLOCK_SIZE, start + size
        head = min(stop, (first + 1) * BLOCK_SIZE) - start
        blocks[first] += head
        if head < size:
            blocks[first + 1] += size - head

    def document(self, name: str = "") -> dict[str, object]:
        """As JSON has it: of one object with its blocks, else of all with their sums."""
        if name:
            one = self.objects.get(name, ObjectCounts())
            return {"requests": one.requests, "blocks": one.blocks, "bytes": one.blocks.total()}
        return {
            "requests": self.requests,
            "bytes": sum(one.blocks.total() for one in self.objects.values()),
            "objects": {each: one.blocks.total() for each, one in self.objects.items()},
        }
