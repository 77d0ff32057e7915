"""Decides for a shard whether what is new is let in, by scoring the other way in miniature."""

from dataclasses import dataclass
from enum import Enum

from gateway.store.shadow import Shadow
from gateway.store.values import Admission

HOLD_ODDS = 1 / 64
"""How much of what is new a full shard takes while it holds what it has."""
SAMPLED_MAX = 16_384
"""Blocks that both miniatures hold together; above it the sample is halved."""
SAMPLE_EVERY = 8
SAMPLES_MIN = 50
"""Reads that are too few to judge by."""

_LEAD_EARLY = 0.01
"""By how much holding must be better to begin with it at the first looks."""
_LAG_LATE = 0.003
"""By how much it may be worse later: it spares the writes."""
_LATE_LOOK = 4
_LOOKS_CHURN = 16
_LOOKS_HOLD = 4
"""Looks come after 1, 2, 4 ... capacities were asked for; after this one all is counted anew."""
_CHURN_LEAD = 0.02
# The low 16 bits choose the disk, the high 32 are the ghost's: neither may decide what is in the sample.
_SAMPLE_SHIFT = 16


class Mode(Enum):
    """What a shard does with new blocks; its index remembers which one it was."""

    CHURN = "churn"
    """Lets all in: what was read longest ago leaves."""
    HOLD = "hold"
    """Lets hardly any in: what is there stays."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Byte hit ratios, 0 to 1, since the last count began; 0 for what is not counted now.

    `snapshot`: if what was there had stayed. `shadow`: if all was let in. `real`: what was there.
    """

    snapshot: float
    shadow: float
    real: float


class Gate:
    """Adapts `mode` to the reads it is told of.

    Blocks go by their `names.key_hash`; what is remembered of them is bounded by `SAMPLED_MAX`.
    """

    __slots__ = (
        "_capacity_bytes",
        "_inserted_bytes",
        "_look",
        "_mask",
        "_real_bytes",
        "_requested_bytes",
        "_resident",
        "_sample_every",
        "_samples",
        "_shadow",
        "_shadow_bytes",
        "_snapshot",
        "_snapshot_bytes",
        "is_full",
        "mode",
    )

    def __init__(self, capacity_bytes: int, mode: Mode = Mode.CHURN) -> None:
        self.mode = mode
        self.is_full = False
        self._capacity_bytes = capacity_bytes
        self._sample_every = SAMPLE_EVERY
        self._mask = _mask_of(SAMPLE_EVERY)
        self._resident: set[int] = set()
        self._snapshot: frozenset[int] | None = None
        self._shadow = Shadow(capacity_bytes // SAMPLE_EVERY)
        self._inserted_bytes = 0
        self._count_anew()

    @property
    def ratios(self) -> Ratios:
        """What the next look compares, so far."""
        requested = self._requested_bytes or 1
        return Ratios(self._snapshot_bytes / requested, self._shadow_bytes / requested, self._real_bytes / requested)

    @property
    def remembered(self) -> int:
        """Blocks that the miniatures hold."""
        return len(self._shadow) + max(len(self._resident), len(self._snapshot or ()))

    def mode_of(self, admission: Admission) -> Mode:
        """What holds for blocks of a mount of that admission."""
        match admission:
            case Admission.AUTO:
                return self.mode
            case Admission.CHURN:
                return Mode.CHURN
            case Admission.HOLD:
                return Mode.HOLD

    def admits(self, dice: float, admission: Admission = Admission.AUTO) -> bool:
        """Whether a new block is let in; `dice` is in [0, 1)."""
        return not self.is_full or self.mode_of(admission) is Mode.CHURN or dice < HOLD_ODDS

    def read(self, h: int, size: int, *, hit: bool) -> None:
        """A block of so many bytes was read in a mount whose admission is `AUTO`, and was there or not."""
        if h & self._mask:
            return
        weight = size * self._sample_every
        self._requested_bytes += weight
        self._samples += 1
        if self._shadow.read(h, size):
            self._shadow_bytes += weight
        if self._snapshot is not None and h in self._snapshot:
            self._snapshot_bytes += weight
        if hit:
            self._real_bytes += weight
            # A start does not know what is there; who reads it tells.
            self._resident.add(h)
        else:
            self._resident.discard(h)
        if self.remembered > SAMPLED_MAX:
            self._halve_sample()
        if self._requested_bytes >= self._look * self._capacity_bytes and self._samples > SAMPLES_MIN:
            self._look_at()

    def inserted(self, h: int, size: int) -> None:
        """A new block was written; one that eviction moves is none."""
        self._inserted_bytes += size
        if not h & self._mask:
            self._resident.add(h)
            if self.remembered > SAMPLED_MAX:
                self._halve_sample()
        self._begin_if_due()

    def removed(self, h: int) -> None:
        """A block was dropped, by eviction or otherwise."""
        if not h & self._mask:
            self._resident.discard(h)

    def fill_up(self) -> None:
        """The shard is full, and evicts for what it takes."""
        self.is_full = True
        self._begin_if_due()

    def has_room(self) -> None:
        """The shard has room again, as it may hold more than before: all are let in until it is full."""
        self.is_full = False

    def resize(self, capacity_bytes: int) -> None:
        """The shard may hold so much now."""
        self._capacity_bytes = capacity_bytes
        self._shadow.resize(capacity_bytes // self._sample_every)

    def _begin_if_due(self) -> None:
        waits = self.mode is Mode.CHURN and self._snapshot is None
        if waits and self.is_full and self._inserted_bytes >= self._capacity_bytes:
            self._take_snapshot()

    def _take_snapshot(self) -> None:
        self._snapshot = frozenset(self._resident)
        self._count_anew()

    def _count_anew(self) -> None:
        self._look = 1
        self._requested_bytes = 0
        self._snapshot_bytes = 0
        self._shadow_bytes = 0
        self._real_bytes = 0
        self._samples = 0

    def _look_at(self) -> None:
        ratios = self.ratios
        if self.mode is Mode.HOLD:
            if ratios.shadow > ratios.real + _CHURN_LEAD:
                self._change(Mode.CHURN)
            elif self._look == _LOOKS_HOLD:
                self._count_anew()
            else:
                self._look *= 2
        elif self._snapshot is not None:
            lead = ratios.snapshot - ratios.shadow
            if lead > _LEAD_EARLY or (self._look >= _LATE_LOOK and lead >= -_LAG_LATE):
                self._change(Mode.HOLD)
            elif self._look == _LOOKS_CHURN:
                self._take_snapshot()
            else:
                self._look *= 2

    def _change(self, mode: Mode) -> None:
        self.mode = mode
        self._snapshot = None
        self._inserted_bytes = 0
        self._count_anew()

    def _halve_sample(self) -> None:
        self._sample_every *= 2
        self._mask = mask = _mask_of(self._sample_every)
        self._resident = {h for h in self._resident if not h & mask}
        if self._snapshot is not None:
            self._snapshot = frozenset(h for h in self._snapshot if not h & mask)
        self._shadow.thin(mask, self._capacity_bytes // self._sample_every)


def _mask_of(sample_every: int) -> int:
    return sample_every - 1 << _SAMPLE_SHIFT
