"""The kind of file system that a directory lies on, and which kinds a store can do with."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NFS = frozenset({"nfs", "nfs4"})
"""Its locks and syncs do not hold what the store needs, and a hit would cross the network."""
REMOTE = frozenset({"cifs", "smb3", "9p", "ceph", "fuse.glusterfs", "fuse.sshfs", "lustre"})
COPYING = frozenset({"btrfs", "zfs"})
"""Write elsewhere what is written again, so room that was set aside may be missing when it is needed."""

_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_at(path: Path) -> str:
    """The kind of file system that a directory lies on; empty where the system does not say."""
    try:
        return kind_of(path.resolve(), MOUNTS.read_text(errors="surrogateescape"))
    except OSError:
        return ""


def kind_of(path: Path, mounts: str) -> str:
    """The kind of the last mount around `path`, by the text of mountinfo ("proc(5)", /proc/pid/mountinfo)."""
    found, kind = Path(), ""
    for line in mounts.splitlines():
        mounted, _, described = line.partition(" - ")
        fields = mounted.split(" ")
        if len(fields) < 5 or not described:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        # Of two at one place the later one hides the other.
        if path.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, described.split(" ")[0]
    return kind
