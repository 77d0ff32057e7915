"""Which new blocks a shard lets in, and to which log: its gate and its ghost, with dice of their own."""

from random import Random

from gateway.store import ghost, logs
from gateway.store.gate import Gate, Mode
from gateway.store.ghost import Ghost
from gateway.store.segments import Kind
from gateway.store.values import Admission


class Policy:
    """Of one shard. Blocks go by their `names.key_hash`."""

    def __init__(self, mode: Mode, dice: Random) -> None:
        self.gate = Gate(1, mode)
        self.ghost = Ghost()
        self._dice = dice
        self._capacity_bytes = 1

    def log_for(self, h: int, admission: Admission, *, is_transient: bool) -> Kind | None:
        """The log a new block is written to; None if it is not let in, which is remembered."""
        if is_transient:
            return Kind.SMALL
        if not self.gate.admits(self._dice.random(), admission):
            self.ghost.add(h)
            return None
        mode = self.gate.mode_of(admission)
        return logs.log_of(mode, is_pinned=False, is_transient=False, is_known=self.ghost.knows(h))

    def gone(self, h: int, *, from_small: bool) -> None:
        """A block was evicted."""
        self.gate.removed(h)
        if from_small:
            self.ghost.add(h)

    def fit(self, capacity_bytes: int, records: int) -> None:
        """The shard may hold so many bytes now, and holds so many records."""
        if capacity_bytes != self._capacity_bytes:
            self._capacity_bytes = capacity_bytes
            self.gate.resize(max(1, capacity_bytes))
        self.ghost.resize(int(ghost.SHARE * records))
