"""A rename that never replaces: the one system call Python does not offer."""

import ctypes
import errno
import os
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)
_NOREPLACE = 1
"""RENAME_NOREPLACE of Linux (renameat2)."""
_EXCLUSIVE = 4
"""RENAME_EXCL of macOS (renameatx_np)."""
_NOT_THERE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def rename_new(source_fd: int, source: bytes, target_fd: int, target: bytes) -> None:
    """Names are relative to open directories; `FileExistsError` if the target is there, empty directories too."""
    if sys.platform == "darwin":
        failed = _LIBC.renameatx_np(source_fd, source, target_fd, target, _EXCLUSIVE)
    else:
        failed = _LIBC.renameat2(source_fd, source, target_fd, target, _NOREPLACE)
    if not failed:
        return
    number = ctypes.get_errno()
    if number not in _NOT_THERE:
        raise OSError(number, os.strerror(number))
    _rename_checked(source_fd, source, target_fd, target)


def _rename_checked(source_fd: int, source: bytes, target_fd: int, target: bytes) -> None:
    # Network file systems know no such flag. Making the directory is as exclusive; renaming over it replaces it.
    os.mkdir(target, dir_fd=target_fd)
    try:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        raise FileExistsError from error
