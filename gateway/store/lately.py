"""Entries of objects unpacked lately: what is asked for again and again is unpacked once."""

from gateway.store.values import Held

ENTRIES_MAX = 2048
"""Remembered at once, about 1.5 KiB each; one more, and all are unpacked anew."""


class Lately:
    """What values of the index come to, for as long as the trust epoch stays. A value that changes is another one."""

    def __init__(self) -> None:
        self._held: dict[bytes, Held] = {}
        self._epoch = 0

    def find(self, value: bytes, epoch: int) -> Held | None:
        """What this value has come to."""
        return self._held.get(value) if epoch == self._epoch else None

    def note(self, value: bytes, epoch: int, held: Held) -> None:
        """This value comes to that, whoever asks and whenever, while its segment is there."""
        if epoch != self._epoch or len(self._held) >= ENTRIES_MAX:
            self._held.clear()
            self._epoch = epoch
        self._held[value] = held
