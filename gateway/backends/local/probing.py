"""Tries what the file system under a mount really does."""

import errno
import os
from dataclasses import replace

from gateway.backends.base import Capabilities, Conditional
from gateway.backends.local.objects import NO_LINKS
from gateway.backends.local.root import Root, own
from gateway.backends.local.temps import Temp, remove

_PROBE = b"probe"
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def probed(root: Root, believed: Capabilities) -> Capabilities:
    """`believed`, less what does not hold here. A mount that cannot be written has no conditional writes."""
    temp = Temp(root)
    try:
        temp.append(b"probe")
        root.make_own(own(_PROBE))
        exclusive = Conditional.NATIVE if _links(root, temp.name) else Conditional.CHECKED
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        return _read_only(believed)
    finally:
        temp.close()
    return replace(believed, conditional_create=exclusive)


def _read_only(believed: Capabilities) -> Capabilities:
    no = Conditional.NO
    return replace(
        believed,
        conditional_create=no,
        conditional_replace=no,
        conditional_complete=no,
        conditional_delete=no,
        tags=False,
    )


def _links(root: Root, name: bytes) -> bool:
    target = own(_PROBE, os.path.basename(name))
    try:
        os.link(name, target, src_dir_fd=root.fd, dst_dir_fd=root.fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return False
    remove(root, target)
    return True
