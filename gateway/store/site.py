"""What all parts of a shard share: its files and directories, its sizes, its clock."""

import logging
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.model import MIB
from gateway.store.capacity import SLACK_MIN_BYTES
from gateway.store.disk import Files

OPEN_FILES_MAX = 1024
PROBE_EVERY_S = 60.0
PENDING_BYTES_MAX = 64 * MIB

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes of a store that configuration does not name; the defaults are those of every real node."""

    segment_size: int | None = None
    """Of a new store, instead of the configured one."""
    capacity_bytes: int | None = None
    """Instead of the configured one."""
    object_size_max: int | None = None
    """Of objects that are kept, instead of the configured part of the capacity."""
    slack_min_bytes: int = SLACK_MIN_BYTES
    batch_records_max: int = 64
    gather_below_bytes: int = 512 * 1024
    """A batch of less waits a moment for more."""
    batch_bytes_max: int = 4 * MIB
    sync_every_bytes: int = 32 * MIB
    pending_bytes_max: int = PENDING_BYTES_MAX
    """Blocks that wait to be written to one disk; more are refused."""
    open_files_max: int = OPEN_FILES_MAX
    probe_every_s: float = PROBE_EVERY_S
    """How often a disk that was given up is tried."""


REAL_GEOMETRY = Geometry()


@dataclass(frozen=True, slots=True)
class Site:
    """One shard: `directory` is `<disk>/store/<uuid>`, `segment_size` was fixed when the store was formatted."""

    directory: Path
    uuid: bytes
    files: Files
    clock: Clock
    geometry: Geometry
    segment_size: int
    min_free_percent: int
    pin_max_percent: int
    scrub_bytes_per_s: int

    @property
    def segments(self) -> Path:
        return self.directory / "seg"

    @property
    def index(self) -> Path:
        return self.directory / "idx"

    @property
    def hits(self) -> Path:
        """The file of hit counters."""
        return self.directory / "HITS"

    def path_of(self, segment: int) -> Path:
        """The file of a segment."""
        return self.segments / f"{segment:016x}.seg"

    def trust_nothing_at_next_start(self) -> None:
        """Makes the next start ask for every info again. Blocks."""
        trust_nothing_at_next_start(self.directory.parent, self.files)

    def now_s(self) -> int:
        """Unix time in whole seconds."""
        return int(self.clock.now_s())


def trust_nothing_at_next_start(disk: Path, files: Files) -> None:
    """Makes the next start with this disk ask for every info again. Blocks."""
    # BOOT names the boot of the last start.
    boot = disk / "BOOT"
    try:
        files.unlink(boot)
        files.sync_directory(disk)
    except OSError as error:
        log.error("the store cannot write down what to forget", extra={"path": boot, "error": str(error)})


def segment_of(name: str) -> int | None:
    """The id of the segment in a file of this name; None for other files."""
    stem, dot, suffix = name.partition(".")
    try:
        number = int(stem, 16)
    except ValueError:
        return None
    return number if (dot, suffix, len(stem)) == (".", "seg", 16) else None


def is_shard(directory: Path) -> bool:
    """Whether this is the directory of a shard, of this store or of an older one."""
    name = directory.name
    return len(name) == 16 and not set(name) - set("0123456789abcdef") and (directory / "seg").is_dir()
