"""Blocks that were filled ahead of need, until somebody reads them: what tells whether readahead pays."""

from collections import OrderedDict

from gateway.cache.ahead import Marks
from gateway.model import BLOCK_SIZE, Bucket

BLOCKS_MAX = 65_536
"""Blocks that may wait for a reader; those that wait longest count as wasted."""


class Prefetched:
    """Tells `marks` of every block that was filled ahead whether it was read."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._unread: OrderedDict[tuple[bytes, int], Bucket] = OrderedDict()

    def filled(self, bucket: Bucket, vh: bytes, run: range) -> None:
        """These blocks of a content are being filled ahead."""
        for number in run:
            self._unread[vh, number] = bucket
        while len(self._unread) > BLOCKS_MAX:
            _, wasted = self._unread.popitem(last=False)
            self._marks.wasted(wasted, BLOCK_SIZE)

    def read(self, vh: bytes, number: int) -> None:
        """Somebody reads this block."""
        bucket = self._unread.pop((vh, number), None)
        if bucket is not None:
            self._marks.used(bucket, BLOCK_SIZE)
