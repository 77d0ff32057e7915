"""Objects that the backend said do not exist, remembered for a moment."""

from gateway.cache.recent import Recent
from gateway.model import Bucket, Key

NEGATIVE_MAX_S = 1.0
"""How long "there is no such object" may be repeated without asking again."""
ABSENCES_MAX = 65_536


class Absences:
    """Answers of "no such object", each for `NEGATIVE_MAX_S`. Times are seconds of a clock that never runs back."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """All of them may be there now."""
        self._asked_s: Recent[tuple[Bucket, Key], float] = Recent(ABSENCES_MAX)

    def note(self, bucket: Bucket, key: Key, now_s: float) -> None:
        """`now_s` is when the question went to the backend."""
        self._asked_s.put((bucket, key), now_s)

    def holds(self, bucket: Bucket, key: Key, now_s: float) -> bool:
        """Whether the object may be said to be missing without asking the backend."""
        asked_s = self._asked_s.get((bucket, key))
        if asked_s is None:
            return False
        if now_s - asked_s < NEGATIVE_MAX_S:
            return True
        self._asked_s.drop((bucket, key))
        return False

    def drop(self, bucket: Bucket, key: Key) -> None:
        """The object is there now, or may be."""
        self._asked_s.drop((bucket, key))
